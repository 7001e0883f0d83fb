package compose_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"catalyst.dev/catalyst/render/compose"
	"catalyst.dev/catalyst/render/manifest"
)

func TestEntrances(t *testing.T) {
	tests := []struct {
		name, services string
		want           map[string]string // host below the environment's own, and path, to backend
	}{
		{"one port", "web: {image: x, ports: ['8080:3000']}", map[string]string{"/": "web:3000"}},
		{"host port of Docker's choice", "web: {image: x, ports: [3000]}", map[string]string{"/": "web:3000"}},
		{"none", "worker: {image: x}\n  db: {image: 'postgres:17', ports: ['5432:5432']}", map[string]string{}},
		{"exposed only", "web: {image: x, expose: [3000]}", map[string]string{}},
		{"UDP", "dns: {image: x, ports: ['8080:8080/udp']}", map[string]string{}},
		{"proxy before app", "app: {image: x, ports: ['3000:3000']}\n  nginx: {image: 'nginx:alpine', ports: ['80:80', '443:443']}", map[string]string{"/": "nginx:80", "app./": "app:3000"}},
		{"frontend before backend", "backend: {build: b, ports: ['8000:8000']}\n  frontend: {build: f, ports: ['3000:3000']}", map[string]string{"/": "frontend:3000", "backend./": "backend:8000"}},
		{"by dependency", "a_api: {image: x, ports: ['8000:8000']}\n  portal: {image: y, ports: ['3000:3000'], depends_on: [a_api]}", map[string]string{"/": "portal:3000", "a-api./": "a-api:8000"}},
		{"tools last", "adminer: {image: adminer, ports: ['8080:8080']}\n  shop: {image: x, ports: ['9999:9999']}", map[string]string{"/": "shop:9999", "adminer./": "adminer:8080"}},
		{"engines after tools", "logstash: {image: logstash, ports: ['5000:5000', '5000:5000/udp', '5044:5044', '9600:9600']}\n  elasticsearch: {image: elasticsearch, ports: ['9200:9200', '9300:9300']}\n" +
			"  kibana: {image: kibana, ports: ['5601:5601']}", map[string]string{"/": "kibana:5601", "elasticsearch./": "elasticsearch:9200", "logstash./": "logstash:9600"}},
		{"kafka", "broker: {image: confluentinc/cp-kafka, ports: ['9092:9092', '9101:9101']}\n  registry: {image: confluentinc/cp-schema-registry, ports: ['8081:8081']}\n" +
			"  ui: {image: provectuslabs/kafka-ui, ports: ['8080:8080']}", map[string]string{"/": "ui:8080", "registry./": "registry:8081"}},
		{"bus of a grid", "hub: {image: selenium/hub, ports: ['4442:4442', '4443:4443', '4444:4444']}", map[string]string{"/": "hub:4444"}},
		{"n8n", "n8n: {image: n8nio/n8n, ports: ['5678:5678']}", map[string]string{"/": "n8n:5678"}},
		{"mail catcher", "mail: {image: maildev/maildev, ports: ['1080:1080', '1025:1025']}", map[string]string{"/": "mail:1080"}},
		{"debugger beside the application", "web: {image: x, ports: ['5678:5678', '8000:8000']}", map[string]string{"/": "web:8000"}},
		{"HTTP/3", "web: {image: x, ports: ['443:443', '443:443/udp', '80:80']}", map[string]string{"/": "web:80"}},
		{"log collector", "web: {image: x, ports: ['5000:5000', '5000:5000/udp']}", map[string]string{}},
		{"debug port", "web: {image: x, ports: ['9229:9229', '4000:4000']}", map[string]string{"/": "web:4000"}},
		{"likeliest port", "web: {image: x, ports: ['9999:9999', '80:80', '443:443']}", map[string]string{"/": "web:80"}},
		{"app_protocol", "web: {image: x, ports: [{target: 5432, app_protocol: http}, {target: 8080, app_protocol: postgresql}]}", map[string]string{"/": "web:5432"}},
		{"loopback is not public", "web: {image: x, ports: ['80:80']}\n  admin: {image: y, ports: ['127.0.0.1:8080:80']}", map[string]string{"/": "web:80"}},
		{"loopback alone", "web: {image: x, ports: ['127.0.0.1:8080:80']}", map[string]string{"/": "web:80"}},
		{"a job", "seed: {image: x, ports: ['80:80'], deploy: {mode: replicated-job}}", map[string]string{}},
		{"said", "web: {image: x, ports: ['80:80']}\n  admin: {image: y, x-catalyst: {ingress: {port: 9000}}}", map[string]string{"/": "admin:9000", "web./": "web:80"}},
		{"said to be none", "web: {image: x, ports: ['80:80'], x-catalyst: {ingress: false}}", map[string]string{}},
		{"said true", "db: {image: x, expose: [5432], x-catalyst: {ingress: {port: '5432'}}}", map[string]string{"/": "db:5432"}},
		{"said with hosts", "a: {image: x, expose: [1, 2], x-catalyst: {ingress: [{port: 1, host: api}, {port: 2, host: 'b.${CATALYST_HOST}', path: /v1}]}}",
			map[string]string{"/": "a:1", "api./": "a:1", "b./v1": "a:2"}},
		{"said to be main", "a: {image: x, x-catalyst: {ingress: {port: 1}}}\n  b: {image: x, x-catalyst: {ingress: {port: 2, host: '${CATALYST_HOST}'}}}", map[string]string{"/": "b:2", "a./": "a:1"}},
		{"traefik", "web: {image: x, expose: [3000], labels: ['traefik.enable=true', 'traefik.http.routers.web.rule=Host(`shop.example.org`)', 'traefik.http.services.web.loadbalancer.server.port=3000']}\n" +
			"  api: {image: y, expose: [80, 4000], labels: {traefik.http.routers.api.rule: 'Host(`api.shop.example.org`) && PathPrefix(`/v1/`)', traefik.http.services.api.loadbalancer.server.port: '4000'}}",
			map[string]string{"/": "web:3000", "api./v1": "api:4000"}},
		{"traefik by path", "web: {image: x, expose: [3000], labels: ['traefik.http.routers.web.rule=Host(`shop.example.org`)']}\n" +
			"  api: {image: y, expose: [4000], labels: ['traefik.http.routers.api.rule=Host(`shop.example.org`) && PathPrefix(`/api`)']}", map[string]string{"/": "web:3000", "/api": "api:4000"}},
		{"traefik alone names the port", "web: {image: x, labels: ['traefik.http.routers.web.rule=Host(`shop.example.org`)', 'traefik.http.services.web.loadbalancer.server.port=3000']}", map[string]string{"/": "web:3000"}},
		{"traefik off", "web: {image: x, expose: [3000], labels: ['traefik.enable=false', 'traefik.http.routers.web.rule=Host(`a.b`)']}", map[string]string{}},
		{"nginx-proxy", "web: {image: x, expose: [3000, 9000], environment: {VIRTUAL_HOST: 'shop.example.org,www.shop.example.org', VIRTUAL_PORT: 9000}}", map[string]string{"/": "web:9000", "www./": "web:9000"}},
		{"caddy", "web: {image: x, expose: [3000], labels: {caddy: shop.example.org, caddy.reverse_proxy: '{{upstreams 3000}}'}}", map[string]string{"/": "web:3000"}},
		{"caddy by path", "api: {image: x, labels: {caddy: api.example.org, caddy.handle_path: /v1/*, caddy.handle_path.0_reverse_proxy: '{{upstreams 3000}}'}}", map[string]string{"/": "api:3000"}},
		{"in another's pod", "vpn: {image: x, ports: ['8080:8080']}\n  ui: {image: y, network_mode: 'service:vpn'}", map[string]string{"/": "vpn:8080"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := translate(t, "services:\n  "+tt.services+"\n", nil, func(in *compose.Input) { in.Variables = map[string]string{"CATALYST_HOST": appHost} })
			got := map[string]string{}
			for host, backend := range a.hosts() {
				got[strings.Replace(host, appHost, "", 1)] = backend
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("entrances (-want +got):\n%s", diff)
			}
			// What CATALYST_URL says must be there.
			if want := map[bool]string{true: "http://" + appHost}[len(got) > 0]; a.url != want {
				t.Errorf("URL %q, want %q", a.url, want)
			}
		})
	}
}

