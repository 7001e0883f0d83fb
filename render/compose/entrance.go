package compose

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	composetypes "github.com/compose-spec/compose-go/v2/types"

	"catalyst.dev/catalyst/render/manifest"
)

// entrance is a service that is reachable from outside, on one port.
type entrance struct {
	service string
	port    int32
	// rank orders candidates for the main entrance, the lowest first.
	rank int
	// host and path that are asked for; the host is relative to nothing.
	host, path string
	tls        bool
	loopback   bool
	// published is the host's port: people know the likelier one.
	published int32
}

// Ranks of entrances.
const (
	rankDeclared = -2
	rankHinted   = -1
	rankProxy    = 0
	rankNamed    = 1
	rankOther    = 20
	rankTool     = 40
	rankEngine   = 60
)

var (
	// notHTTP are published ports of well-known servers and debuggers that no browser speaks to.
	notHTTP = []int32{21, 22, 23, 25, 53, 88, 110, 111, 123, 135, 139, 143, 161, 389, 445, 465, 500, 514, 554, 587, 636, 853, 873, 989, 990, 993, 995,
		1025, 1194, 1433, 1521, 1812, 1883, 1935, 2049, 2181, 2222, 2379, 2380, 2888, 3306, 3389, 3478, 3888, 4222, 4317, 4442, 4443, 5005, 5044, 5060, 5222, 5349, 5432, 5433, 5671,
		5672, 5858, 5900, 6222, 6379, 6380, 6443, 6667, 7000, 7001, 7233, 7687, 8125, 8883, 9009, 9042, 9092, 9093, 9094, 9101, 9160, 9229, 9300, 11211, 13306, 15432, 16379, 19530, 25565, 25672,
		26257, 26379, 27017, 27018, 28015, 29092, 29015, 33060, 50000, 51820, 61613, 61616}
	// webPorts are the ports that browsers are most often sent to, the likeliest first.
	webPorts = []int32{80, 8080, 3000, 8000, 5000, 5173, 4200, 8888, 8081, 9000, 8443, 443}
	// proxies are images whose service is the entrance of what stands behind it.
	proxies = []string{"nginx", "nginx-unprivileged", "openresty", "traefik", "caddy", "haproxy", "envoy", "httpd", "apache", "nginx-proxy",
		"nginx-proxy-manager", "swag", "kong", "tyk-gateway", "apisix", "varnish"}
	// tools are images that people look into an application with; they are its entrance when nothing else is.
	tools = []string{"adminer", "phpmyadmin", "pgadmin4", "pgweb", "mongo-express", "redis-commander", "redisinsight", "mailhog", "mailpit", "maildev",
		"mailcatcher", "rabbitmq", "minio", "prometheus", "alertmanager", "cadvisor", "jaeger", "all-in-one", "zipkin", "kibana",
		"opensearch-dashboards", "portainer", "dozzle", "kafka-ui", "akhq", "kafdrop", "cerebro", "consul", "vault", "neo4j", "influxdb",
		"flower", "cp-enterprise-control-center", "control-center"}
	// engines are images that programs talk HTTP with, and people by way of tools.
	engines = []string{"elasticsearch", "opensearch", "logstash", "logstash-oss", "fluentd", "fluent-bit", "vector", "localstack", "loki", "selenium", "standalone-chrome",
		"chrome", "clickhouse-server", "couchdb", "meilisearch", "qdrant", "otel-collector", "opentelemetry-collector", "opentelemetry-collector-contrib", "node-exporter",
		"blackbox-exporter", "pushgateway", "cp-schema-registry", "cp-kafka-rest", "cp-kafka-connect", "cp-kafka-connect-base", "cp-server-connect-datagen",
		"cp-ksqldb-server", "ksqldb-server", "schema-registry", "cp-kafka", "cp-server", "kafka", "zookeeper", "cp-zookeeper"}
	// entranceNames are services that are named as an entrance is, the likeliest first.
	entranceNames = []string{"proxy", "reverse-proxy", "reverse_proxy", "gateway", "nginx", "web", "webapp", "frontend", "front", "ui", "client", "www", "app", "website", "site", "server"}
)

