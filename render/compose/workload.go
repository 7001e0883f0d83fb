package compose

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"strconv"
	"strings"

	composetypes "github.com/compose-spec/compose-go/v2/types"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"catalyst.dev/catalyst/render/manifest"
)

// labelService selects a service's pods. It is not app.kubernetes.io/name, which templates may set.
const labelService = "catalyst.dev/service"

const annotationWave = "argocd.argoproj.io/sync-wave"

func (t *translation) selector(svc composetypes.ServiceConfig) map[string]string {
	return map[string]string{labelService: t.names[svc.Name]}
}

// workload makes a service's Deployment, or its Job.
func (t *translation) workload(svc composetypes.ServiceConfig) {
	name := t.names[svc.Name]
	pod := t.pod(svc)
	meta := metav1.ObjectMeta{Name: name, Labels: t.labels(svc), Annotations: map[string]string{annotationWave: strconv.Itoa(t.waves[svc.Name])}}
	if t.oneShot[svc.Name] {
		t.job(svc, meta, pod)
		return
	}
	replicas, stateful := t.replicas(svc)
	d := &appsv1.Deployment{
		TypeMeta: metav1.TypeMeta{APIVersion: "apps/v1", Kind: "Deployment"}, ObjectMeta: meta,
		Spec: appsv1.DeploymentSpec{Replicas: &replicas, Selector: &metav1.LabelSelector{MatchLabels: t.selector(svc)}, Template: pod},
	}
	if stateful { // two pods must never write one volume
		d.Spec.Strategy = appsv1.DeploymentStrategy{Type: appsv1.RecreateDeploymentStrategyType}
	}
	t.add(d)
}

// job runs once for each definition: its name carries a hash, as a Job cannot be changed.
func (t *translation) job(svc composetypes.ServiceConfig, meta metav1.ObjectMeta, pod corev1.PodTemplateSpec) {
	pod.Spec.RestartPolicy = corev1.RestartPolicyNever
	data, err := json.Marshal(pod)
	if err != nil {
		t.errs = append(t.errs, fmt.Errorf("hashing job %s: %w", svc.Name, err))
		return
	}
	sum := sha256.Sum256(data)
	meta.Name += "-" + hex.EncodeToString(sum[:])[:5]
	retries := int32(3)
	if _, n, ok := strings.Cut(svc.Restart, ":"); ok {
		if v, err := strconv.ParseInt(n, 10, 16); err == nil && v >= 0 {
			retries = int32(v)
		}
	}
	t.add(&batchv1.Job{TypeMeta: metav1.TypeMeta{APIVersion: "batch/v1", Kind: "Job"}, ObjectMeta: meta,
		Spec: batchv1.JobSpec{BackoffLimit: &retries, Template: pod}})
}

// replicas of a service, and whether it has volumes that one pod alone may use.
func (t *translation) replicas(svc composetypes.ServiceConfig) (replicas int32, stateful bool) {
	n := 1
	if svc.Scale != nil {
		n = *svc.Scale
	}
	if svc.Deploy != nil && svc.Deploy.Replicas != nil {
		n = *svc.Deploy.Replicas
	}
	if v, ok := t.serviceValues(svc.Name)["replicas"]; ok {
		f, isNumber := v.(float64)
		if !isNumber || f != float64(int(f)) {
			t.errs = append(t.errs, &manifest.Problem{File: "project.yaml", Field: "values.services." + svc.Name + ".replicas",
				Message: fmt.Sprintf("%v is not a whole number", v), Remedy: "write it as 2"})
			return 1, false
		}
		n = int(f)
	}
	if n < 0 || n > maxReplicas {
		t.refuseKey(svc.Name, "deploy.replicas", fmt.Sprintf("%d replicas, not between 0 and %d", n, maxReplicas), "ask for fewer")
		return 1, false
	}
	stateful = t.isBoundToNode(svc)
	if stateful && n > 1 {
		t.note(svc.Name, "deploy.replicas", manifest.Approximated, "1 replica: its volume is for one pod at a time")
		n = 1
	}
	return int32(n), stateful
}

// pod is the template of a service's pods.
func (t *translation) pod(svc composetypes.ServiceConfig) corev1.PodTemplateSpec {
	no := false
	env := t.environment(svc)
	volumes, mounts, prepare := t.volumes(svc)
	readiness, startup := probes(svc.HealthCheck)
	container := corev1.Container{
		Name: t.names[svc.Name], Image: t.image(svc),
		Command: escapeAll(svc.Entrypoint), Args: escapeAll(svc.Command),
		WorkingDir: svc.WorkingDir, Env: env, Ports: containerPorts(t.ports[svc.Name]),
		Resources: t.resources(svc), VolumeMounts: mounts, ReadinessProbe: readiness, StartupProbe: startup,
		SecurityContext: t.containerSecurity(svc), TTY: svc.Tty, Stdin: svc.StdinOpen, ImagePullPolicy: pullPolicy(svc.PullPolicy),
		Lifecycle: lifecycle(svc),
	}
	pod := corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: t.podLabels(svc), Annotations: podAnnotations(svc)},
		Spec: corev1.PodSpec{
			AutomountServiceAccountToken: &no, EnableServiceLinks: &no,
			SecurityContext: t.podSecurity(svc),
			InitContainers:  append(prepare, t.waits(svc)...),
			Containers:      []corev1.Container{container},
			Volumes:         volumes,
			Affinity:        t.affinity(svc),
			DNSConfig:       dnsConfig(svc),
			HostAliases:     t.hostAliases(svc),
		},
	}
	if isDNSLabel(svc.Hostname) {
		pod.Spec.Hostname = svc.Hostname
	}
	if svc.StopGracePeriod != nil {
		grace := int64(seconds(svc.StopGracePeriod, 0))
		pod.Spec.TerminationGracePeriodSeconds = &grace
	}
	return pod
}