func TestEntranceReports(t *testing.T) {
	a := translate(t, "services: {web: {image: x, ports: ['80:80', '25565:25565']}, db: {image: 'postgres:17', ports: ['5432:5432']}, ui: {image: y, ports: ['3000:3000']}}", nil, nil)
	a.wantReport(t, "web", "ports", "the main one")
	a.wantReport(t, "web", "ports", "25565/tcp")
	a.wantReport(t, "db", "ports", "5432/tcp")
	a = translate(t, "services: {web: {image: x, ports: ['127.0.0.1:80:80']}}", nil, nil)
	a.wantReport(t, "web", "ports", "loopback")
	a = translate(t, "services: {web: {image: x, ports: ['80:80']}}", nil, nil)
	if len(a.report.Findings) != 0 {
		t.Errorf("report %v, want nothing", a.report.Findings)
	}
}

func TestDeclaredEntrancesThatAreWrong(t *testing.T) {
	for ingress, field := range map[string]string{
		"{host: evil.example.org}":      "x-catalyst.ingress.host",
		"{host: evil" + appHost + "}":   "x-catalyst.ingress.host",
		"{host: 'a b." + appHost + "'}": "x-catalyst.ingress.host",
		"{host: '*." + appHost + "'}":   "x-catalyst.ingress.host",
		"{port: 0}":                     "x-catalyst.ingress.port",
		"{port: 70000}":                 "x-catalyst.ingress.port",
		"{port: web}":                   "x-catalyst.ingress.port",
		"{path: api}":                   "",
		"{path: '/a b'}":                "x-catalyst.ingress.path",
		"{path: '/a;b'}":                "x-catalyst.ingress.path",
		"{annotations: {a: b}}":         "x-catalyst.ingress.annotations",
		"[1]":                           "x-catalyst.ingress[0]",
		"[{port: 1}, {port: x}]":        "x-catalyst.ingress[1].port",
		"5":                             "x-catalyst.ingress",
		"{port: 80, host: [a]}":         "x-catalyst.ingress.host",
		"{host: '" + strings.Repeat("a", 64) + "'}": "x-catalyst.ingress.host",
	} {
		_, err := tryApp(t, map[string]string{"compose.yaml": "services: {a: {image: x, ports: ['80:80'], x-catalyst: {ingress: " + ingress + "}}}"}, nil)
		var p *manifest.Problem
		switch {
		case field == "":
			if err != nil {
				t.Errorf("%s: Render() = %v", ingress, err)
			}
		case !errors.As(err, &p) || p.Field != "services.a."+field || p.Remedy == "":
			t.Errorf("%s: Render() = %v, want a problem with %s", ingress, err, field)
		}
	}
	_, err := tryApp(t, map[string]string{"compose.yaml": "services: {a: {image: x, x-catalyst: {ingress: true}}}"}, nil)
	if err == nil {
		t.Error("an entrance without a port renders")
	}
}

