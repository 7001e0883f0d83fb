package composefaults

import (
	"cmp"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	composetypes "github.com/compose-spec/compose-go/v2/types"
	corev1 "k8s.io/api/core/v1"
)

// maxText is the largest mounted file that is searched for hosts.
const maxText = 256 << 10

// label is what a Service may be called, in any case: DNS knows none.
var label = regexp.MustCompile(`^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$`)

// names checks the hosts that a service names.
func (c *checker) names(svc composetypes.ServiceConfig, at place) {
	known := c.hosts(svc)
	for _, name := range dependencies(svc) {
		if _, ok := c.project.Services[name]; ok {
			c.host(svc.Name, name, known[name])
		}
	}
	for _, host := range slices.Sorted(maps.Keys(known)) {
		ports := map[int]bool{}
		named := false
		for _, text := range c.texts(svc) {
			found, all := mentions(text, host)
			named = named || found
			for _, port := range all {
				ports[port] = true
			}
		}
		for _, port := range pairedPorts(svc, host) {
			named, ports[port] = true, true
		}
		if named {
			c.host(svc.Name, host, known[host])
		}
		for port := range ports {
			c.port(svc.Name, host, known[host], port)
		}
		if named && !label.MatchString(strings.ToLower(host)) && !strings.Contains(host, ".") {
			c.unusable(svc, at, host)
		}
	}
}

// hosts maps every name that resolves for a service with Docker to the service behind it.
func (c *checker) hosts(svc composetypes.ServiceConfig) map[string]string {
	known := map[string]string{}
	for name, other := range c.project.Services {
		known[name] = name
		if other.ContainerName != "" {
			known[other.ContainerName] = name
		}
		for network, config := range other.Networks {
			_, joined := svc.Networks[network]
			if config == nil || !joined {
				continue
			}
			for _, alias := range config.Aliases {
				known[alias] = name
			}
		}
	}
	for _, link := range svc.Links {
		if name, alias, ok := strings.Cut(link, ":"); ok {
			known[alias] = name
		}
	}
	return known
}

// invalid are the hosts of a project that no Service can be called, the longest first.
func invalid(project *composetypes.Project) []string {
	var hosts []string
	for name, svc := range project.Services {
		if !label.MatchString(strings.ToLower(name)) {
			hosts = append(hosts, name)
		}
		if host := svc.ContainerName; host != "" && !strings.Contains(host, ".") && !label.MatchString(strings.ToLower(host)) {
			hosts = append(hosts, host)
		}
	}
	slices.SortFunc(hosts, func(a, b string) int { return cmp.Or(len(b)-len(a), cmp.Compare(a, b)) })
	return slices.Compact(hosts)
}

func dependencies(svc composetypes.ServiceConfig) []string {
	names := slices.Sorted(maps.Keys(svc.DependsOn))
	for _, link := range svc.Links {
		name, _, _ := strings.Cut(link, ":")
		names = append(names, name)
	}
	return names
}

// host checks that a name has a Service whose pods exist.
func (c *checker) host(from, host, service string) {
	object, ok := c.service(host)
	if !ok {
		if strings.Contains(host, ".") {
			return // no Service can be called so
		}
		c.fault(Unreachable, from, "%s (service %s) has no DNS name", host, service)
		return
	}
	if object.Spec.Type == corev1.ServiceTypeExternalName {
		return
	}
	if !slices.ContainsFunc(c.objects.workloads, func(w workload) bool { return selects(object.Spec.Selector, w.pod.Labels) }) {
		c.fault(Unreachable, from, "the Service %s selects no pod", object.Name)
	}
}

func selects(selector, labels map[string]string) bool {
	for key, value := range selector {
		if labels[key] != value {
			return false
		}
	}
	return len(selector) > 0
}

// service is the Service of a host name, or of its rewriting where Kubernetes does not accept it.
func (c *checker) service(host string) (corev1.Service, bool) {
	if object, ok := c.objects.services[strings.ToLower(host)]; ok {
		return object, true
	}
	if label.MatchString(strings.ToLower(host)) {
		return corev1.Service{}, false
	}
	if object, ok := c.objects.services[plain(host)]; ok {
		return object, true
	}
	for _, name := range slices.Sorted(maps.Keys(c.objects.services)) {
		if rewritten(host, name) {
			return c.objects.services[name], true
		}
	}
	for _, name := range c.project.ServiceNames() {
		if c.project.Services[name].ContainerName == host && name != host {
			return c.service(name)
		}
	}
	return corev1.Service{}, false
}

// port checks that a Service leads to a port. A headless one leads to all.
func (c *checker) port(from, host, service string, port int) {
	object, ok := c.service(host)
	if !ok || object.Spec.ClusterIP == corev1.ClusterIPNone {
		return
	}
	for _, p := range object.Spec.Ports {
		if int(p.Port) == port {
			return
		}
	}
	c.fault(Unreachable, from, "%s:%d (service %s): the Service has only the ports %s", host, port, service, portList(object))
}

