package compose

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	composetypes "github.com/compose-spec/compose-go/v2/types"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"catalyst.dev/catalyst/render/manifest"
)

// port that a service listens on.
type port struct {
	target    int32
	published int32 // 0 when the host's port is not named
	protocol  corev1.Protocol
	name      string
	app       string
	public    bool
}

// portsOf are the ports of a service: published, exposed, then those of its Dockerfile.
func (t *translation) portsOf(svc composetypes.ServiceConfig) []port {
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
		loopback := strings.HasPrefix(p.HostIP, "127.") || p.HostIP == "::1"
		ports = append(ports, port{target: int32(p.Target), published: int32(published), protocol: protocol,
			name: p.Name, app: p.AppProtocol, public: !loopback})
	}
	for _, e := range svc.Expose {
		ports = append(ports, exposed(e)...)
	}
	if len(ports) == 0 {
		ports = t.dockerfilePorts(svc)
	}
	return dedupe(ports)
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
	if !ok || err != nil || err2 != nil || from == 0 || to-from > maxPorts {
		return nil
	}
	var ports []port
	for n := from; n <= to; n++ {
		ports = append(ports, port{target: int32(n), protocol: protocol})
	}
	return ports
}

var exposeLine = regexp.MustCompile(`(?im)^\s*EXPOSE\s+(.+)$`)

// dockerfilePorts are those of EXPOSE in the Dockerfile that the service is built from.
func (t *translation) dockerfilePorts(svc composetypes.ServiceConfig) []port {
	if svc.Build == nil {
		return nil
	}
	file := svc.Build.Dockerfile
	if file == "" {
		file = "Dockerfile"
	}
	text := svc.Build.DockerfileInline
	if text == "" {
		clean, err := manifest.CleanPath("build.dockerfile", svc.Build.Context, file)
		if err != nil {
			return nil // checked where the build is
		}
		data, err := readFile(t.in.Source, path.Clean(clean), maxFileSize)
		if err != nil {
			return nil // a template may name builds whose files live in another source
		}
		text = string(data)
	}
	var ports []port
	for _, line := range exposeLine.FindAllStringSubmatch(text, 100) {
		for _, word := range strings.Fields(line[1]) {
			ports = append(ports, exposed(word)...)
		}
	}
	return ports
}

// dedupe keeps the first port of each number and protocol.
func dedupe(ports []port) []port {
	var out []port
	for _, p := range ports {
		if !slices.ContainsFunc(out, func(o port) bool { return o.target == p.target && o.protocol == p.protocol }) {
			out = append(out, p)
		}
	}
	return out
}

// service makes the Kubernetes Service that gives the Compose service its DNS name, and one for each alias. Compose's DNS
// needs no declared port, so where none is known the Service is headless: the name is the pods' addresses.
func (t *translation) service(svc composetypes.ServiceConfig) {
	if t.oneShot[svc.Name] && len(t.ports[svc.Name]) == 0 {
		return // nothing talks to what runs to its end
	}
	names := append([]string{t.names[svc.Name]}, t.aliases(svc)...)
	for _, name := range names {
		s := &corev1.Service{
			TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Service"},
			ObjectMeta: metav1.ObjectMeta{Name: name},
			Spec:       corev1.ServiceSpec{Selector: t.selector(svc), Ports: servicePorts(t.ports[svc.Name])},
		}
		if len(s.Spec.Ports) == 0 || svc.Deploy != nil && svc.Deploy.EndpointMode == "dnsrr" {
			s.Spec.ClusterIP = corev1.ClusterIPNone
		}
		t.add(s)
	}
}

// servicePorts are the container ports, and the published ports that differ where they are free: some applications name
// the one, some the other.
func servicePorts(ports []port) []corev1.ServicePort {
	var out []corev1.ServicePort
	used := map[string]bool{}
	add := func(number int32, p port, name string) {
		id := fmt.Sprintf("%d/%s", number, p.protocol)
		if used[id] {
			return
		}
		used[id] = true
		sp := corev1.ServicePort{Name: name, Port: number, TargetPort: intstr.FromInt32(p.target), Protocol: p.protocol}
		if p.app != "" {
			sp.AppProtocol = &p.app
		}
		out = append(out, sp)
	}
	for _, p := range ports {
		add(p.target, p, portName(p, p.target))
	}
	for _, p := range ports {
		if p.published != 0 {
			add(p.published, p, portName(port{protocol: p.protocol}, p.published))
		}
	}
	return out
}

func portName(p port, number int32) string {
	if n := dnsName(p.name); p.name != "" && len(n) <= 15 {
		return n
	}
	return fmt.Sprintf("%s-%d", strings.ToLower(string(p.protocol)), number)
}

// aliases are the other names under which Compose's DNS knows the service.
func (t *translation) aliases(svc composetypes.ServiceConfig) []string {
	candidates := []string{svc.ContainerName, svc.Hostname}
	for _, network := range sortedKeys(svc.Networks) {
		if n := svc.Networks[network]; n != nil {
			candidates = append(candidates, n.Aliases...)
		}
	}
	for _, other := range t.services() {
		for _, link := range other.Links {
			if name, alias, ok := strings.Cut(link, ":"); ok && name == svc.Name {
				candidates = append(candidates, alias)
			}
		}
	}
	taken := map[string]bool{"": true}
	for _, name := range t.names {
		taken[name] = true
	}
	var aliases []string
	for _, c := range candidates {
		switch {
		case taken[c]:
		case !isDNSLabel(c):
			t.note(svc.Name, "networks.aliases", manifest.Ignored, fmt.Sprintf("the alias %q is not a DNS label, which Kubernetes needs of a name", c))
		case t.aliasTaken(c, svc.Name):
			t.note(svc.Name, "networks.aliases", manifest.Ignored, fmt.Sprintf("the alias %q is another service's as well", c))
		default:
			taken[c] = true
			aliases = append(aliases, c)
		}
	}
	return aliases
}

// aliasTaken reports whether a service earlier in order has the alias.
func (t *translation) aliasTaken(alias, service string) bool {
	for _, other := range t.services() {
		if other.Name >= service {
			return false
		}
		if other.ContainerName == alias || other.Hostname == alias {
			return true
		}
		for _, n := range other.Networks {
			if n != nil && slices.Contains(n.Aliases, alias) {
				return true
			}
		}
	}
	return false
}