func TestLongHosts(t *testing.T) {
	host := strings.Repeat("h", 63) + "." + strings.Repeat("i", 63) + "." + strings.Repeat("j", 63) + "." + strings.Repeat("k", 40)
	a := translate(t, "services: {"+strings.Repeat("a", 63)+": {image: x, ports: [80]}, web: {image: x, ports: [80]}}", nil, func(in *compose.Input) { in.Host = host })
	if len(a.ingresses) != 2 {
		t.Errorf("%d Ingresses", len(a.ingresses))
	}
}

func TestIngressClasses(t *testing.T) {
	const text = "services: {web: {image: x, ports: ['8443:8443']}}"
	a := translate(t, text, nil, func(in *compose.Input) { in.IngressClass, in.TLS, in.ClusterIssuer = "nginx", true, "letsencrypt" })
	want := map[string]string{
		"cert-manager.io/cluster-issuer":                 "letsencrypt",
		"nginx.ingress.kubernetes.io/backend-protocol":   "HTTPS",
		"nginx.ingress.kubernetes.io/proxy-body-size":    "1g",
		"nginx.ingress.kubernetes.io/proxy-read-timeout": "3600",
		"nginx.ingress.kubernetes.io/proxy-send-timeout": "3600",
	}
	if diff := cmp.Diff(want, a.ingresses["web"].Annotations); diff != "" {
		t.Errorf("annotations: %s", diff)
	}
	if a.url != "https://"+appHost || a.ingresses["web"].Spec.TLS[0].SecretName != "web-tls" {
		t.Errorf("URL %s, TLS %v", a.url, a.ingresses["web"].Spec.TLS)
	}
	a = translate(t, text, nil, func(in *compose.Input) { in.IngressClass = "traefik" })
	if len(a.ingresses["web"].Annotations) != 0 {
		t.Errorf("annotations %v", a.ingresses["web"].Annotations)
	}
	a.wantReport(t, "web", "ports", "looks like HTTPS")
}