func portList(object corev1.Service) string {
	var ports []string
	for _, p := range object.Spec.Ports {
		ports = append(ports, strconv.Itoa(int(p.Port)))
	}
	return strings.Join(ports, ", ")
}

// hostVariable is the name of a variable whose value is a host; that of a database may be called like one.
var hostVariable = regexp.MustCompile(`(?i)HOST|SERVER|ADDR|ENDPOINT|NODE|BROKER|URL`)

// unusable checks that a name which no Service can have is not what the container is told.
func (c *checker) unusable(svc composetypes.ServiceConfig, at place, host string) {
	texts := slices.Concat(at.container.Command, at.container.Args)
	for _, variable := range at.container.Env {
		if variable.Value != host || hostVariable.MatchString(variable.Name) {
			texts = append(texts, variable.Value)
		}
	}
	for _, text := range texts {
		if found, _ := mentions(text, host); found {
			c.fault(Unreachable, svc.Name, "%q names %s, which no Service can be called", text, host)
		}
	}
}

// texts of a service in which hosts may be named.
func (c *checker) texts(svc composetypes.ServiceConfig) []string {
	texts := slices.Concat(svc.Command, svc.Entrypoint)
	for _, name := range slices.Sorted(maps.Keys(svc.Environment)) {
		if value := svc.Environment[name]; value != nil {
			texts = append(texts, *value)
		}
	}
	if svc.HealthCheck != nil {
		texts = append(texts, svc.HealthCheck.Test...)
	}
	for _, config := range svc.Configs {
		texts = append(texts, c.project.Configs[config.Source].Content, textFile(c.project.Configs[config.Source].File))
	}
	for _, volume := range svc.Volumes {
		if volume.Type == composetypes.VolumeTypeBind && strings.HasPrefix(volume.Source, c.app.Dir) && isConfig(volume.Source) {
			texts = append(texts, textFile(volume.Source))
		}
	}
	return texts
}

var configName = regexp.MustCompile(`\.(conf|cfg|ya?ml|json|toml|ini|properties|xml|template|env|Caddyfile|vcl|hcl)$|Caddyfile$`)

// isConfig reports whether a file tells a program where others are; source code only says so in its examples.
func isConfig(file string) bool { return configName.MatchString(file) }

func textFile(file string) string {
	info, err := os.Stat(file)
	if err != nil || !info.Mode().IsRegular() || info.Size() > maxText {
		return ""
	}
	data, err := os.ReadFile(file)
	if err != nil || !utf8.Valid(data) {
		return ""
	}
	return string(data)
}

// mentions reports whether a text names a host as one does in URLs and addresses, and with which ports. A word alone is one only
// where it is the whole text.
func mentions(text, host string) (bool, []int) {
	found := strings.TrimSpace(text) == host
	var ports []int
	for at := 0; ; {
		i := strings.Index(text[at:], host)
		if i < 0 {
			return found, ports
		}
		start, end := at+i, at+i+len(host)
		at = end
		before, after := text[:start], text[end:]
		if !opens(before) {
			continue
		}
		if strings.HasSuffix(before, "//") || strings.HasSuffix(before, "@") {
			found = found || closes(after)
		}
		if port, ok := portAt(after); ok {
			found, ports = true, append(ports, port)
		}
	}
}

// opens reports whether a host may follow.
func opens(before string) bool {
	return before == "" || strings.ContainsAny(before[len(before)-1:], "/@,=\"' (;\n\t|") && !strings.HasSuffix(before, ":/") &&
		(!strings.HasSuffix(before, "/") || strings.HasSuffix(before, "//"))
}

var address = regexp.MustCompile(`^:(\d{2,5})(?:[/?,;"' )\n|]|$)`)

func portAt(after string) (int, bool) {
	m := address.FindStringSubmatch(after)
	if m == nil {
		return 0, false
	}
	port, err := strconv.Atoi(m[1])
	return port, err == nil && port > 20 && port < 1<<16
}

// pairedPorts are those of variables such as DB_PORT, where DB_HOST names the host.
func pairedPorts(svc composetypes.ServiceConfig, host string) []int {
	var ports []int
	for name, value := range svc.Environment {
		if value == nil || *value != host {
			continue
		}
		for _, suffix := range []string{"HOSTNAME", "HOST", "host", "SERVER", "ADDRESS"} {
			prefix, ok := strings.CutSuffix(name, suffix)
			if !ok {
				continue
			}
			for _, other := range []string{"PORT", "port"} {
				if text := svc.Environment[prefix+other]; text != nil {
					if port, err := strconv.Atoi(*text); err == nil && port > 0 {
						ports = append(ports, port)
					}
				}
			}
			break
		}
	}
	return ports
}
