package image

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

func (in Input) service() *corev1.Service {
	s := &corev1.Service{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Service"},
		ObjectMeta: metav1.ObjectMeta{Name: in.Name},
		Spec:       corev1.ServiceSpec{Selector: map[string]string{nameLabel: in.Name}},
	}
	for _, p := range in.Config.Ports {
		s.Spec.Ports = append(s.Spec.Ports, corev1.ServicePort{
			Name: portName(p), Port: p.ContainerPort, TargetPort: intstr.FromInt32(p.ContainerPort), Protocol: protocol(p),
		})
	}
	return s
}

// portName is the container port's own, or one made of its number: a Service with several ports must name them.
func portName(p corev1.ContainerPort) string {
	if p.Name != "" {
		return p.Name
	}
	return fmt.Sprintf("%s-%d", strings.ToLower(string(protocol(p))), p.ContainerPort)
}

func protocol(p corev1.ContainerPort) corev1.Protocol {
	if p.Protocol == "" {
		return corev1.ProtocolTCP
	}
	return p.Protocol
}

// entrance is the port that the Ingress leads to: the one named, else the first TCP one.
func (in Input) entrance() (int32, bool) {
	i := in.Config.Ingress
	if in.Host == "" || i != nil && i.Disabled {
		return 0, false
	}
	if i != nil && i.Port != 0 {
		return i.Port, true
	}
	for _, p := range in.Config.Ports {
		if protocol(p) == corev1.ProtocolTCP {
			return p.ContainerPort, true
		}
	}
	return 0, false
}

func (in Input) ingress(port int32) *networkingv1.Ingress {
	prefix := networkingv1.PathTypePrefix
	i := &networkingv1.Ingress{
		TypeMeta:   metav1.TypeMeta{APIVersion: "networking.k8s.io/v1", Kind: "Ingress"},
		ObjectMeta: metav1.ObjectMeta{Name: in.Name},
		Spec: networkingv1.IngressSpec{Rules: []networkingv1.IngressRule{{
			Host: in.Host,
			IngressRuleValue: networkingv1.IngressRuleValue{HTTP: &networkingv1.HTTPIngressRuleValue{
				Paths: []networkingv1.HTTPIngressPath{{Path: in.path(), PathType: &prefix, Backend: networkingv1.IngressBackend{
					Service: &networkingv1.IngressServiceBackend{Name: in.Name, Port: networkingv1.ServiceBackendPort{Number: port}},
				}}},
			}},
		}}},
	}
	if in.IngressClass != "" {
		class := in.IngressClass
		i.Spec.IngressClassName = &class
	}
	if in.TLS {
		tls := networkingv1.IngressTLS{Hosts: []string{in.Host}}
		if in.ClusterIssuer != "" {
			tls.SecretName = in.Name + "-tls"
			i.Annotations = map[string]string{"cert-manager.io/cluster-issuer": in.ClusterIssuer}
		}
		i.Spec.TLS = []networkingv1.IngressTLS{tls}
	}
	return i
}

func (in Input) path() string {
	if i := in.Config.Ingress; i != nil && i.Path != "" {
		return i.Path
	}
	return "/"
}

func (in Input) url() string {
	scheme := "http://"
	if in.TLS {
		scheme = "https://"
	}
	return scheme + in.Host + strings.TrimSuffix(in.path(), "/")
}