// image of a service: values.services, then the image rule, then its own, then what its build pushes.
func (t *translation) image(svc composetypes.ServiceConfig) string {
	if own, ok := t.serviceValues(svc.Name)["image"].(string); ok && own != "" {
		return own
	}
	if own := t.in.Images[svc.Name]; own != "" {
		return own
	}
	if svc.Build != nil && t.in.BuildImage != nil {
		return t.in.BuildImage(t.names[svc.Name])
	}
	if svc.Image == "" {
		t.refuseKey(svc.Name, "build", "there is no registry that the image is pushed to", "set spec.registry in catalyst.yaml, or name the image in the template's images")
	}
	return svc.Image
}

func containerPorts(ports []port) []corev1.ContainerPort {
	var out []corev1.ContainerPort
	for _, p := range ports {
		out = append(out, corev1.ContainerPort{Name: portName(p, p.target), ContainerPort: p.target, Protocol: p.protocol})
	}
	return out
}

func pullPolicy(policy string) corev1.PullPolicy {
	switch policy {
	case "always":
		return corev1.PullAlways
	case "missing", "if_not_present", "never":
		return corev1.PullIfNotPresent
	}
	return ""
}

func lifecycle(svc composetypes.ServiceConfig) *corev1.Lifecycle {
	post, pre := hook(svc.PostStart), hook(svc.PreStop)
	if post == nil && pre == nil {
		return nil
	}
	return &corev1.Lifecycle{PostStart: post, PreStop: pre}
}

// hook joins several commands into one, as Kubernetes takes one only.
func hook(hooks []composetypes.ServiceHook) *corev1.LifecycleHandler {
	switch len(hooks) {
	case 0:
		return nil
	case 1:
		return &corev1.LifecycleHandler{Exec: &corev1.ExecAction{Command: hooks[0].Command}}
	}
	var lines []string
	for _, h := range hooks {
		var words []string
		for _, w := range h.Command {
			words = append(words, "'"+strings.ReplaceAll(w, "'", `'\''`)+"'")
		}
		lines = append(lines, strings.Join(words, " "))
	}
	return &corev1.LifecycleHandler{Exec: &corev1.ExecAction{Command: []string{"/bin/sh", "-c", strings.Join(lines, " && ")}}}
}

func (t *translation) labels(svc composetypes.ServiceConfig) map[string]string {
	labels := t.selector(svc)
	labels["app.kubernetes.io/component"] = t.names[svc.Name]
	return labels
}

func (t *translation) podLabels(svc composetypes.ServiceConfig) map[string]string {
	labels := t.labels(svc)
	maps.Copy(labels, t.nodeLabels(svc))
	return labels
}

var annotationKey = regexp.MustCompile(`^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$`)

// podAnnotations are Compose's labels: Kubernetes' labels would take only some of their values.
func podAnnotations(svc composetypes.ServiceConfig) map[string]string {
	out := map[string]string{}
	for _, m := range []map[string]string{svc.Labels, svc.Annotations} {
		for k, v := range m {
			if annotationKey.MatchString(k) && !strings.HasPrefix(k, "com.docker.") {
				out[k] = v
			}
		}
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

func dnsConfig(svc composetypes.ServiceConfig) *corev1.PodDNSConfig {
	if len(svc.DNS)+len(svc.DNSSearch)+len(svc.DNSOpts) == 0 {
		return nil
	}
	c := &corev1.PodDNSConfig{Nameservers: svc.DNS, Searches: svc.DNSSearch}
	for _, o := range svc.DNSOpts {
		name, value, ok := strings.Cut(o, ":")
		option := corev1.PodDNSConfigOption{Name: name}
		if ok {
			option.Value = &value
		}
		c.Options = append(c.Options, option)
	}
	return c
}

func (t *translation) hostAliases(svc composetypes.ServiceConfig) []corev1.HostAlias {
	var aliases []corev1.HostAlias
	for _, host := range sortedKeys(svc.ExtraHosts) {
		for _, ip := range svc.ExtraHosts[host] {
			if ip == "host-gateway" {
				t.refuseKey(svc.Name, "extra_hosts", host+" is the Docker host, which a cluster has not", "run what it reaches as a service of the application")
				continue
			}
			aliases = append(aliases, corev1.HostAlias{IP: ip, Hostnames: []string{host}})
		}
	}
	return aliases
}