// findEntrances finds the web entrances, the main one first: what the file says outright, what labels for proxies say, and
// the published ports that look like HTTP.
func (t *translation) findEntrances() []entrance {
	var found, local []entrance
	for _, svc := range t.services() {
		if t.oneShot[svc.Name] {
			continue
		}
		if own := t.declaredEntrances(svc); own != nil || t.declaresNone(svc) {
			for _, e := range own {
				if e.port == 0 {
					e.port, e.tls, _ = t.webPort(svc, func(port) bool { return true })
				}
				if e.port == 0 {
					t.refuseKey(svc.Name, "x-catalyst.ingress", "the service names no TCP port", "add port: to x-catalyst.ingress, or the port to ports")
					continue
				}
				found = append(found, e)
			}
			continue
		}
		found = append(found, t.hintedEntrances(svc)...)
		if slices.ContainsFunc(found, func(e entrance) bool { return e.service == svc.Name }) {
			continue
		}
		if e, ok := t.publishedEntrance(svc); ok && e.loopback {
			local = append(local, e)
		} else if ok {
			found = append(found, e)
		}
	}
	if len(found) == 0 && len(local) > 0 {
		t.sortEntrances(local)
		found = local[:1]
		t.note(found[0].service, "ports", manifest.Approximated, "its port is published on the loopback address, and no other is: it is the entrance all the same; x-catalyst: {ingress: false} closes it")
	}
	t.sortEntrances(found)
	return found
}

func (t *translation) hintedEntrances(svc composetypes.ServiceConfig) []entrance {
	var out []entrance
	t.noteStripped(svc)
	for _, h := range t.hints(svc) {
		e := entrance{service: svc.Name, port: h.port, host: h.host, path: h.path, rank: rankHinted}
		if e.port == 0 || !t.hasPort(svc.Name, e.port) {
			e.port, e.tls, _ = t.webPort(svc, func(port) bool { return true })
		}
		if e.port != 0 && !slices.Contains(out, e) {
			out = append(out, e)
		}
	}
	return out
}

func (t *translation) hasPort(service string, number int32) bool {
	return slices.ContainsFunc(t.podPorts(service), func(p port) bool { return p.target == number })
}

// publishedEntrance is the service's published port that looks most like HTTP.
func (t *translation) publishedEntrance(svc composetypes.ServiceConfig) (entrance, bool) {
	e := entrance{service: svc.Name, rank: t.rank(svc)}
	var ok bool
	if e.port, e.tls, ok = t.webPort(svc, port.public); !ok {
		e.port, e.tls, ok = t.webPort(svc, func(p port) bool { return p.fromPorts && p.loopback })
		e.loopback = true
	}
	for _, p := range t.ports[svc.Name] {
		if p.target == e.port {
			e.published = p.published
		}
	}
	return e, ok
}

// webPort picks the likeliest web port among those that a service's file declares or others know it by.
func (t *translation) webPort(svc composetypes.ServiceConfig, among func(port) bool) (number int32, tls, ok bool) {
	best := 0
	for _, p := range t.ports[svc.Name] {
		if !among(p) || p.protocol != "TCP" || !looksHTTP(p) || t.takesDatagrams(svc.Name, p) {
			continue
		}
		score := len(webPorts)
		if i := slices.Index(webPorts, p.target); i >= 0 {
			score = i
		} else if slices.Contains(webPorts, p.published) {
			score--
		}
		if p.app != "" && strings.HasPrefix(p.app, "http") || strings.HasPrefix(p.name, "http") || p.name == "web" {
			score -= len(webPorts)
		}
		if !ok || score < best {
			best, number, ok = score, p.target, true
			tls = p.app == "https" || p.app == "" && (p.target == 443 || p.target == 8443 || p.target == 9443)
		}
	}
	return number, tls, ok
}

