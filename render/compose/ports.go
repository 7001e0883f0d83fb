package compose

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"

	composetypes "github.com/compose-spec/compose-go/v2/types"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"

	"catalyst.dev/catalyst/render/manifest"
)

// port that a service listens on.
type port struct {
	target    int32
	published int32 // 0 when the host's port is not named
	protocol  corev1.Protocol
	name      string
	app       string
	// fromPorts says that it stands in ports, loopback that the host shows it to itself alone.
	fromPorts, loopback bool
	// declared says that the Compose file says so, and not only an image that may be configured otherwise; checked that
	// the health check speaks to it.
	declared, checked bool
}

// public reports whether the port is reachable from outside the host.
func (p port) public() bool { return p.fromPorts && !p.loopback && p.protocol == corev1.ProtocolTCP }

// portsOf are the ports of a service: published, exposed, checked for health, named for a proxy, of its Dockerfile, named by other services,
// and those that well-known images are known for.
func (t *translation) portsOf(svc composetypes.ServiceConfig, named []int32) []port {
	ports := t.publishedPorts(svc)
	for _, e := range svc.Expose {
		for _, p := range exposed(e) {
			p.declared = true
			ports = append(ports, p)
		}
	}
	checked, byTool := healthPorts(svc.HealthCheck)
	for _, n := range checked {
		ports = append(ports, port{target: n, protocol: corev1.ProtocolTCP, declared: byTool, checked: true})
	}
	for _, e := range t.declaredEntrances(svc) {
		if e.port != 0 {
			ports = append(ports, port{target: e.port, protocol: corev1.ProtocolTCP, declared: true})
		}
	}
	for _, h := range t.hints(svc) {
		if h.port != 0 {
			ports = append(ports, port{target: h.port, protocol: corev1.ProtocolTCP, declared: true})
		}
	}
	ports = dedupe(append(ports, t.dockerfiles[svc.Name].ports...))
	for _, n := range named {
		if !slices.ContainsFunc(ports, func(p port) bool { return p.published == n && p.protocol == corev1.ProtocolTCP }) {
			ports = append(ports, port{target: n, protocol: corev1.ProtocolTCP})
		}
	}
	if s, known := t.server(svc); known && (len(ports) == 0 || s.backing) {
		for _, n := range s.ports {
			ports = append(ports, port{target: n, protocol: corev1.ProtocolTCP})
		}
	}
	return dedupe(ports)
}

// server is what is known of the image that the service runs, or that its own is built from.
func (t *translation) server(svc composetypes.ServiceConfig) (server, bool) {
	if svc.Build != nil {
		return wellKnown(t.dockerfiles[svc.Name].image, svc)
	}
	return wellKnown(svc.Image, svc)
}

func (t *translation) publishedPorts(svc composetypes.ServiceConfig) []port {
	var ports []port
	for i, p := range svc.Ports {
		key := fmt.Sprintf("ports[%d]", i)
		protocol, ok := protocolOf(p.Protocol)
		if !ok || p.Target == 0 || p.Target > 65535 {
			t.refuseKey(svc.Name, key, fmt.Sprintf("port %d/%s is not a TCP, UDP or SCTP port", p.Target, p.Protocol), "name a container port between 1 and 65535")
			continue
		}
		published, err := strconv.ParseInt(p.Published, 10, 32)
		if err != nil || published < 1 || published > 65535 {
			published = 0
		}
		app := p.AppProtocol
		if app != "" && len(validation.IsQualifiedName(app)) > 0 {
			t.note(svc.Name, key+".app_protocol", manifest.Ignored, fmt.Sprintf("%q is no name of a protocol that Kubernetes takes", app))
			app = ""
		}
		ports = append(ports, port{target: int32(p.Target), published: int32(published), protocol: protocol,
			name: p.Name, app: app, fromPorts: true, loopback: isLoopback(p.HostIP), declared: true})
	}
	return ports
}

func isLoopback(ip string) bool {
	addr, err := netip.ParseAddr(strings.Trim(ip, "[]"))
	return err == nil && addr.Unmap().IsLoopback() || ip == "localhost"
}

func protocolOf(s string) (corev1.Protocol, bool) {
	switch strings.ToUpper(s) {
	case "", "TCP":
		return corev1.ProtocolTCP, true
	case "UDP":
		return corev1.ProtocolUDP, true
	case "SCTP":
		return corev1.ProtocolSCTP, true
	}
	return "", false
}

// exposed reads "8000", "8000/udp" and "8000-8005".
func exposed(s string) []port {
	number, proto, _ := strings.Cut(s, "/")
	protocol, ok := protocolOf(proto)
	first, last, isRange := strings.Cut(number, "-")
	if !isRange {
		last = first
	}
	from, err := strconv.ParseUint(first, 10, 16)
	to, err2 := strconv.ParseUint(last, 10, 16)
	if !ok || err != nil || err2 != nil || from == 0 || to < from || to-from > maxPorts {
		return nil
	}
	var ports []port
	for n := from; n <= to; n++ {
		ports = append(ports, port{target: int32(n), protocol: protocol})
	}
	return ports
}

// dedupe keeps the first port of each number and protocol. One that is published in two places is as public as the more
// public of them, and keeps both host ports apart from it: the first that is named.
func dedupe(ports []port) []port {
	type id struct {
		target   int32
		protocol corev1.Protocol
	}
	at := map[id]int{}
	var out []port
	for _, p := range ports {
		i, known := at[id{p.target, p.protocol}]
		if !known {
			at[id{p.target, p.protocol}] = len(out)
			out = append(out, p)
			continue
		}
		o := &out[i]
		if p.fromPorts {
			o.loopback = p.loopback && (o.loopback || !o.fromPorts)
			o.fromPorts = true
		}
		if o.published == 0 {
			o.published = p.published
		}
		if o.name == "" {
			o.name = p.name
		}
		if o.app == "" {
			o.app = p.app
		}
		o.declared = o.declared || p.declared
		o.checked = o.checked || p.checked
	}
	return out
}

var (
	portNameForm = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?$`)
	letter       = regexp.MustCompile(`[a-z]`)
)

// portNames gives each port a name that is valid and unique in its object: the Compose file's own where it is one.
type portNames map[string]bool

func (n portNames) of(p port, number int32) string {
	own := strings.Trim(notDNS.ReplaceAllString(strings.ToLower(p.name), "-"), "-")
	if len(own) <= 15 && portNameForm.MatchString(own) && letter.MatchString(own) && !strings.Contains(own, "--") && !n[own] {
		n[own] = true
		return own
	}
	name := fmt.Sprintf("%s-%d", strings.ToLower(string(p.protocol)), number)
	for i := 2; n[name]; i++ {
		name = fmt.Sprintf("%s-%d-%d", strings.ToLower(string(p.protocol)), number, i)
	}
	n[name] = true
	return name
}

func containerPorts(ports []port) []corev1.ContainerPort {
	names := portNames{}
	var out []corev1.ContainerPort
	for _, p := range ports {
		out = append(out, corev1.ContainerPort{Name: names.of(p, p.target), ContainerPort: p.target, Protocol: p.protocol})
	}
	return out
}

// portNumber reads a port; 0 for what is none.
func portNumber(s string) int32 {
	n, err := strconv.ParseUint(strings.TrimSpace(s), 10, 16)
	if err != nil {
		return 0
	}
	return int32(n)
}
