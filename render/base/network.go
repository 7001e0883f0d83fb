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

// ingressPolicy lets the environment's own pods and the ingress controller in, and nobody else.
func ingressPolicy(ingress v1alpha1.PlatformIngress) *networkingv1.NetworkPolicy {
	controller := ingress.Namespace
	if controller == "" {
		controller = defaultIngressNamespace
	}
	p := networkPolicy("catalyst-ingress", networkingv1.PolicyTypeIngress)
	p.Spec.Ingress = []networkingv1.NetworkPolicyIngressRule{{From: []networkingv1.NetworkPolicyPeer{
		{PodSelector: &metav1.LabelSelector{}},
		{NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{namespaceName: controller}}},
	}}}
	return p
}

// egressPolicy lets pods reach each other, DNS, and what the Platform says.
func egressPolicy(network v1alpha1.PlatformNetwork) (*networkingv1.NetworkPolicy, error) {
	p := networkPolicy("catalyst-egress", networkingv1.PolicyTypeEgress)
	if network.Egress == v1alpha1.EgressAll {
		p.Spec.Egress = []networkingv1.NetworkPolicyEgressRule{{}}
		return p, nil
	}
	p.Spec.Egress = []networkingv1.NetworkPolicyEgressRule{
		{To: []networkingv1.NetworkPolicyPeer{{PodSelector: &metav1.LabelSelector{}}}},
		dns(),
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
		p.Spec.Egress = append(p.Spec.Egress, networkingv1.NetworkPolicyEgressRule{To: to})
	}
	return p, nil
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

// internet is every public address: neither private, shared, loopback nor link-local (cloud metadata) ones.
func internet() []networkingv1.NetworkPolicyPeer {
	return []networkingv1.NetworkPolicyPeer{
		{IPBlock: &networkingv1.IPBlock{CIDR: "0.0.0.0/0", Except: []string{
			"10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16",
		}}},
		{IPBlock: &networkingv1.IPBlock{CIDR: "::/0", Except: []string{"64:ff9b::/96", "::1/128", "fc00::/7", "fe80::/10"}}},
	}
}

func networkPolicy(name string, direction networkingv1.PolicyType) *networkingv1.NetworkPolicy {
	return &networkingv1.NetworkPolicy{
		TypeMeta:   metav1.TypeMeta{APIVersion: "networking.k8s.io/v1", Kind: "NetworkPolicy"},
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       networkingv1.NetworkPolicySpec{PolicyTypes: []networkingv1.PolicyType{direction}},
	}
}

func quantity(s string) *resource.Quantity {
	q := resource.MustParse(s)
	return &q
}
