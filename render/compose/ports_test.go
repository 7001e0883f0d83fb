package compose_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
)

func TestPorts(t *testing.T) {
	tests := []struct {
		name, service string
		files         map[string]string
		want          []string
	}{
		{"published", "image: x, ports: ['8080:80']", nil, []string{"tcp-80 80>80/TCP", "tcp-8080 8080>80/TCP"}},
		{"published elsewhere", "image: x, ports: ['8080:80', '81:8080']", nil, []string{"tcp-80 80>80/TCP", "tcp-8080 8080>8080/TCP", "tcp-81 81>8080/TCP"}},
		{"both protocols", "image: x, ports: ['53:53/tcp', '53:53/udp']", nil, []string{"tcp-53 53>53/TCP", "udp-53 53>53/UDP"}},
		{"range", "image: x, ports: ['3000-3002:4000-4002']", nil, []string{"tcp-4000 4000>4000/TCP", "tcp-4001 4001>4001/TCP", "tcp-4002 4002>4002/TCP",
			"tcp-3000 3000>4000/TCP", "tcp-3001 3001>4001/TCP", "tcp-3002 3002>4002/TCP"}},
		{"long syntax", "image: x, ports: [{name: Web, target: 80, published: '8080', app_protocol: http}, {name: web, target: 81}, {name: a-very-long-port-name, target: 82}, {name: '1', target: 83}]", nil,
			[]string{"web 80>80/TCP", "tcp-81 81>81/TCP", "tcp-82 82>82/TCP", "tcp-83 83>83/TCP", "tcp-8080 8080>80/TCP"}},
		{"a name that looks generated", "image: x, ports: [{name: tcp-81, target: 80}, {target: 81}]", nil, []string{"tcp-81 80>80/TCP", "tcp-81-2 81>81/TCP"}},
		{"twice", "image: x, ports: ['80:80', '127.0.0.1:80:80', '8080:80'], expose: ['80', 80]", nil, []string{"tcp-80 80>80/TCP"}},
		{"expose", "image: x, expose: ['80', '90-91/udp']", nil, []string{"tcp-80 80>80/TCP", "udp-90 90>90/UDP", "udp-91 91>91/UDP"}},
		{"expose backwards", "image: x, expose: ['91-90']", nil, []string{}},
		{"curl", "image: x, healthcheck: {test: curl -f http://localhost:8080/health || exit 1}", nil, []string{"tcp-8080 8080>8080/TCP"}},
		{"curl without port", "image: x, healthcheck: {test: [CMD, curl, -f, 'http://127.0.0.1/']}", nil, []string{"tcp-80 80>80/TCP"}},
		{"nc", "image: x, healthcheck: {test: nc -z localhost 9000}", nil, []string{"tcp-9000 9000>9000/TCP"}},
		{"dev tcp", "image: x, healthcheck: {test: 'echo > /dev/tcp/127.0.0.1/7000'}", nil, []string{"tcp-7000 7000>7000/TCP"}},
		{"pg_isready", "image: x, healthcheck: {test: pg_isready -U app}", nil, []string{"tcp-5432 5432>5432/TCP"}},
		{"pg_isready with port", "image: x, healthcheck: {test: pg_isready -p 5433}", nil, []string{"tcp-5433 5433>5433/TCP"}},
		{"no check", "image: x, healthcheck: {disable: true, test: nc -z localhost 9000}", nil, []string{}},
		{"Dockerfile", "build: .", map[string]string{"Dockerfile": "ARG A=80\nFROM x AS base\nEXPOSE 99\nFROM y\nENV P 8000\nARG Q=1\nARG A\nEXPOSE ${P}/tcp $A \\\n  ${NONE:-7000} # and 5\n"}, []string{
			"tcp-8000 8000>8000/TCP", "tcp-80 80>80/TCP", "tcp-7000 7000>7000/TCP"}},
		{"Dockerfile's target", "build: {context: ., target: base, args: {P: '98'}}", map[string]string{"Dockerfile": "FROM x AS os\nEXPOSE 97\nFROM os AS base\nARG P=99\nEXPOSE $P\nFROM y\nEXPOSE 1\n"}, []string{
			"tcp-98 98>98/TCP", "tcp-97 97>97/TCP"}},
		{"Dockerfile on a known image", "build: .", map[string]string{"Dockerfile": "FROM node AS b\nFROM nginx:alpine\nCOPY --from=b /a /b\n"}, []string{"tcp-80 80>80/TCP"}},
		{"known image", "image: 'docker.io/library/postgres:17-alpine@sha256:0123456789012345678901234567890123456789012345678901234567890123'", nil, []string{"tcp-5432 5432>5432/TCP"}},
		{"known image with flags", "image: redis, command: --save 60 1", nil, []string{"tcp-6379 6379>6379/TCP"}},
		{"known image, another program", "image: redis, command: redis-cli ping", nil, []string{}},
		{"broker with its console published", "image: 'rabbitmq:4-management', ports: ['15672:15672']", nil, []string{"tcp-15672 15672>15672/TCP", "tcp-5672 5672>5672/TCP"}},
		{"web server on another port", "image: nginx, ports: ['80:8080']", nil, []string{"tcp-8080 8080>8080/TCP", "tcp-80 80>8080/TCP"}},
		{"nothing", "image: x", nil, []string{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := translate(t, "services: {a: {"+tt.service+"}}", tt.files, nil)
			if diff := cmp.Diff(tt.want, a.ports(t, "a")); diff != "" {
				t.Errorf("ports differ (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAppProtocol(t *testing.T) {
	a := translate(t, "services: {a: {image: x, ports: [{target: 80, app_protocol: http}, {target: 81, app_protocol: 'no such!'}]}}", nil, nil)
	ports := a.services["a"].Spec.Ports
	if ports[0].AppProtocol == nil || *ports[0].AppProtocol != "http" || ports[1].AppProtocol != nil {
		t.Errorf("ports = %v", ports)
	}
	a.wantReport(t, "a", "ports[1].app_protocol", "no name")
}

// Compose's DNS leads to every port of a service: those that others name must be in its Service.
func TestPortsThatOthersName(t *testing.T) {
	a := translate(t, `
services:
  api: {image: api, ports: ["3000:3000"], environment: {Q: "amqp://queue/", S: "search:7701", DB: "postgres://u:p@db:6000/x"}}
  queue: {image: example/queue}
  search: {image: example/search}
  db: {image: example/db}
  prometheus: {image: prom/prometheus, volumes: ["./prometheus.yml:/etc/prometheus/prometheus.yml"]}
`, map[string]string{"prometheus.yml": "scrape_configs: [{static_configs: [{targets: ['api:9100', 'localhost:9090']}]}]\n"}, nil)
	for service, want := range map[string]string{"api": "tcp-3000 3000>3000/TCP|tcp-9100 9100>9100/TCP", "queue": "tcp-5672 5672>5672/TCP", "search": "tcp-7701 7701>7701/TCP", "db": "tcp-6000 6000>6000/TCP"} {
		if got := strings.Join(a.ports(t, service), "|"); got != want {
			t.Errorf("%s: %s, want %s", service, got, want)
		}
	}
}

func TestHeadlessServices(t *testing.T) {
	a := translate(t, `
services:
  worker: {image: worker}
  rr: {image: x, expose: [80], deploy: {endpoint_mode: dnsrr}}
  vip: {image: x, expose: [80], deploy: {endpoint_mode: vip}}
`, nil, nil)
	for name, want := range map[string]string{"worker": corev1.ClusterIPNone, "rr": corev1.ClusterIPNone, "vip": ""} {
		if got := a.services[name].Spec.ClusterIP; got != want {
			t.Errorf("%s: clusterIP %q, want %q", name, got, want)
		}
	}
}
