package compose_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"catalyst.dev/catalyst/render/compose"
)

// What runs to its end is a Job; what others talk to never is.
func TestKinds(t *testing.T) {
	files := map[string]string{"web/Dockerfile": "FROM node\nEXPOSE 8000\n"}
	tests := []struct{ name, service, want string }{
		{"plain", "image: x", "Deployment"},
		{"always", "image: x, restart: always", "Deployment"},
		{"unless-stopped", "image: x, restart: unless-stopped", "Deployment"},
		{"no", "image: x, restart: 'no'", "Job"},
		{"on failure", "image: x, restart: 'on-failure:5'", "Job"},
		{"no, with a port", "image: x, restart: 'no', ports: ['80']", "Deployment"},
		{"no, with a health check", "image: x, restart: 'no', healthcheck: {test: 'true'}", "Deployment"},
		{"no, a server", "image: 'postgres:17', restart: 'no'", "Deployment"},
		{"no, a server's client", "image: 'postgres:17', restart: 'no', command: psql -c 'select 1'", "Job"},
		{"no, built with ports", "build: web, restart: 'no'", "Deployment"},
		{"no, built with ports, another program", "build: web, restart: 'no', command: npm run migrate", "Job"},
		{"replicated-job", "image: x, ports: ['80'], deploy: {mode: replicated-job}", "Job"},
		{"global-job", "image: x, deploy: {mode: global-job}", "Job"},
		{"swarm none", "image: x, deploy: {restart_policy: {condition: none}}", "Job"},
		{"swarm any", "image: x, restart: 'no', deploy: {restart_policy: {condition: any}}", "Deployment"},
		{"global", "image: x, deploy: {mode: global}", "Deployment"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := translate(t, "services: {a: {"+tt.service+"}}", files, nil)
			if got := map[bool]string{true: "Job", false: "Deployment"}[len(a.jobs) == 1]; got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
			if a.services["a"] == nil {
				t.Error("there is no Service")
			}
		})
	}
}

func TestJobs(t *testing.T) {
	tests := []struct {
		name, service string
		retries       int32
		parallel      int32
	}{
		{"no", "restart: 'no'", 0, 0},
		{"on failure", "restart: on-failure", 3, 0},
		{"bounded", "restart: 'on-failure:7'", 7, 0},
		{"swarm", "deploy: {mode: replicated-job, replicas: 2, restart_policy: {condition: on-failure, max_attempts: 4}}", 4, 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := translate(t, "services: {a: {image: x, "+tt.service+"}}", nil, nil)
			spec := a.job(t, "a").Spec
			if *spec.BackoffLimit != tt.retries || spec.Template.Spec.RestartPolicy != corev1.RestartPolicyNever {
				t.Errorf("%+v", spec)
			}
			if tt.parallel > 0 && (spec.Parallelism == nil || *spec.Parallelism != tt.parallel || *spec.Completions != tt.parallel) {
				t.Errorf("%+v", spec)
			}
		})
	}
}

func TestJobIsNewForEachDefinition(t *testing.T) {
	name := func(tag string) string {
		for n := range translate(t, "services: {a: {image: 'x:"+tag+"', restart: 'no'}}", nil, nil).jobs {
			return n
		}
		return ""
	}
	if first, again, second := name("1"), name("1"), name("2"); first == second || first != again {
		t.Errorf("%s, %s, %s", first, again, second)
	}
}

func TestGlobal(t *testing.T) {
	const text = "services: {a: {image: x, deploy: {mode: global}}}"
	a := translate(t, text, nil, nil)
	a.wantReport(t, "a", "deploy.mode", "no DaemonSet")
	a = translate(t, text, nil, func(in *compose.Input) { in.DaemonSets = true })
	if len(a.daemonSets) != 1 || len(a.deployments) != 0 || len(a.report.Findings) != 0 {
		t.Errorf("%d DaemonSets, report %v", len(a.daemonSets), a.report.Findings)
	}
}

