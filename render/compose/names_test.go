package compose_test

import (
	"strings"
	"testing"

	"catalyst.dev/catalyst/render/compose"
)

// Microservices with underscores, named in URLs, lists, flags, shell, health checks, inline configs and mounted files.
func TestHostsAreRenamedWhereverOthersNameThem(t *testing.T) {
	a := translate(t, `
services:
  user_service:
    build: ./user
    environment: {DATABASE_URL: "mysql://user_db/user_db", DB_NAME: user_db, GREETING: "this is user_db speaking"}
    depends_on: {user_db: {condition: service_healthy}}
  user_db:
    image: postgres:17
    container_name: shop.user_db
    environment: {POSTGRES_DB: user_db}
    healthcheck: {test: ["CMD", "pg_isready", "-h", "user_db", "-d", "user_db"]}
  gateway:
    image: nginx:alpine
    ports: ["80:80"]
    environment:
      UPSTREAMS: user_service:3000,user_db:5432
      USER_HOST: user_service
      KAFKA: "PLAINTEXT://user_service:9092"
      SELF: "http://user_service:pw@gateway/"
      VIA: http://shop.user_db:5432/x
      OTHER: http://user_service.example.com/
    command: ["--db-host", "user_db", "sh", "-c", "nc -z user_db 5432 && celery -A user_service worker"]
    volumes: ["./nginx.conf:/etc/nginx/nginx.conf:ro"]
    configs: [{source: prom, target: /prom.yml}]
configs:
  prom: {content: "scrape_configs: [{job_name: user_service, static_configs: [{targets: ['user_service:3000']}]}]"}
`, map[string]string{
		"user/Dockerfile": "FROM node:22\nARG PORT=3000\nENV PORT=${PORT}\nEXPOSE $PORT\n",
		"nginx.conf":      "upstream user_service { server user_service:3000; }\nserver { location / { proxy_pass http://user_service; } location /db { proxy_pass http://user_db:5432; } }\n",
	}, nil)
	want := map[string]string{
		"UPSTREAMS": "user-service:3000,user-db:5432", "USER_HOST": "user-service", "KAFKA": "PLAINTEXT://user-service:9092",
		"VIA": "http://user-db:5432/x", "OTHER": "http://user_service.example.com/",
	}
	env := a.env(t, "gateway")
	for k, v := range want {
		if env[k] != v {
			t.Errorf("%s = %q, want %q", k, env[k], v)
		}
	}
	env = a.env(t, "user-service")
	for k, v := range map[string]string{"DATABASE_URL": "mysql://user-db/user_db", "DB_NAME": "user_db", "GREETING": "this is user_db speaking"} {
		if env[k] != v {
			t.Errorf("%s = %q, want %q", k, env[k], v)
		}
	}
	if got := strings.Join(a.container(t, "gateway").Args, "|"); got != "--db-host|user-db|sh|-c|nc -z user-db 5432 && celery -A user_service worker" {
		t.Errorf("args = %s", got)
	}
	if got := strings.Join(a.container(t, "user-db").ReadinessProbe.Exec.Command, " "); got != "pg_isready -h user-db -d user_db" {
		t.Errorf("probe = %s", got)
	}
	var texts []string
	for _, cm := range a.configMaps {
		for _, v := range cm.Data {
			texts = append(texts, v)
		}
	}
	all := strings.Join(texts, "\n")
	for _, part := range []string{"job_name: user_service", "'user-service:3000'", "upstream user_service { server user-service:3000; }", "proxy_pass http://user_service;", "http://user-db:5432"} {
		if !strings.Contains(all, part) {
			t.Errorf("no %q in %s", part, all)
		}
	}
	a.wantReport(t, "gateway", "volumes[0]", "user-service")
	a.wantReport(t, "", "configs.prom.content", "user-service")
	a.wantReport(t, "user_service", "", `it is called "user-service"`)
}

