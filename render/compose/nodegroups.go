package compose

import (
	"strings"

	composetypes "github.com/compose-spec/compose-go/v2/types"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// labelVolume marks the pods that must run on one node because they share volumes, with the name of their group.
const labelVolume = "catalyst.dev/volumes"

// planNodes finds the groups of services that share claims, also by way of others. One label a group: the scheduler looks
// for a pod that matches all the terms of an affinity, so a label a volume would leave a service of two volumes free to go anywhere.
func (t *translation) planNodes(services []composetypes.ServiceConfig) {
	group := map[string]string{}
	leader := func(name string) string {
		for group[name] != name {
			name = group[name]
		}
		return name
	}
	join := func(a, b string) {
		a, b = leader(a), leader(b)
		group[max(a, b)] = min(a, b)
	}
	for _, svc := range services {
		group[svc.Name] = svc.Name
	}
	for _, svc := range services { // services of one network may be one pod, which can have one label only
		if other, found := strings.CutPrefix(svc.NetworkMode, composetypes.ServicePrefix); found && group[other] != "" {
			join(svc.Name, other)
		}
	}
	shared := map[string]bool{}
	for _, name := range sortedKeys(t.storage.claims) {
		c := t.storage.claims[name]
		users := sortedKeys(c.users)
		if c.shared || len(users) < 2 {
			continue
		}
		for _, user := range users {
			shared[user] = true
			join(users[0], user)
		}
	}
	t.storage.nodes = map[string]string{}
	for service := range shared {
		t.storage.nodes[service] = t.names[leader(service)]
	}
}

// nodeLabels of a service's pods.
func (t *translation) nodeLabels(svc composetypes.ServiceConfig) map[string]string {
	if group := t.storage.nodes[svc.Name]; group != "" {
		return map[string]string{labelVolume: group}
	}
	return nil
}

// volumeAffinity keeps the pods that share a volume on one node: most disks attach to one at a time. The first pod matches its own
// term, which the scheduler lets pass.
func (t *translation) volumeAffinity(svc composetypes.ServiceConfig) *corev1.Affinity {
	labels := t.nodeLabels(svc)
	if labels == nil {
		return nil
	}
	return &corev1.Affinity{PodAffinity: &corev1.PodAffinity{RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{
		{TopologyKey: corev1.LabelHostname, LabelSelector: &metav1.LabelSelector{MatchLabels: labels}}}}}
}

// isBoundToNode reports whether a service has a claim that only the pods of one node can mount.
func (t *translation) isBoundToNode(svc composetypes.ServiceConfig) bool {
	for _, p := range t.storage.mounts[svc.Name] {
		if p.claim != "" && p.kind != mountNone && !t.storage.claims[p.claim].shared {
			return true
		}
	}
	return false
}
