package compose

import (
	"fmt"
	"slices"
	"strings"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"catalyst.dev/catalyst/render/manifest"
)

// maxHost is the longest host name.
const maxHost = 253

// ingresses makes the Ingresses of the web entrances. The main one has the environment's host, which CATALYST_URL names,
// the others hosts under it.
func (t *translation) ingresses() {
	if t.in.Host == "" {
		return
	}
	entrances := t.findEntrances()
	t.unreachable(entrances)
	if len(entrances) == 0 {
		return
	}
	t.placeHosts(entrances)
	names := map[string]bool{}
	for i, e := range entrances {
		name := t.names[e.service]
		for n := 2; names[name]; n++ {
			name = cut(fmt.Sprintf("%s-%d", t.names[e.service], n))
		}
		names[name] = true
		hosts := []string{e.host}
		if i == 0 && e.host != t.in.Host { // the environment's own host always leads to the main entrance
			hosts = append([]string{t.in.Host}, hosts...)
		}
		t.ingress(name, e, hosts)
	}
	if len(entrances) > 1 {
		t.note(entrances[0].service, "ports", manifest.Approximated,
			fmt.Sprintf("%d services have web entrances: this is the main one, the others have hosts of their own; say it with x-catalyst.ingress", len(entrances)))
	}
	t.url = "http://" + t.in.Host
	if t.in.TLS {
		t.url = "https://" + t.in.Host
	}
}

// placeHosts gives each entrance its host: what it declares, the environment's own for the main one, and a label under it
// for the others. Those that a proxy told apart by path keep one host.
func (t *translation) placeHosts(entrances []entrance) {
	type place struct{ host, path string }
	taken := map[place]bool{}
	byHint := map[string]string{} // the host that a host of a hint has here
	t.putMainFirst(entrances)
	for i := range entrances {
		if e := &entrances[i]; e.rank == rankDeclared && e.host != "" {
			taken[place{e.host, e.path}] = true
		}
	}
	free := func(host, path string) bool { return !taken[place{host, path}] }
	for i := range entrances {
		e := &entrances[i]
		if e.rank == rankDeclared && e.host != "" {
			continue
		}
		hinted := e.host
		label := t.names[e.service]
		if first, rest, ok := strings.Cut(hinted, "."); ok && strings.Contains(rest, ".") {
			label = first
		}
		host, known := byHint[hinted]
		known = known && e.rank == rankHinted
		switch {
		case known && free(host, e.path):
		case i == 0 && free(t.in.Host, e.path), e.path != "" && hinted == "" && free(t.in.Host, e.path):
			host = t.in.Host
		default:
			host = under(label, t.in.Host)
			for n := 2; !free(host, e.path); n++ {
				host = under(fmt.Sprintf("%s-%d", cut(label), n), t.in.Host)
			}
		}
		if e.rank == rankHinted && !known {
			byHint[hinted] = host
		}
		e.host = host
		taken[place{host, e.path}] = true
	}
}

// putMainFirst moves the entrance that declares the environment's own host to the front.
func (t *translation) putMainFirst(entrances []entrance) {
	main := slices.IndexFunc(entrances, func(e entrance) bool { return e.rank == rankDeclared && e.host == t.in.Host })
	if main > 0 {
		own := entrances[main]
		copy(entrances[1:main+1], entrances[:main])
		entrances[0] = own
	}
}

// under is a host below another, its label cut where the whole would be too long.
func under(label, host string) string {
	if most := min(maxLabel, maxHost-len(host)-1); len(label) > most && most > 8 {
		label = strings.Trim(label[:most-6], "-") + "-" + shortHash(label)
	}
	return label + "." + host
}

func (t *translation) ingress(name string, e entrance, hosts []string) {
	prefix := networkingv1.PathTypePrefix
	path := e.path
	if path == "" {
		path = "/"
	}
	i := &networkingv1.Ingress{
		TypeMeta:   metav1.TypeMeta{APIVersion: "networking.k8s.io/v1", Kind: "Ingress"},
		ObjectMeta: metav1.ObjectMeta{Name: name, Annotations: t.ingressAnnotations(e)},
	}
	for _, host := range hosts {
		i.Spec.Rules = append(i.Spec.Rules, networkingv1.IngressRule{Host: host, IngressRuleValue: networkingv1.IngressRuleValue{
			HTTP: &networkingv1.HTTPIngressRuleValue{Paths: []networkingv1.HTTPIngressPath{{Path: path, PathType: &prefix,
				Backend: networkingv1.IngressBackend{Service: &networkingv1.IngressServiceBackend{Name: t.names[e.service],
					Port: networkingv1.ServiceBackendPort{Number: e.port}}}}}}}})
	}
	if t.in.IngressClass != "" {
		class := t.in.IngressClass
		i.Spec.IngressClassName = &class
	}
	if t.in.TLS {
		tls := networkingv1.IngressTLS{Hosts: hosts}
		if t.in.ClusterIssuer != "" {
			tls.SecretName = name + "-tls"
		}
		i.Spec.TLS = []networkingv1.IngressTLS{tls}
	}
	t.add(i)
}

// ingressAnnotations let long connections (websockets) and large uploads through, where the class says which controller it
// is and that one would not by itself. Others need none, or take none from a template.
func (t *translation) ingressAnnotations(e entrance) map[string]string {
	out := map[string]string{}
	if t.in.TLS && t.in.ClusterIssuer != "" {
		out["cert-manager.io/cluster-issuer"] = t.in.ClusterIssuer
	}
	if wave := t.lastWave() + 1; wave > ingressWave {
		out[annotationWave] = fmt.Sprint(wave)
	}
	nginx := strings.Contains(t.in.IngressClass, "nginx")
	if nginx {
		const group = "nginx.ingress.kubernetes.io/"
		out[group+"proxy-body-size"] = "1g"
		out[group+"proxy-read-timeout"] = "3600"
		out[group+"proxy-send-timeout"] = "3600"
		if e.tls {
			out[group+"backend-protocol"] = "HTTPS"
		}
	}
	if e.tls && !nginx {
		t.note(e.service, "ports", manifest.Approximated, fmt.Sprintf("port %d looks like HTTPS, and gets plain HTTP: the ingress controller ends TLS; publish the plain port", e.port))
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

func (t *translation) lastWave() int {
	last := 0
	for _, wave := range t.workloadWaves {
		last = max(last, wave)
	}
	return last
}