func TestServiceNames(t *testing.T) {
	long := strings.Repeat("l", 60)
	a := translate(t, `
services:
  my_db: {image: postgres:17}
  my-db: {image: postgres:17}
  My.DB: {image: postgres:17}
  2fauth: {image: "2fauth/2fauth", hostname: auth, container_name: auth_main}
  `+long+`: {image: redis:7, environment: {A: b}}
  web:
    image: nginx
    links: ["my-db:postgres", "2fauth:login"]
    networks: {default: {aliases: [www, api.internal, auth.example.com]}}
    environment: {API_URL: "http://api.internal/x", AUTH: "auth_main:8000", ISSUER: "https://auth.example.com/realm", ISSUER_HOST: auth.example.com}
`, nil, nil)
	if len(a.deployments) != 6 {
		t.Errorf("%d Deployments, want 6: names met", len(a.deployments))
	}
	for _, name := range []string{"my-db", "s-2fauth", "auth", "login", "postgres", "www", long} {
		if a.services[name] == nil {
			t.Errorf("there is no Service %s", name)
		}
	}
	if got := a.env(t, "web"); got["API_URL"] != "http://web/x" || got["AUTH"] != "s-2fauth:8000" ||
		got["ISSUER"] != "https://auth.example.com/realm" || got["ISSUER_HOST"] != "web" {
		t.Errorf("env = %v", got)
	}
	if got := a.services["postgres"].Spec.Selector["catalyst.dev/service"]; got != "my-db" {
		t.Errorf("postgres leads to %s", got)
	}
}

// The first service has a shared alias; the report says so.
func TestAliasesOfTwoServices(t *testing.T) {
	a := translate(t, `
services:
  a: {image: nginx, networks: {default: {aliases: [api, b]}}}
  b: {image: nginx, networks: {default: {aliases: [api]}}}
`, nil, nil)
	if got := a.services["api"].Spec.Selector["catalyst.dev/service"]; got != "a" {
		t.Errorf("api leads to %s", got)
	}
	a.wantReport(t, "b", "networks.default.aliases", "another service's")
	a.wantReport(t, "a", "networks.default.aliases", "another service's")
}

func TestPodHosts(t *testing.T) {
	a := translate(t, `
services:
  mail:
    image: mail
    hostname: mail.example.com
    extra_hosts: ["a.example.com:10.0.0.1", "b.example.com:10.0.0.1", "c_d:10.0.0.2", "host.docker.internal:host-gateway", "v6:[::1]"]
    dns: [1.1.1.1, 1.1.1.1, nonsense, 8.8.8.8, 9.9.9.9, 8.8.4.4]
    dns_search: [example.com, "in valid"]
    dns_opt: ["ndots:2", "edns0"]
`, nil, nil)
	pod := a.deployment(t, "mail").Spec.Template.Spec
	if pod.Hostname != "mail-example-com" {
		t.Errorf("hostname = %q", pod.Hostname)
	}
	if len(pod.HostAliases) != 2 || strings.Join(pod.HostAliases[0].Hostnames, " ") != "a.example.com b.example.com" {
		t.Errorf("hostAliases = %v", pod.HostAliases)
	}
	if c := pod.DNSConfig; len(c.Nameservers) != 3 || len(c.Searches) != 1 || len(c.Options) != 2 {
		t.Errorf("dnsConfig = %v", c)
	}
	a.wantReport(t, "mail", "extra_hosts", "the Docker host")
	a.wantReport(t, "mail", "dns[1]", "no IP address")
}

func TestBuiltNamesStayUnique(t *testing.T) {
	text := "services:\n"
	for _, n := range []string{"a_b", "a.b", "A-B", "a-b", "A_B"} {
		text += "  " + n + ": {image: nginx}\n"
	}
	a := translate(t, text, nil, func(in *compose.Input) { in.Host = "" })
	if len(a.deployments) != 5 || a.deployments["a-b"] == nil {
		t.Errorf("got %d Deployments", len(a.deployments))
	}
}
