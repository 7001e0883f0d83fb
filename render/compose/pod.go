package compose

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"

	composetypes "github.com/compose-spec/compose-go/v2/types"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"catalyst.dev/catalyst/render/manifest"
)

// annotationDependencies holds a checksum of the services that a service restarts with.
const annotationDependencies = "catalyst.dev/dependencies-checksum"

// template of the pods that run a service and those that share its network, made once.
func (t *translation) template(owner string) *corev1.PodTemplateSpec {
	if pod, made := t.templates[owner]; made {
		return pod
	}
	pod := t.pod(t.project.Services[owner])
	t.templates[owner] = pod // before the dependencies are looked at, whose own may lead back here
	for _, member := range t.members[owner] {
		if member != owner {
			t.joinNotes(t.project.Services[member])
			join(pod, t.names[member], t.pod(t.project.Services[member]))
		}
	}
	pod.Spec.InitContainers = append(pod.Spec.InitContainers, t.waits(owner)...)
	// The hooks run last, when what they need is there.
	for _, member := range t.members[owner] {
		t.preStart(t.project.Services[member], pod)
	}
	if sum := t.restartChecksum(owner); sum != "" {
		if pod.Annotations == nil {
			pod.Annotations = map[string]string{}
		}
		pod.Annotations[annotationDependencies] = sum
	}
	return pod
}

// joinNotes reports what a service in another's pod cannot have of its own.
func (t *translation) joinNotes(svc composetypes.ServiceConfig) {
	if svc.Scale != nil || svc.Deploy != nil && svc.Deploy.Replicas != nil {
		t.note(svc.Name, "deploy.replicas", manifest.Ignored, "it runs in the pods of "+t.owners[svc.Name])
	}
	if r := restartOf(svc); r == "no" || strings.HasPrefix(r, "on-failure") {
		t.note(svc.Name, "restart", manifest.Approximated, "it runs in the pods of "+t.owners[svc.Name]+", and is always restarted")
	}
}

// restartChecksum changes when the definition of a service does that the pod restarts with.
func (t *translation) restartChecksum(owner string) string {
	h := sha256.New()
	found := false
	for _, d := range t.depends[owner] {
		if !d.Restart {
			continue
		}
		data, err := json.Marshal(t.template(t.owners[d.on]))
		if err != nil {
			t.errs = append(t.errs, fmt.Errorf("hashing %s: %w", d.on, err))
			return ""
		}
		found = true
		fmt.Fprintf(h, "%s %d ", d.on, len(data))
		h.Write(data)
	}
	if !found {
		return ""
	}
	return hex.EncodeToString(h.Sum(nil))[:16]
}

// pod is the template of a pod that runs a service alone.
func (t *translation) pod(svc composetypes.ServiceConfig) *corev1.PodTemplateSpec {
	no := false
	svc = t.hookSecrets(svc)
	env := t.environment(svc)
	volumes, mounts, prepare := t.volumes(svc)
	readiness, startup := t.probes(svc)
	container := corev1.Container{
		Name: t.names[svc.Name], Image: t.image(svc),
		Command: escapeAll(svc.Entrypoint), Args: escapeAll(svc.Command),
		WorkingDir: svc.WorkingDir, Env: env, Ports: containerPorts(t.ports[svc.Name]),
		Resources: t.resources(svc), VolumeMounts: mounts, ReadinessProbe: readiness, StartupProbe: startup,
		SecurityContext: t.containerSecurity(svc), TTY: svc.Tty, Stdin: svc.StdinOpen, ImagePullPolicy: pullPolicy(svc.PullPolicy),
		Lifecycle: t.lifecycle(svc),
	}
	pod := &corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: t.podLabels(svc), Annotations: t.podAnnotations(svc)},
		Spec: corev1.PodSpec{
			AutomountServiceAccountToken: &no, EnableServiceLinks: &no,
			SecurityContext: t.podSecurity(svc),
			InitContainers:  prepare,
			Containers:      []corev1.Container{container},
			Volumes:         volumes,
			Affinity:        t.volumeAffinity(svc),
			DNSConfig:       t.dnsConfig(svc),
			HostAliases:     t.hostAliases(svc),
			Hostname:        t.hostname(svc),
			NodeSelector:    t.nodeSelector(svc),
		},
	}
	t.placement(svc, &pod.Spec)
	if svc.Init != nil && *svc.Init { // the pod's pause process reaps, as Docker's init does
		yes := true
		pod.Spec.ShareProcessNamespace = &yes
	}
	if svc.StopGracePeriod != nil {
		grace := int64(seconds(svc.StopGracePeriod, 0))
		pod.Spec.TerminationGracePeriodSeconds = &grace
	}
	t.nodeAccess(svc, &pod.Spec)
	t.pinImages(pod)
	t.conceal(svc, pod)
	return pod
}

// hostname of the pods: the service's own where it is a DNS label, else what of it is one.
func (t *translation) hostname(svc composetypes.ServiceConfig) string {
	switch {
	case svc.Hostname == "" || t.owners[svc.Name] != svc.Name:
		return ""
	case isDNSLabel(svc.Hostname):
		return svc.Hostname
	}
	t.note(svc.Name, "hostname", manifest.Approximated, fmt.Sprintf("pods are called %q: a host name is one DNS label", dnsName(svc.Hostname)))
	return dnsName(svc.Hostname)
}
