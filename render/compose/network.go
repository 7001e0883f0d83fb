package compose

import (
	"slices"
	"strings"

	composetypes "github.com/compose-spec/compose-go/v2/types"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// The labels that take a pod out of what the environment's own policies allow every pod: traffic with the namespace's
// other pods, and with what is outside. They only ever take away.
const (
	labelNetworks = "catalyst.dev/networks"
	labelEgress   = "catalyst.dev/egress"
	// labelNetwork marks, with a network's name, the pods that are on it.
	labelNetwork = "catalyst.dev/network-"
)

// networks tells which pods may reach which. An environment is one network; Compose's are kept apart in it where they
// make a difference.
type networks struct {
	// separate is set when some pods must not reach each other.
	separate bool
	// of holds the networks of each pod's owner, sorted; nil for one on the node's network, which no policy governs.
	of map[string][]string
	// closed are the owners that reach nothing outside.
	closed map[string]bool
}

func (n networks) reaches(a, b string) bool {
	return !n.separate || a == b || n.of[a] == nil || n.of[b] == nil || slices.ContainsFunc(n.of[a], func(network string) bool { return slices.Contains(n.of[b], network) })
}

// findNetworks finds whether networks separate pods.
func (t *translation) findNetworks() {
	t.networks = networks{of: map[string][]string{}, closed: map[string]bool{}}
	sets := map[string]string{} // one owner for each set of networks
	for _, owner := range sortedKeys(t.members) {
		svc := t.project.Services[owner]
		if usesHostNetwork(svc) {
			continue
		}
		names := append([]string{}, sortedKeys(svc.Networks)...)
		if len(names) == 0 && svc.NetworkMode != "none" {
			names = []string{"default"} // bridge, and what else has a network without a name
		}
		t.networks.of[owner] = names
		t.networks.closed[owner] = !slices.ContainsFunc(names, func(n string) bool { return !t.project.Networks[n].Internal })
		sets[strings.Join(names, " ")] = owner
	}
	owners := sortedKeys(sets)
	for i, a := range owners {
		t.networks.separate = t.networks.separate || a == ""
		for _, b := range owners[i+1:] {
			if !slices.ContainsFunc(t.networks.of[sets[a]], func(n string) bool { return slices.Contains(t.networks.of[sets[b]], n) }) {
				t.networks.separate = true
			}
		}
	}
}

// networkLabels are what the policies select a pod by.
func (t *translation) networkLabels(owner string) map[string]string {
	labels := map[string]string{}
	if t.networks.closed[owner] {
		labels[labelEgress] = "none"
	}
	if t.networks.separate && t.networks.of[owner] != nil {
		labels[labelNetworks] = "own"
		for _, n := range t.networks.of[owner] {
			labels[networkLabel(n)] = "true"
		}
	}
	return labels
}

// networkLabel of a network; the part after the slash has 63 characters at most.
func networkLabel(network string) string {
	name := dnsName(network)
	if name != network {
		name += "-" + shortHash(network)
	}
	if most := maxLabel - len("network-"); len(name) > most {
		name = strings.Trim(name[:most-6], "-") + "-" + shortHash(network)
	}
	return labelNetwork + name
}

// networkPolicies let the pods of each network reach each other.
func (t *translation) networkPolicies() {
	if !t.networks.separate {
		return
	}
	used := map[string]bool{}
	for _, names := range t.networks.of {
		for _, n := range names {
			used[n] = true
		}
	}
	made := map[string]bool{}
	for _, network := range sortedKeys(used) {
		label := networkLabel(network)
		if made[label] {
			continue
		}
		made[label] = true
		pods := metav1.LabelSelector{MatchLabels: map[string]string{label: "true"}}
		peers := []networkingv1.NetworkPolicyPeer{{PodSelector: &pods}}
		t.add(&networkingv1.NetworkPolicy{
			TypeMeta:   metav1.TypeMeta{APIVersion: "networking.k8s.io/v1", Kind: "NetworkPolicy"},
			ObjectMeta: metav1.ObjectMeta{Name: strings.TrimPrefix(label, "catalyst.dev/")},
			Spec: networkingv1.NetworkPolicySpec{
				PodSelector: pods, PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress},
				Ingress: []networkingv1.NetworkPolicyIngressRule{{From: peers}}, Egress: []networkingv1.NetworkPolicyEgressRule{{To: peers}},
			},
		})
	}
}

// usesHostNetwork reports whether a pod is on the node's network.
func usesHostNetwork(svc composetypes.ServiceConfig) bool { return svc.NetworkMode == "host" }

// hostNetwork puts a pod on the node's network, where cluster names still resolve. Host name and sysctls are the node's.
func hostNetwork(spec *corev1.PodSpec) {
	spec.HostNetwork = true
	spec.DNSPolicy = corev1.DNSClusterFirstWithHostNet
	spec.Hostname, spec.SecurityContext.Sysctls = "", nil
}
