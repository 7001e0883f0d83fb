package base

import (
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"catalyst.dev/catalyst/api/v1alpha1"
)

const (
	// namespaceName is the label that Kubernetes itself puts on every namespace.
	namespaceName = "kubernetes.io/metadata.name"

	defaultIngressNamespace = "ingress-nginx"
)

// The labels that take a pod out of what the policies allow every pod. They only ever take away, so a template may set
// them; those of Compose do, where networks are kept apart.
const (
	// labelNetworks is on pods that reach those of the namespace by policies of their own only.
	labelNetworks = "catalyst.dev/networks"
	// labelEgress is on pods that reach nothing outside the namespace.
	labelEgress = "catalyst.dev/egress"
)

// policies let the environment's own pods and the ingress controller in, and nobody else; and let pods reach each other,
// DNS, and what the Platform says. The first two hold for every pod and deny what no policy allows, so that no label
// leaves a pod without any.
func policies(ingress v1alpha1.PlatformIngress, network v1alpha1.PlatformNetwork) ([]*networkingv1.NetworkPolicy, error) {
	controller := ingress.Namespace
	if controller == "" {
		controller = defaultIngressNamespace
	}
	in := networkPolicy("catalyst-ingress", networkingv1.PolicyTypeIngress)
	in.Spec.Ingress = []networkingv1.NetworkPolicyIngressRule{{From: []networkingv1.NetworkPolicyPeer{
		{NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{namespaceName: controller}}},
	}}}
	out := networkPolicy("catalyst-egress", networkingv1.PolicyTypeEgress)
	out.Spec.Egress = []networkingv1.NetworkPolicyEgressRule{dns()}

	own := []networkingv1.NetworkPolicyPeer{{PodSelector: &metav1.LabelSelector{}}}
	namespace := networkPolicy("catalyst-namespace", networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress)
	namespace.Spec.PodSelector = without(labelNetworks)
	namespace.Spec.Ingress = []networkingv1.NetworkPolicyIngressRule{{From: own}}
	namespace.Spec.Egress = []networkingv1.NetworkPolicyEgressRule{{To: own}}

	outside, err := outsidePolicy(network)
	if err != nil {
		return nil, err
	}
	return []*networkingv1.NetworkPolicy{in, out, namespace, outside}, nil
}

// outsidePolicy lets pods reach what the Platform says. It is there when that is nothing too: the policy gate trusts its
// name, which must not be a template's to take.
func outsidePolicy(network v1alpha1.PlatformNetwork) (*networkingv1.NetworkPolicy, error) {
	p := networkPolicy("catalyst-outside", networkingv1.PolicyTypeEgress)
	p.Spec.PodSelector = without(labelEgress)
	if network.Egress == v1alpha1.EgressAll {
		// The namespace's pods are among them: what keeps networks apart then is the receiving side.
		p.Spec.Egress = []networkingv1.NetworkPolicyEgressRule{{}}
		return p, nil
	}
	var to []networkingv1.NetworkPolicyPeer
	if network.Egress != v1alpha1.EgressNone {
		to = internet()
	}
	for i, s := range network.AllowCIDRs {
		prefix, err := cidr(i, s)
		if err != nil {
			return nil, err
		}
		to = append(to, networkingv1.NetworkPolicyPeer{IPBlock: &networkingv1.IPBlock{CIDR: prefix}})
	}
	if len(to) > 0 { // an empty list would mean everywhere
		p.Spec.Egress = []networkingv1.NetworkPolicyEgressRule{{To: to}}
	}
	return p, nil
}

func without(label string) metav1.LabelSelector {
	return metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: label, Operator: metav1.LabelSelectorOpDoesNotExist}}}
}

func dns() networkingv1.NetworkPolicyEgressRule {
	udp, tcp, port := corev1.ProtocolUDP, corev1.ProtocolTCP, intstr.FromInt32(53)
	return networkingv1.NetworkPolicyEgressRule{
		To: []networkingv1.NetworkPolicyPeer{{
			NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{namespaceName: "kube-system"}},
		}},
		Ports: []networkingv1.NetworkPolicyPort{{Protocol: &udp, Port: &port}, {Protocol: &tcp, Port: &port}},
	}
}

// internet is every public address: neither private, shared, loopback nor link-local (cloud metadata) ones. IPv4-mapped
// addresses need no exception, and the API server takes none: a node sends to them as IPv4.
func internet() []networkingv1.NetworkPolicyPeer {
	return []networkingv1.NetworkPolicyPeer{
		{IPBlock: &networkingv1.IPBlock{CIDR: "0.0.0.0/0", Except: []string{
			"10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16",
		}}},
		{IPBlock: &networkingv1.IPBlock{CIDR: "::/0", Except: []string{"64:ff9b::/96", "::1/128", "fc00::/7", "fe80::/10"}}},
	}
}

func networkPolicy(name string, directions ...networkingv1.PolicyType) *networkingv1.NetworkPolicy {
	return &networkingv1.NetworkPolicy{
		TypeMeta:   metav1.TypeMeta{APIVersion: "networking.k8s.io/v1", Kind: "NetworkPolicy"},
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       networkingv1.NetworkPolicySpec{PolicyTypes: directions},
	}
}

func quantity(s string) *resource.Quantity {
	q := resource.MustParse(s)
	return &q
}
