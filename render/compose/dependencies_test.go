package compose_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"catalyst.dev/catalyst/render/compose"
	"catalyst.dev/catalyst/render/manifest"
)

func wave(t *testing.T, annotations map[string]string) int {
	t.Helper()
	n := 0
	if _, err := fmt.Sscan(annotations["argocd.argoproj.io/sync-wave"], &n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestWaits(t *testing.T) {
	a := translate(t, `
services:
  app:
    image: app
    depends_on:
      db: {condition: service_healthy}
      cache: {condition: service_started}
      dns: {condition: service_healthy}
      worker: {condition: service_healthy}
      quiet: {condition: service_started}
      guess: {condition: service_healthy}
      off: {condition: service_healthy, required: false}
      gone: {condition: service_healthy}
      migrate: {condition: service_completed_successfully}
      once: {condition: service_healthy}
      web: {condition: service_healthy}
      admin: {condition: service_healthy}
  db: {image: "postgres:17", healthcheck: {test: "pg_isready -p 5433"}}
  cache: {image: "redis:7"}
  dns: {image: dns, ports: ["53:53/udp"]}
  worker: {image: worker}
  quiet: {image: quiet}
  guess: {image: "redis:7", command: "--port 6380"}
  off: {image: off, profiles: [tools]}
  gone: {image: gone, deploy: {replicas: 0}}
  migrate: {image: app, command: migrate, depends_on: {db: {condition: service_healthy}}}
  once: {image: once, restart: "no"}
  web: {image: web, expose: [3000, 9000], healthcheck: {test: "curl -f localhost:9000/health"}}
  admin: {image: admin, expose: [3000], healthcheck: {test: "curl -f http://127.0.0.1:9901/ready"}}
`, nil, nil)
	resolved := func(name string) string {
		return "until ! nc -z -w 2 " + name + " 1 2>&1 | grep -qE 'bad address|not known|resolve';"
	}
	want := map[string]string{
		"wait-for-db":     "until nc -z -w 2 db 5433;",
		"wait-for-cache":  "until nc -z -w 2 cache 6379 || ",
		"wait-for-dns":    resolved("dns-ready"),
		"wait-for-worker": resolved("worker"),
		"wait-for-quiet":  "resolve' || ",
		"wait-for-web":    "until nc -z -w 2 web 9000;",
		"wait-for-admin":  resolved("admin-ready"), // what the check speaks to may be the container's alone
		"wait-for-guess":  resolved("guess-ready"), // the image's port may be configured otherwise
	}
	got := waits(a.deployment(t, "app").Spec.Template)
	for name, part := range want {
		if !strings.Contains(got[name], part) {
			t.Errorf("%s = %q, want %q", name, got[name], part)
		}
	}
	if len(got) != len(want) {
		t.Errorf("waits for %v", got)
	}
	if s := a.services["dns-ready"]; s == nil || s.Spec.ClusterIP != "None" || s.Spec.PublishNotReadyAddresses {
		t.Errorf("dns-ready = %v", s)
	}
	a.wantReport(t, "app", "depends_on.gone", "no replicas")
	a.wantReport(t, "app", "depends_on.once", "runs to its end")
	a.wantReport(t, "app", "depends_on.worker", "no health check")
	if a.reported("app", "depends_on.off", "") || a.reported("app", "depends_on.db", "") {
		t.Errorf("report %v", a.report.Findings)
	}
	db, migrate, app := wave(t, a.deployments["db"].Annotations), wave(t, a.job(t, "migrate").Annotations), wave(t, a.deployments["app"].Annotations)
	if !(db < migrate && migrate < app) {
		t.Errorf("waves: db %d, migrate %d, app %d", db, migrate, app)
	}
	if w := waits(a.job(t, "migrate").Spec.Template); w["wait-for-db"] == "" {
		t.Errorf("migrate waits for %v", w)
	}
	if a.services["migrate"] == nil {
		t.Error("the job has no Service")
	}
}

func TestWaitImage(t *testing.T) {
	text := "services: {a: {image: x, depends_on: [b]}, b: {image: y}}"
	for image, want := range map[string]string{"": compose.DefaultWaitImage, "registry.example.com/busybox:1": "registry.example.com/busybox:1"} {
		a := translate(t, text, nil, func(in *compose.Input) { in.WaitImage = image })
		c := a.deployment(t, "a").Spec.Template.Spec.InitContainers[0]
		if c.Image != want || !*c.SecurityContext.RunAsNonRoot || !*c.SecurityContext.ReadOnlyRootFilesystem {
			t.Errorf("%+v", c)
		}
	}
}

// A service that only starts after a job starts must not be held up by one that may never end.
func TestOnlyCompletionIsHeldUpByAJob(t *testing.T) {
	a := translate(t, "services: {a: {image: x, depends_on: [j]}, j: {image: y, restart: 'no'}}", nil, nil)
	if wave(t, a.deployments["a"].Annotations) != wave(t, a.job(t, "j").Annotations) {
		t.Error("a is in a later wave than the job")
	}
}

func TestLongChainsKeepTheirOrder(t *testing.T) {
	text := "services:\n"
	for i := range 30 {
		text += fmt.Sprintf("  s%02d: {image: x, ports: ['80'], depends_on: [s%02d]}\n", i, i+1)
	}
	a := translate(t, text+"  s30: {image: x}\n", nil, nil)
	for i := range 30 {
		later, earlier := fmt.Sprintf("s%02d", i), fmt.Sprintf("s%02d", i+1)
		if wave(t, a.deployments[later].Annotations) <= wave(t, a.deployments[earlier].Annotations) {
			t.Errorf("%s is not after %s", later, earlier)
		}
	}
	if wave(t, a.ingresses["s00"].Annotations) <= wave(t, a.deployments["s00"].Annotations) {
		t.Error("the Ingress is not last")
	}
}

func TestRestartWithDependency(t *testing.T) {
	text := func(tag, restart string) string {
		return "services: {a: {image: x, depends_on: {b: {condition: service_started, restart: " + restart + "}}}, b: {image: 'y:" + tag + "'}}"
	}
	sum := func(tag, restart string) string {
		return translate(t, text(tag, restart), nil, nil).deployment(t, "a").Spec.Template.Annotations["catalyst.dev/dependencies-checksum"]
	}
	if sum("1", "false") != "" || sum("1", "true") == "" || sum("1", "true") == sum("2", "true") {
		t.Errorf("checksums %q %q %q", sum("1", "false"), sum("1", "true"), sum("2", "true"))
	}
}

func TestDependenciesThatAreWrong(t *testing.T) {
	tests := map[string]struct{ text, want string }{
		"cycle":    {"services: {a: {image: x, depends_on: [b]}, b: {image: x, depends_on: [c]}, c: {image: x, depends_on: [b]}}", "b → c → b"},
		"itself":   {"services: {a: {image: x, depends_on: [a]}}", "a → a"},
		"unknown":  {"services: {a: {image: x, depends_on: [b]}}", `no service "b"`},
		"disabled": {"services: {a: {image: x, depends_on: [b]}, b: {image: x, profiles: [p]}}", "profile that is not enabled"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := tryApp(t, map[string]string{"compose.yaml": tt.text}, nil)
			var p *manifest.Problem
			if !errors.As(err, &p) || !strings.Contains(p.Message, tt.want) || p.Remedy == "" {
				t.Errorf("Render() = %v, want %q", err, tt.want)
			}
		})
	}
}

// The paths through dependencies grow exponentially with the layers; the time must not.
func TestManyPathsTakeNoTime(t *testing.T) {
	text := "services:\n"
	for i := range 60 {
		for _, side := range []string{"l", "r"} {
			text += fmt.Sprintf("  %s%d: {image: x, depends_on: [l%d, r%d]}\n", side, i, i+1, i+1)
		}
	}
	text += "  l60: {image: x}\n  r60: {image: x}\n"
	done := make(chan struct{})
	go func() {
		defer close(done)
		translate(t, text, nil, nil)
	}()
	select {
	case <-done:
	case <-time.After(time.Minute):
		t.Fatal("rendering hangs")
	}
}