// takesDatagrams reports whether a port is published for UDP too, as those of logs, names and games are; HTTP/3 begins at a web port.
func (t *translation) takesDatagrams(service string, p port) bool {
	return p.app == "" && !slices.Contains([]int32{80, 443, 8080, 8443}, p.target) && slices.ContainsFunc(t.ports[service], func(other port) bool {
		return other.target == p.target && other.protocol == "UDP" && other.fromPorts
	})
}

// looksHTTP trusts app_protocol, then knows the ports of other protocols, on either side.
func looksHTTP(p port) bool {
	switch app := strings.ToLower(p.app); {
	case strings.HasPrefix(app, "http"), strings.HasPrefix(app, "ws"), strings.HasPrefix(app, "grpc"), app == "h2c", strings.Contains(app, "/"):
		return true
	case app != "":
		return false
	}
	return !slices.Contains(notHTTP, p.target)
}

// rank orders candidates for the main entrance: a reverse proxy, then what is named as one would name it, tools last.
func (t *translation) rank(svc composetypes.ServiceConfig) int {
	image := imageName(svc.Image)
	if svc.Build != nil && svc.Image == "" {
		image = ""
	}
	if slices.Contains(tools, image) {
		return rankTool
	}
	if slices.Contains(engines, image) {
		return rankEngine
	}
	if slices.Contains(proxies, image) {
		return rankProxy
	}
	if i := slices.Index(entranceNames, svc.Name); i >= 0 {
		return rankNamed + i
	}
	if s, known := t.server(svc); known && s.backing {
		return rankEngine
	}
	return rankOther
}

// sortEntrances puts the main entrance first. Among equals that is the one that others do not depend on, then the one with
// the shorter host and path.
func (t *translation) sortEntrances(entrances []entrance) {
	depended := map[string]bool{}
	candidate := map[string]bool{}
	for _, e := range entrances {
		candidate[e.service] = true
	}
	for name := range candidate {
		for on := range t.project.Services[name].DependsOn {
			depended[on] = true
		}
	}
	below := func(e entrance) int {
		if depended[e.service] {
			return 1
		}
		return 0
	}
	slices.SortStableFunc(entrances, func(a, b entrance) int {
		return cmp.Or(cmp.Compare(a.rank, b.rank), cmp.Compare(strings.Count(a.host, "."), strings.Count(b.host, ".")),
			cmp.Compare(len(a.path), len(b.path)), cmp.Compare(below(a), below(b)), cmp.Compare(likelihood(a.published), likelihood(b.published)))
	})
}

// likelihood orders published ports: those that browsers are sent to, then the others by number.
func likelihood(published int32) int {
	if i := slices.Index(webPorts, published); i >= 0 {
		return i
	}
	return len(webPorts) + int(published)
}

// unreachable reports published ports that no entrance leads to.
func (t *translation) unreachable(entrances []entrance) {
	for _, svc := range t.services() {
		var left []string
		for _, p := range t.ports[svc.Name] {
			reached := slices.ContainsFunc(entrances, func(e entrance) bool {
				return e.service == svc.Name && (e.port == p.target || p.target == 443 && e.port == 80)
			})
			if p.fromPorts && !p.loopback && !reached && !t.declaresNone(svc) {
				left = append(left, fmt.Sprintf("%d/%s", p.target, strings.ToLower(string(p.protocol))))
			}
		}
		if len(left) > 3 {
			left = append(left[:3], "…")
		}
		if len(left) > 0 {
			t.note(svc.Name, "ports", manifest.Approximated, "inside the environment only: "+strings.Join(left, ", ")+"; entrances are for HTTP, one port a service unless x-catalyst.ingress names more")
		}
	}
}
