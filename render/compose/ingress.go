package compose

import (
	"fmt"
	"slices"
	"strings"

	composetypes "github.com/compose-spec/compose-go/v2/types"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"catalyst.dev/catalyst/render/manifest"
)

// notHTTP are published ports of well-known servers that no browser speaks to.
var notHTTP = []int32{21, 22, 25, 53, 110, 143, 389, 465, 587, 636, 993, 995, 1433, 1521, 1883, 2181, 3306, 3389, 5432, 5672, 6379, 9042, 9092, 11211,
	25565, 27017, 50000}

// proxies are images whose service is the entrance of what stands behind it.
var proxies = []string{"nginx", "traefik", "caddy", "haproxy", "envoy", "httpd", "apache"}

// entrance is a service that is reachable from outside, on one port.
type entrance struct {
	service string
	port    int32
	rank    int
	host    string
}

// ingresses finds the web entrances and makes their Ingresses. The main one has the environment's host, the others
// <service>.<host>.
func (t *translation) ingresses(services []composetypes.ServiceConfig) {
	if t.in.Host == "" {
		return
	}
	var entrances []entrance
	for _, svc := range services {
		if e, ok := t.entrance(svc); ok {
			entrances = append(entrances, e)
		}
	}
	if len(entrances) == 0 {
		return
	}
	slices.SortStableFunc(entrances, func(a, b entrance) int { return a.rank - b.rank })
	for i := range entrances {
		e := &entrances[i]
		if e.host == "" {
			e.host = t.in.Host
			if i > 0 {
				e.host = t.names[e.service] + "." + t.in.Host
			}
		}
		t.ingress(*e)
	}
	if len(entrances) > 1 {
		t.note(entrances[0].service, "ports", manifest.Approximated,
			fmt.Sprintf("%d services publish web ports: this is the main entrance, the others have hosts of their own; say it with x-catalyst.ingress", len(entrances)))
	}
	t.url = "http://" + entrances[0].host
	if t.in.TLS {
		t.url = "https://" + entrances[0].host
	}
}

// entrance is the service's web port: the one that x-catalyst.ingress names, else the published TCP port that looks most
// like HTTP.
func (t *translation) entrance(svc composetypes.ServiceConfig) (entrance, bool) {
	e := entrance{service: svc.Name, rank: t.rank(svc)}
	own, _ := svc.Extensions["x-catalyst"].(map[string]any)
	switch declared := own["ingress"].(type) {
	case bool:
		if !declared {
			return e, false
		}
		e.rank = -1
	case map[string]any:
		e.rank = -1
		if p, ok := number(declared["port"]); ok {
			e.port = p
			return e, true
		}
	}
	for _, p := range t.ports[svc.Name] {
		if p.published == 0 && !t.isPublished(svc, p.target) || p.protocol != corev1.ProtocolTCP || slices.Contains(notHTTP, p.target) || !p.public {
			continue
		}
		if e.port == 0 || e.port == 443 { // 443 is for the cluster's own controller to serve
			e.port = p.target
		}
	}
	return e, e.port != 0 && !t.oneShot[svc.Name]
}

// isPublished reports whether a port stands in ports, on a host port that Docker chooses.
func (t *translation) isPublished(svc composetypes.ServiceConfig, target int32) bool {
	return slices.ContainsFunc(svc.Ports, func(p composetypes.ServicePortConfig) bool { return int32(p.Target) == target })
}

// rank orders candidates for the main entrance: a reverse proxy, then what is named as one would name it.
func (t *translation) rank(svc composetypes.ServiceConfig) int {
	image := svc.Image[strings.LastIndex(svc.Image, "/")+1:]
	for _, p := range proxies {
		if strings.HasPrefix(image, p) {
			return 0
		}
	}
	if i := slices.Index([]string{"proxy", "web", "frontend", "www", "app", "nginx"}, svc.Name); i >= 0 {
		return 1 + i
	}
	return 10
}

func number(v any) (int32, bool) {
	switch v := v.(type) {
	case int:
		return int32(v), v > 0 && v < 65536
	case int64:
		return int32(v), v > 0 && v < 65536
	case uint64:
		return int32(v), v > 0 && v < 65536
	case float64:
		return int32(v), v > 0 && v < 65536
	}
	return 0, false
}

func (t *translation) ingress(e entrance) {
	prefix := networkingv1.PathTypePrefix
	name := t.names[e.service]
	i := &networkingv1.Ingress{
		TypeMeta:   metav1.TypeMeta{APIVersion: "networking.k8s.io/v1", Kind: "Ingress"},
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: networkingv1.IngressSpec{Rules: []networkingv1.IngressRule{{Host: e.host, IngressRuleValue: networkingv1.IngressRuleValue{
			HTTP: &networkingv1.HTTPIngressRuleValue{Paths: []networkingv1.HTTPIngressPath{{Path: "/", PathType: &prefix,
				Backend: networkingv1.IngressBackend{Service: &networkingv1.IngressServiceBackend{Name: name,
					Port: networkingv1.ServiceBackendPort{Number: e.port}}}}}}}}}},
	}
	if t.in.IngressClass != "" {
		class := t.in.IngressClass
		i.Spec.IngressClassName = &class
	}
	if t.in.TLS {
		tls := networkingv1.IngressTLS{Hosts: []string{e.host}}
		if t.in.ClusterIssuer != "" {
			tls.SecretName = name + "-tls"
			i.Annotations = map[string]string{"cert-manager.io/cluster-issuer": t.in.ClusterIssuer}
		}
		i.Spec.TLS = []networkingv1.IngressTLS{tls}
	}
	t.add(i)
}