func TestReplicas(t *testing.T) {
	values := map[string]any{"services": map[string]any{"c": map[string]any{"replicas": float64(4)}}}
	a := translate(t, `
services:
  a: {image: x, scale: 2}
  b: {image: x, deploy: {replicas: 3}}
  c: {image: x, scale: 2}
  d: {image: x, scale: 2, volumes: ["data:/d"]}
volumes: {data: {}}
`, nil, func(in *compose.Input) { in.Values = values })
	for name, want := range map[string]int32{"a": 2, "b": 3, "c": 4, "d": 1} {
		if got := *a.deployments[name].Spec.Replicas; got != want {
			t.Errorf("%s: %d, want %d", name, got, want)
		}
	}
	a.wantReport(t, "d", "deploy.replicas", "one pod at a time")
}

func TestUpdates(t *testing.T) {
	type strategy struct {
		kind, unavailable, surge string
		ready                    int32
	}
	tests := map[string]strategy{
		"image: x": {},
		"image: x, deploy: {update_config: {parallelism: 2, order: start-first, delay: 10s}}": {"RollingUpdate", "0", "2", 10},
		"image: x, deploy: {update_config: {parallelism: 2}}":                                 {"RollingUpdate", "2", "0", 0},
		"image: x, deploy: {update_config: {parallelism: 0}}":                                 {"RollingUpdate", "100%", "0", 0},
		"image: x, volumes: ['vol:/v'], deploy: {update_config: {order: start-first}}":        {"Recreate", "", "", 0},
	}
	for service, want := range tests {
		a := translate(t, "services: {a: {"+service+"}}\nvolumes: {vol: {}}", nil, nil)
		spec := a.deployment(t, "a").Spec
		got := strategy{kind: string(spec.Strategy.Type), ready: spec.MinReadySeconds}
		if r := spec.Strategy.RollingUpdate; r != nil {
			got.unavailable, got.surge = r.MaxUnavailable.String(), r.MaxSurge.String()
		}
		if got != want {
			t.Errorf("%s: %v, want %v", service, got, want)
		}
	}
}

func TestPlacement(t *testing.T) {
	a := translate(t, `
services:
  a:
    image: x
    platform: linux/arm64/v8
    init: true
    deploy:
      labels: {tier: front, "bad value": x, team: "no such!"}
      rollback_config: {parallelism: 1}
      placement:
        constraints: ["node.labels.disk == ssd", "node.role == manager", "node.platform.arch != x86_64"]
        preferences: [{spread: node.labels.zone}]
        max_replicas_per_node: 1
`, nil, nil)
	d := a.deployment(t, "a")
	spec := d.Spec.Template.Spec
	if diff := cmp.Diff(map[string]string{"kubernetes.io/os": "linux", "kubernetes.io/arch": "arm64"}, spec.NodeSelector); diff != "" {
		t.Errorf("nodeSelector: %s", diff)
	}
	terms := spec.Affinity.NodeAffinity.PreferredDuringSchedulingIgnoredDuringExecution
	if len(terms) != 2 || terms[0].Preference.MatchExpressions[0].Key != "disk" || terms[1].Preference.MatchExpressions[0].Values[0] != "amd64" {
		t.Errorf("node affinity %v", terms)
	}
	if spec.Affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution != nil || spec.Affinity.PodAntiAffinity == nil || len(spec.TopologySpreadConstraints) != 1 {
		t.Errorf("affinity %v", spec.Affinity)
	}
	if !*spec.ShareProcessNamespace || d.Labels["tier"] != "front" || d.Labels["team"] != "" {
		t.Errorf("labels %v", d.Labels)
	}
	a.wantReport(t, "a", "deploy.placement.constraints[1]", "nothing of a Kubernetes node")
	a.wantReport(t, "a", "deploy.labels.team", "no label")
	a.wantReport(t, "a", "deploy.rollback_config", "commit")
}

