package compose

import (
	"fmt"
	"strings"

	composetypes "github.com/compose-spec/compose-go/v2/types"

	"catalyst.dev/catalyst/render/manifest"
)

// alias is another name under which Compose's DNS knows a service, and the key that says so.
type alias struct{ name, key string }

// nameHosts finds the names under which Compose's DNS knows each service: the alias Services, and what must be rewritten
// where others name it because Kubernetes does not take it.
func (t *translation) nameHosts() {
	t.hosts = hosts{services: map[string]string{}, renamed: map[string]string{}}
	t.aliases = map[string][]string{}
	taken := map[string]bool{}
	for _, name := range t.names {
		taken[name] = true
	}
	for _, svc := range t.services() {
		t.hosts.services[svc.Name] = svc.Name
		if name := t.names[svc.Name]; name != svc.Name && !isServiceName(svc.Name) {
			t.hosts.renamed[svc.Name] = name
			if !strings.EqualFold(name, svc.Name) {
				t.note(svc.Name, "", manifest.Approximated, fmt.Sprintf("it is called %q: Kubernetes names are DNS labels; code that names it must say so too", name))
			}
		}
	}
	t.addresses()
	links := t.links()
	for _, svc := range t.services() {
		for _, a := range append(aliasesOf(svc), links[svc.Name]...) {
			t.alias(svc.Name, a, taken)
		}
	}
}

// addresses reports what services say of their place in a network, which Kubernetes decides, and reads their fixed addresses
// as names: what others say of such an address means the service.
func (t *translation) addresses() {
	t.fixed = map[string]string{}
	for _, svc := range t.services() {
		for _, network := range sortedKeys(svc.Networks) {
			n := svc.Networks[network]
			if n == nil {
				continue
			}
			for _, ip := range []string{n.Ipv4Address, n.Ipv6Address} {
				if _, taken := t.fixed[ip]; ip != "" && !taken {
					t.fixed[ip] = svc.Name
					t.hosts.services[ip] = svc.Name
					t.hosts.renamed[ip] = t.names[svc.Name]
				}
			}
			if n.Ipv4Address != "" || n.Ipv6Address != "" || len(n.LinkLocalIPs) > 0 {
				t.note(svc.Name, "networks."+network, manifest.Ignored, "addresses are the cluster's to give: others reach the service by its name")
			}
			if n.MacAddress != "" || len(n.DriverOpts) > 0 || n.GatewayPriority != 0 || n.Priority != 0 || n.InterfaceName != "" {
				t.note(svc.Name, "networks."+network, manifest.Ignored, "interfaces, MAC addresses, priorities and driver options are the cluster's network's")
			}
		}
	}
}

// aliasesOf are the names that a service gives itself. Its own is among them: one that is a label but too long to build
// other names on has an alias.
func aliasesOf(svc composetypes.ServiceConfig) []alias {
	out := []alias{{svc.Name, ""}, {svc.ContainerName, "container_name"}}
	if !strings.Contains(svc.Hostname, ".") { // a public name: what others say of it leads outside in Docker too
		out = append(out, alias{svc.Hostname, "hostname"})
	}
	for _, network := range sortedKeys(svc.Networks) {
		if n := svc.Networks[network]; n != nil {
			for _, name := range n.Aliases {
				out = append(out, alias{name, "networks." + network + ".aliases"})
			}
		}
	}
	return out
}

// links are the aliases that others give a service.
func (t *translation) links() map[string][]alias {
	out := map[string][]alias{}
	for _, svc := range t.services() {
		for _, link := range svc.Links {
			if name, other, ok := strings.Cut(link, ":"); ok {
				out[name] = append(out[name], alias{other, "links"})
			}
		}
	}
	return out
}

func (t *translation) alias(service string, a alias, taken map[string]bool) {
	owner, known := t.hosts.services[a.name]
	switch {
	case a.name == "", known && owner == service && (a.name != service || taken[a.name] || !isServiceName(a.name)):
	case known && owner != service, taken[a.name] && t.names[service] != a.name:
		t.note(service, a.key, manifest.Ignored, fmt.Sprintf("the name %q is another service's as well, and leads there", a.name))
	default:
		t.hosts.services[a.name] = service
		switch {
		case taken[a.name]:
		case isServiceName(a.name):
			taken[a.name] = true
			t.aliases[service] = append(t.aliases[service], a.name)
		default:
			t.hosts.renamed[a.name] = t.names[service]
			if a.key == "container_name" || a.key == "hostname" {
				return // mostly for people's eyes; reported where somebody names it
			}
			t.note(service, a.key, manifest.Approximated, fmt.Sprintf("the name %q is no DNS label: the service is called %q", a.name, t.names[service]))
		}
	}
}
