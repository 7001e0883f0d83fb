package compose

import (
	"fmt"
	"slices"

	composetypes "github.com/compose-spec/compose-go/v2/types"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// service makes the Kubernetes Service that gives the Compose service its DNS name, and one for each alias. Compose's DNS
// needs no declared port, so where none is known the Service is headless: the name is the pods' addresses.
func (t *translation) service(svc composetypes.ServiceConfig) {
	ports := servicePorts(t.podPorts(svc.Name))
	for _, name := range append([]string{t.names[svc.Name]}, t.aliases[svc.Name]...) {
		t.addService(svc.Name, name, ports, t.isHeadless(svc))
	}
	if t.readyNames[svc.Name] != "" && !t.isHeadless(svc) {
		t.addService(svc.Name, t.readyNames[svc.Name], nil, true)
	}
}

func (t *translation) addService(service, name string, ports []corev1.ServicePort, headless bool) {
	s := &corev1.Service{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Service"},
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       corev1.ServiceSpec{Selector: t.selector(t.owners[service]), Ports: ports},
	}
	if headless {
		s.Spec.ClusterIP = corev1.ClusterIPNone
	}
	t.add(s)
}

// isHeadless reports whether the service's name leads to its pods' addresses and not to one of its own.
func (t *translation) isHeadless(svc composetypes.ServiceConfig) bool {
	listens := func(member string) bool { return len(t.ports[member]) > 0 }
	return !slices.ContainsFunc(t.members[t.owners[svc.Name]], listens) || svc.Deploy != nil && svc.Deploy.EndpointMode == "dnsrr"
}

// podPorts are the ports of all services that share the service's pod, its own first.
func (t *translation) podPorts(service string) []port {
	ports := t.ports[service]
	for _, other := range t.members[t.owners[service]] {
		if other != service {
			ports = append(ports[:len(ports):len(ports)], t.ports[other]...)
		}
	}
	return dedupe(ports)
}

// servicePorts are the container ports, and the published ports that differ where they are free: some applications name
// the one, some the other.
func servicePorts(ports []port) []corev1.ServicePort {
	var out []corev1.ServicePort
	names := portNames{}
	used := map[string]bool{}
	add := func(number int32, p port) {
		id := fmt.Sprintf("%d/%s", number, p.protocol)
		if used[id] {
			return
		}
		used[id] = true
		sp := corev1.ServicePort{Name: names.of(p, number), Port: number, TargetPort: intstr.FromInt32(p.target), Protocol: p.protocol}
		if p.app != "" {
			sp.AppProtocol = &p.app
		}
		out = append(out, sp)
	}
	for _, p := range ports {
		add(p.target, p)
	}
	for _, p := range ports {
		if p.published != 0 {
			p.name = ""
			add(p.published, p)
		}
	}
	return out
}