func TestAnnotations(t *testing.T) {
	a := translate(t, `
services:
  a:
    image: x
    label_file: ./labels
    labels:
      b: c
      traefik.http.routers.a.rule: Host(`+"`a.example.com`"+`)
      com.docker.compose.project: x
      container.apparmor.security.beta.kubernetes.io/a: unconfined
      sidecar.istio.io/inject: "true"
      "not a key": x
    annotations: {d: e}
`, map[string]string{"labels": "f=g\nb=file\n"}, nil)
	want := map[string]string{"b": "c", "d": "e", "f": "g", "traefik.http.routers.a.rule": "Host(`a.example.com`)"}
	if diff := cmp.Diff(want, a.deployment(t, "a").Spec.Template.Annotations); diff != "" {
		t.Errorf("annotations: %s", diff)
	}
	a.wantReport(t, "a", "labels.container.apparmor", "steer")
	a.wantReport(t, "a", "labels.not a key", "no such key")
}

func TestLifecycleHooks(t *testing.T) {
	a := translate(t, `
services:
  one: {image: x, post_start: [{command: [touch, "/a b"]}]}
  many:
    image: x
    post_start:
      - {command: ["echo", "it's"], user: root, privileged: true}
      - {command: [make], working_dir: "/src dir", environment: {MODE: a b, API_TOKEN: hush}}
    pre_stop: [{command: [nginx, -s, quit], environment: [X=1]}]
`, nil, nil)
	if got := strings.Join(a.container(t, "one").Lifecycle.PostStart.Exec.Command, "|"); got != "touch|/a b" {
		t.Errorf("one: %s", got)
	}
	l := a.container(t, "many").Lifecycle
	if got, want := l.PostStart.Exec.Command[2], `'echo' 'it'\''s' && ( cd '/src dir' && env 'MODE=a b' 'make' )`; got != want {
		t.Errorf("many: %s, want %s", got, want)
	}
	if got := l.PreStop.Exec.Command[2]; got != "env 'X=1' 'nginx' '-s' 'quit'" {
		t.Errorf("pre_stop: %s", got)
	}
	found := false
	for _, e := range a.container(t, "many").Env {
		found = found || e.Name == "API_TOKEN" && e.ValueFrom != nil
	}
	if !found {
		t.Error("the hook's secret is not among the container's variables")
	}
	a.wantReport(t, "many", "post_start[0].user", "container's user")
	a.wantReport(t, "many", "post_start[0].privileged", "own privileges")
}

func TestPreStart(t *testing.T) {
	a := translate(t, `
services:
  db: {image: "postgres:17", healthcheck: {test: pg_isready}}
  web:
    image: web
    ports: ["80:80"]
    environment: {MODE: prod, DB_PASSWORD: hush}
    volumes: ["data:/data"]
    depends_on: {db: {condition: service_healthy}}
    networks: [n, default]
    pre_start:
      - {command: [migrate], environment: {STEP: "1"}}
      - {image: "busybox:1", command: [chown, -R, "1000", /data], user: "0", per_replica: true}
      - {command: [seed], volumes: ["./seed.sql:/seed.sql"]}
  worker: {image: worker, depends_on: [web], networks: [n]}
volumes: {data: {}}
networks: {n: {}}
`, map[string]string{"seed.sql": "select 1;\n"}, nil)
	migrate, seed, web := a.job(t, "web-pre-start-0"), a.job(t, "web-pre-start-2"), a.deployment(t, "web")
	order := []int{wave(t, migrate.Annotations), wave(t, seed.Annotations), wave(t, web.Annotations), wave(t, a.deployment(t, "worker").Annotations)}
	for i := range order[1:] {
		if order[i] >= order[i+1] {
			t.Errorf("waves %v", order)
		}
	}
	c := migrate.Spec.Template.Spec.Containers[0]
	env := map[string]bool{}
	for _, e := range c.Env {
		env[e.Name] = true
	}
	if c.Image != "web" || !env["MODE"] || !env["STEP"] || !env["DB_PASSWORD"] || len(c.VolumeMounts) != 1 {
		t.Errorf("migrate: %+v", c)
	}
	if waits(migrate.Spec.Template)["wait-for-db"] == "" || migrate.Spec.Template.Labels["catalyst.dev/service"] == "web" {
		t.Errorf("migrate: %+v", migrate.Spec.Template)
	}
	init := web.Spec.Template.Spec.InitContainers
	last := init[len(init)-1]
	if last.Name != "web-pre-start-1" || last.Image != "busybox:1" || *last.SecurityContext.RunAsUser != 0 || last.VolumeMounts[0].MountPath != "/data" {
		t.Errorf("init containers %+v", init)
	}
	if len(seed.Spec.Template.Spec.Containers[0].VolumeMounts) != 2 {
		t.Errorf("seed: %+v", seed.Spec.Template.Spec.Containers[0])
	}
}

