package compose

import (
	"maps"
	"regexp"
	"strings"

	composetypes "github.com/compose-spec/compose-go/v2/types"

	"catalyst.dev/catalyst/render/manifest"
)

// hint is what a label or variable for a proxy says of a service's entrance.
type hint struct {
	host, path string
	port       int32
}

var (
	traefikRule    = regexp.MustCompile(`^traefik\.http\.routers\.([^.]+)\.rule$`)
	traefikRouter  = regexp.MustCompile(`^traefik\.http\.routers\.([^.]+)\.service$`)
	traefikPort    = regexp.MustCompile(`^traefik\.http\.services\.([^.]+)\.loadbalancer\.server\.port$`)
	ruleHost       = regexp.MustCompile("Host\\(\\s*[`\"']([^`\"']+)[`\"']")
	rulePath       = regexp.MustCompile("(?:PathPrefix|Path)\\(\\s*[`\"']([^`\"']+)[`\"']")
	caddySite      = regexp.MustCompile(`^caddy(_[0-9]+)?$`)
	caddyUpstreams = regexp.MustCompile(`upstreams(?:\s+https?)?\s+([0-9]{1,5})`)
)

// hintLabels are the labels of a service and of its deployment.
func (t *translation) hintLabels(svc composetypes.ServiceConfig) map[string]string {
	labels := map[string]string{}
	if svc.Deploy != nil {
		maps.Copy(labels, svc.Deploy.Labels)
	}
	maps.Copy(labels, svc.Labels)
	return labels
}

// noteStripped reports the prefixes that a proxy would take off paths.
func (t *translation) noteStripped(svc composetypes.ServiceConfig) {
	labels := t.hintLabels(svc)
	for _, k := range sortedKeys(labels) {
		name := strings.ToLower(k)
		strips := strings.HasPrefix(name, "traefik.http.middlewares.") && strings.Contains(name, ".stripprefix.") ||
			strings.HasPrefix(name, "caddy") && strings.HasSuffix(name, "handle_path")
		if strips && !strings.EqualFold(labels["traefik.enable"], "false") {
			t.note(svc.Name, "labels."+k, manifest.Approximated, "the path's prefix is not stripped: an Ingress passes paths on as they come")
		}
	}
}

// hints of a service: traefik's labels, nginx-proxy's variables, caddy-docker-proxy's labels.
func (t *translation) hints(svc composetypes.ServiceConfig) []hint {
	labels := t.hintLabels(svc)
	var out []hint
	if !strings.EqualFold(labels["traefik.enable"], "false") {
		out = append(out, traefikHints(labels)...)
	}
	if v := svc.Environment["VIRTUAL_HOST"]; v != nil && *v != "" {
		h := hint{}
		if p := svc.Environment["VIRTUAL_PORT"]; p != nil {
			h.port = portNumber(*p)
		}
		if p := svc.Environment["VIRTUAL_PATH"]; p != nil {
			h.path = cleanPath(*p)
		}
		for host := range strings.SplitSeq(*v, ",") {
			h.host = cleanHost(host)
			out = append(out, h)
		}
	}
	for _, k := range sortedKeys(labels) {
		if m := caddySite.FindStringSubmatch(k); m != nil {
			h := hint{host: cleanHost(labels[k])}
			for _, directive := range sortedKeys(labels) { // caddy.reverse_proxy, caddy.handle_path.reverse_proxy, caddy.0_reverse_proxy
				if !strings.HasPrefix(directive, k+".") || !strings.HasSuffix(directive, "reverse_proxy") {
					continue
				}
				if p := caddyUpstreams.FindStringSubmatch(labels[directive]); p != nil && h.port == 0 {
					h.port = portNumber(p[1])
				}
			}
			out = append(out, h)
		}
	}
	return out
}

func traefikHints(labels map[string]string) []hint {
	ports, routes := map[string]int32{}, map[string]string{}
	only := int32(0)
	for _, k := range sortedKeys(labels) {
		if m := traefikPort.FindStringSubmatch(strings.ToLower(k)); m != nil {
			ports[m[1]] = portNumber(labels[k])
			only = ports[m[1]]
		}
		if m := traefikRouter.FindStringSubmatch(strings.ToLower(k)); m != nil {
			routes[m[1]] = strings.ToLower(labels[k])
		}
	}
	var out []hint
	for _, k := range sortedKeys(labels) {
		m := traefikRule.FindStringSubmatch(strings.ToLower(k))
		if m == nil {
			continue
		}
		h := hint{port: only}
		if p, ok := ports[routes[m[1]]]; ok {
			h.port = p
		} else if p, ok := ports[m[1]]; ok {
			h.port = p
		}
		if p := rulePath.FindStringSubmatch(labels[k]); p != nil {
			h.path = cleanPath(p[1])
		}
		hosts := ruleHost.FindAllStringSubmatch(labels[k], 10)
		for _, host := range hosts {
			h.host = cleanHost(host[1])
			out = append(out, h)
		}
		if len(hosts) == 0 && h.path != "" {
			out = append(out, h)
		}
	}
	if len(out) == 0 && (only != 0 || strings.EqualFold(labels["traefik.enable"], "true")) {
		out = append(out, hint{port: only})
	}
	return out
}

// cleanHost is a host without scheme, port and wild card, in lower case; empty where that leaves none.
func cleanHost(s string) string {
	s = strings.ToLower(strings.TrimSpace(s))
	if _, rest, ok := strings.Cut(s, "://"); ok {
		s = rest
	}
	s, _, _ = strings.Cut(s, "/")
	s, _, _ = strings.Cut(s, ":")
	s = strings.Trim(strings.TrimPrefix(s, "*."), ".")
	for label := range strings.SplitSeq(s, ".") {
		if !isDNSLabel(label) {
			return ""
		}
	}
	return s
}

var ingressPath = regexp.MustCompile(`^/[A-Za-z0-9._~/-]*$`)

// cleanPath is a path that an Ingress takes; empty for the root and for what it does not take.
func cleanPath(s string) string {
	s = "/" + strings.Trim(strings.TrimSpace(s), "/")
	if s == "/" || !ingressPath.MatchString(s) || strings.Contains(s, "//") || strings.Contains(s, "/./") || strings.Contains(s, "/../") || strings.HasSuffix(s, "/..") || strings.HasSuffix(s, "/.") {
		return ""
	}
	return s
}
