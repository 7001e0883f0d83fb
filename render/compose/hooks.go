package compose

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	composetypes "github.com/compose-spec/compose-go/v2/types"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"catalyst.dev/catalyst/render/manifest"
)

// hookSecrets moves the variables of hooks that look like secrets to the service's own, which keep them out of manifests.
func (t *translation) hookSecrets(svc composetypes.ServiceConfig) composetypes.ServiceConfig {
	env := maps.Clone(svc.Environment)
	for _, h := range slices.Concat(svc.PostStart, svc.PreStop) {
		for _, name := range sortedKeys(h.Environment) {
			if v := h.Environment[name]; v != nil && isSecretHook(name, *v) {
				if env == nil {
					env = composetypes.MappingWithEquals{}
				}
				if _, own := env[name]; !own {
					env[name] = v
				}
			}
		}
	}
	svc.Environment = env
	return svc
}

func isSecretHook(name, value string) bool {
	return looksSecret(name, value) || mark.MatchString(value)
}

func (t *translation) lifecycle(svc composetypes.ServiceConfig) *corev1.Lifecycle {
	post, pre := t.hook(svc, "post_start", svc.PostStart), t.hook(svc, "pre_stop", svc.PreStop)
	if post == nil && pre == nil {
		return nil
	}
	return &corev1.Lifecycle{PostStart: post, PreStop: pre}
}

// hook joins several commands into one, as Kubernetes takes one only, and leaves one that needs no shell alone.
func (t *translation) hook(svc composetypes.ServiceConfig, key string, hooks []composetypes.ServiceHook) *corev1.LifecycleHandler {
	var lines []string
	for i, h := range hooks {
		at := fmt.Sprintf("%s[%d]", key, i)
		if h.User != "" && h.User != svc.User {
			t.note(svc.Name, at+".user", manifest.Approximated, "it runs as the container's user")
		}
		if h.Privileged {
			t.note(svc.Name, at+".privileged", manifest.Approximated, "it has the container's own privileges")
		}
		if len(h.Command) == 0 {
			continue
		}
		if len(hooks) == 1 && h.WorkingDir == "" && len(h.Environment) == 0 {
			return &corev1.LifecycleHandler{Exec: &corev1.ExecAction{Command: h.Command}}
		}
		lines = append(lines, hookLine(h))
	}
	if len(lines) == 0 {
		return nil
	}
	return &corev1.LifecycleHandler{Exec: &corev1.ExecAction{Command: []string{"/bin/sh", "-c", strings.Join(lines, " && ")}}}
}

// hookLine is one hook as a line of shell, in a subshell where it changes the folder.
func hookLine(h composetypes.ServiceHook) string {
	var words []string
	for _, name := range sortedKeys(h.Environment) {
		if v := h.Environment[name]; v != nil && envName.MatchString(name) && !isSecretHook(name, *v) {
			words = append(words, quote(name+"="+*v))
		}
	}
	if len(words) > 0 {
		words = append([]string{"env"}, words...)
	}
	for _, w := range h.Command {
		words = append(words, quote(w))
	}
	line := strings.Join(words, " ")
	if h.WorkingDir != "" {
		line = "( cd " + quote(h.WorkingDir) + " && " + line + " )"
	}
	return line
}

// hookStorage is what of a hook has to do with volumes, as a service.
func hookStorage(name string, h composetypes.PreStartHook) composetypes.ServiceConfig {
	return composetypes.ServiceConfig{Name: name, ContainerSpec: composetypes.ContainerSpec{Volumes: h.Volumes}}
}

// withHooks are the services, and their pre_start hooks as far as volumes go.
func (t *translation) withHooks(services []composetypes.ServiceConfig) []composetypes.ServiceConfig {
	all := slices.Clone(services)
	for _, svc := range services {
		for i, name := range t.hookNames[svc.Name] {
			all = append(all, hookStorage(name, svc.PreStart[i]))
		}
	}
	return all
}

// oncePerService counts the pre_start hooks that run once, whatever the replicas.
func oncePerService(svc composetypes.ServiceConfig) int {
	n := 0
	for _, h := range svc.PreStart {
		if !h.PerReplica {
			n++
		}
	}
	return n
}