func TestPlatforms(t *testing.T) {
	for platform, want := range map[string]map[string]string{
		"linux/amd64": {"kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"}, "linux": {"kubernetes.io/os": "linux"},
		"x86_64": {"kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"}, "wasi/wasm32": nil,
	} {
		a := translate(t, "services: {a: {image: x, platform: "+platform+"}}", nil, nil)
		if diff := cmp.Diff(want, a.deployment(t, "a").Spec.Template.Spec.NodeSelector); diff != "" {
			t.Errorf("%s: %s", platform, diff)
		}
	}
}

// A secret of the store in a command is a reference that the kubelet expands.
func TestSecretInACommand(t *testing.T) {
	a := translate(t, "services: {a: {image: x, command: [run, '--token=${TOKEN}', '$$(date)']}}", nil, func(in *compose.Input) { in.SecretNames = []string{"TOKEN"} })
	c := a.container(t, "a")
	if got := strings.Join(c.Args, " "); got != "run --token=$(TOKEN) $$(date)" || len(c.Env) != 1 || c.Env[0].ValueFrom.SecretKeyRef.Name != compose.SecretsName {
		t.Errorf("args %s, env %v", got, c.Env)
	}
}

// What ends at once, such as the containers that are there for their volumes, would be restarted for ever.
func TestServicesThatEndAtOnceAreJobs(t *testing.T) {
	for service, once := range map[string]bool{
		"image: busybox, command: 'true'":                        true,
		"image: busybox, command: /bin/true":                     true,
		"image: alpine, command: echo hello":                     true,
		"image: alpine, command: [sh, -c, 'echo done']":          true,
		"image: hello-world":                                     true,
		"image: alpine, command: 'true', restart: always":        false,
		"image: alpine, command: [sh, -c, 'echo x; serve']":      false,
		"image: alpine, command: echo hello, ports: ['80:80']":   false,
		"image: alpine, entrypoint: [serve], command: [echo, x]": false,
	} {
		t.Run(service, func(t *testing.T) {
			a := translate(t, "services: {data: {"+service+"}}\n", nil, nil)
			if got := a.deployments["data"] == nil; got != once {
				t.Errorf("a job: %t, want %t", got, once)
			}
		})
	}
}

func TestDependentsComeAfterWhatEndsAtOnce(t *testing.T) {
	a := translate(t, "services:\n  data: {image: busybox, command: 'true', volumes: [/d]}\n  web: {image: x, volumes_from: [data]}\n", nil, nil)
	const wave = "argocd.argoproj.io/sync-wave"
	if job, web := a.job(t, "data").Annotations[wave], a.deployment(t, "web").Annotations[wave]; job != "0" || web != "1" {
		t.Errorf("waves %s and %s, want 0 and 1", job, web)
	}
}
