package compose

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	composetypes "github.com/compose-spec/compose-go/v2/types"
	corev1 "k8s.io/api/core/v1"

	"catalyst.dev/catalyst/render/manifest"
)

// groupPods finds whose pod runs each service: its own, or that of the service whose network it shares. Jobs stay alone: a
// pod ends when all of it does.
func (t *translation) groupPods() {
	t.owners, t.members, t.templates = map[string]string{}, map[string][]string{}, map[string]*corev1.PodTemplateSpec{}
	for _, svc := range t.services() {
		owner := svc
		for range maxServices {
			next, shares := strings.CutPrefix(owner.NetworkMode, composetypes.ServicePrefix)
			if _, exists := t.project.Services[next]; !shares || !exists {
				break
			}
			owner = t.project.Services[next]
		}
		if owner.Name != svc.Name && (t.oneShot[svc.Name] || t.oneShot[owner.Name]) {
			t.note(svc.Name, "network_mode", manifest.Approximated, "it has a network of its own: one of the two runs to its end, and a pod ends as a whole")
			owner = svc
		}
		t.owners[svc.Name] = owner.Name
		t.members[owner.Name] = append(t.members[owner.Name], svc.Name)
	}
}

// join adds another service's container to a pod: they share the network, as network_mode: service:x says. Volumes that
// are the same are shared, others of the same name are told apart.
func join(pod *corev1.PodTemplateSpec, name string, other *corev1.PodTemplateSpec) {
	volumes := map[string]string{}
	for _, v := range other.Spec.Volumes {
		volumes[v.Name] = addVolume(&pod.Spec, name, v)
	}
	move := func(c corev1.Container) corev1.Container {
		c.VolumeMounts = slices.Clone(c.VolumeMounts)
		for i := range c.VolumeMounts {
			c.VolumeMounts[i].Name = volumes[c.VolumeMounts[i].Name]
		}
		return c
	}
	for _, c := range other.Spec.InitContainers {
		c = move(c)
		addInit(&pod.Spec, name, c)
	}
	for _, c := range other.Spec.Containers {
		pod.Spec.Containers = append(pod.Spec.Containers, move(c))
	}
	for k, v := range other.Labels {
		if _, ours := pod.Labels[k]; !ours {
			pod.Labels[k] = v
		}
	}
	for k, v := range other.Annotations {
		if pod.Annotations == nil {
			pod.Annotations = map[string]string{}
		}
		if _, ours := pod.Annotations[k]; !ours {
			pod.Annotations[k] = v
		}
	}
	joinSpec(&pod.Spec, other.Spec)
}

// joinSpec merges what belongs to the pod as a whole.
func joinSpec(pod *corev1.PodSpec, other corev1.PodSpec) {
	pod.HostAliases = mergeHostAliases(pod.HostAliases, other.HostAliases)
	if a := other.Affinity; a != nil && a.PodAffinity != nil {
		own := affinityOf(pod)
		if own.PodAffinity == nil {
			own.PodAffinity = &corev1.PodAffinity{}
		}
		terms := &own.PodAffinity.RequiredDuringSchedulingIgnoredDuringExecution
		*terms = append(*terms, a.PodAffinity.RequiredDuringSchedulingIgnoredDuringExecution...)
	}
	if g := other.TerminationGracePeriodSeconds; g != nil && (pod.TerminationGracePeriodSeconds == nil || *g > *pod.TerminationGracePeriodSeconds) {
		pod.TerminationGracePeriodSeconds = g
	}
	if s := other.SecurityContext; s != nil && pod.SecurityContext != nil {
		pod.SecurityContext.SupplementalGroups = append(pod.SecurityContext.SupplementalGroups, s.SupplementalGroups...)
		if pod.SecurityContext.FSGroup == nil {
			pod.SecurityContext.FSGroup, pod.SecurityContext.FSGroupChangePolicy = s.FSGroup, s.FSGroupChangePolicy
		}
	}
	pod.ShareProcessNamespace = nil // the services' processes do not see each other in Compose
}

// addVolume adds a volume to a pod and returns the name that it has there.
func addVolume(pod *corev1.PodSpec, owner string, v corev1.Volume) string {
	name := v.Name
	for i := 0; ; i++ {
		same, free := false, true
		for _, have := range pod.Volumes {
			if have.Name == v.Name {
				free, same = false, reflect.DeepEqual(have.VolumeSource, v.VolumeSource) && v.EmptyDir == nil
			}
		}
		if same {
			return v.Name
		}
		if free {
			pod.Volumes = append(pod.Volumes, v)
			return v.Name
		}
		v.Name = "v-" + hash(fmt.Sprint(owner, " ", name, " ", i))
	}
}

// addInit adds an init container, unless an equal one is there.
func addInit(pod *corev1.PodSpec, owner string, c corev1.Container) {
	for _, have := range pod.InitContainers {
		if reflect.DeepEqual(have, c) {
			return
		}
		if have.Name == c.Name {
			c.Name = cut(c.Name + "-" + owner)
		}
	}
	pod.InitContainers = append(pod.InitContainers, c)
}