// preStart makes the hooks that run before a service: init containers in order for those of each replica, Jobs in earlier
// sync waves for the others.
func (t *translation) preStart(svc composetypes.ServiceConfig, pod *corev1.PodTemplateSpec) {
	before := pod.Spec // what the hooks' own pods start from
	before.InitContainers = slices.Clone(pod.Spec.InitContainers)
	jobs := 0
	for i, h := range svc.PreStart {
		name := t.hookNames[svc.Name][i]
		c, volumes := t.hookContainer(svc, pod, i, name)
		if h.PerReplica {
			pod.Spec.Volumes = append(pod.Spec.Volumes, volumes...)
			pod.Spec.InitContainers = append(pod.Spec.InitContainers, c)
			continue
		}
		spec := before
		spec.InitContainers = slices.Clone(before.InitContainers)
		spec.Volumes = append(slices.Clone(before.Volumes), volumes...)
		spec.Containers = []corev1.Container{c}
		labels := map[string]string{labelService: t.names[name], "app.kubernetes.io/component": t.names[svc.Name]}
		for k, v := range pod.Labels {
			if strings.HasPrefix(k, labelNetwork) || k == labelNetworks || k == labelEgress || k == labelVolume {
				labels[k] = v
			}
		}
		retries := int32(0)
		wave := min(t.waves[svc.Name]+jobs, maxWave)
		t.addJob(metav1.ObjectMeta{Name: t.names[name], Annotations: map[string]string{annotationWave: strconv.Itoa(wave)},
			Labels: map[string]string{"app.kubernetes.io/component": t.names[svc.Name]}},
			batchv1.JobSpec{BackoffLimit: &retries}, corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: spec})
		jobs++
	}
}

// hookContainer is a pre_start hook's container: the service's mounts, and what the hook says of its own. volumes are those
// that the pod does not have yet.
func (t *translation) hookContainer(svc composetypes.ServiceConfig, pod *corev1.PodTemplateSpec, i int, name string) (c corev1.Container, volumes []corev1.Volume) {
	h := svc.PreStart[i]
	own := composetypes.ServiceConfig{Name: name, ContainerSpec: h.ContainerSpec}
	if own.Image == "" || own.Image == svc.Image {
		own.Image = t.image(svc)
	}
	c = corev1.Container{
		Name: t.names[name], Image: t.pinned(own.Image), WorkingDir: h.WorkingDir,
		Command: escapeAll(h.Entrypoint), Args: escapeAll(h.Command), Env: t.environment(own),
		Resources: t.resources(own), SecurityContext: t.containerSecurity(own), ImagePullPolicy: pullPolicy(h.PullPolicy),
	}
	t.concealContainer(name, &c)
	c.VolumeMounts, volumes = t.hookMounts(svc, pod, hookStorage(name, h))
	return c, volumes
}

// hookMounts are a hook's own mounts, and the service's beside them.
func (t *translation) hookMounts(svc composetypes.ServiceConfig, pod *corev1.PodTemplateSpec, own composetypes.ServiceConfig) ([]corev1.VolumeMount, []corev1.Volume) {
	volumes, mounts, _ := t.volumes(own)
	spec := corev1.PodSpec{Volumes: slices.Clone(pod.Spec.Volumes)}
	for _, v := range volumes {
		t.concealVolume(svc.Name, &v)
		moved := addVolume(&spec, own.Name, v)
		for k := range mounts {
			if mounts[k].Name == v.Name {
				mounts[k].Name = moved
			}
		}
	}
	taken := map[string]bool{}
	for _, m := range mounts {
		taken[m.MountPath] = true
	}
	for _, main := range pod.Spec.Containers {
		if main.Name != t.names[svc.Name] {
			continue
		}
		for _, m := range main.VolumeMounts {
			if !taken[m.MountPath] {
				mounts = append(mounts, m)
			}
		}
	}
	return mounts, spec.Volumes[len(pod.Spec.Volumes):]
}
