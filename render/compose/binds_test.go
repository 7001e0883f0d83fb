package compose_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"catalyst.dev/catalyst/render/compose"
)

func TestBindsOfRepositoryFiles(t *testing.T) {
	app := renderApp(t, map[string]string{
		"compose.yaml": `
services:
  proxy:
    image: nginx:1.29
    volumes:
      - ./nginx/nginx.conf:/etc/nginx/nginx.conf:ro,z
      - ./nginx/conf.d:/etc/nginx/conf.d:Z
      - type: bind
        source: nginx/logo.png
        target: /usr/share/nginx/html/logo.png
      - ./nginx/entrypoint.sh:/docker-entrypoint.d/40-app.sh
      - $PWD/nginx/mime.types:/etc/nginx/mime.types
  db:
    image: postgres:17
    volumes: [./initdb:/docker-entrypoint-initdb.d]
  grafana:
    image: grafana/grafana
    volumes:
      - ./grafana/provisioning:/etc/grafana/provisioning
      - ./grafana/dashboards:/var/lib/grafana/dashboards
  keycloak:
    image: quay.io/keycloak/keycloak
    command: start-dev --import-realm
    volumes: [./realm.json:/opt/keycloak/data/import/realm.json]
`,
		"nginx/nginx.conf":                                "events {}",
		"nginx/mime.types":                                "types {}",
		"nginx/conf.d/default.conf":                       "server {}",
		"nginx/conf.d/.gitkeep":                           "",
		"nginx/logo.png":                                  "\x89PNG\xff",
		"nginx/entrypoint.sh*":                            "#!/bin/sh\n",
		"initdb/01-schema.sql":                            "create table a ();",
		"initdb/02-seed.sh*":                              "#!/bin/sh\n",
		"grafana/provisioning/datasources/prometheus.yml": "apiVersion: 1",
		"grafana/provisioning/dashboards/all.yml":         "apiVersion: 1",
		"grafana/provisioning/alerting":                   "-> dashboards",
		"grafana/dashboards/node.json":                    "{}",
		"realm.json":                                      `{"realm": "shop"}`,
	}, nil)
	tests := []struct {
		service, target, subPath string
		want                     map[string]string
	}{
		{"proxy", "/etc/nginx/nginx.conf", "nginx.conf", map[string]string{"nginx.conf": "events {}"}},
		{"proxy", "/etc/nginx/conf.d", "", map[string]string{"default.conf": "server {}", ".gitkeep": ""}},
		{"proxy", "/usr/share/nginx/html/logo.png", "logo.png", map[string]string{"logo.png": "\x89PNG\xff"}},
		{"proxy", "/docker-entrypoint.d/40-app.sh", "entrypoint.sh", map[string]string{"entrypoint.sh": "#!/bin/sh\n"}},
		{"proxy", "/etc/nginx/mime.types", "mime.types", map[string]string{"mime.types": "types {}"}},
		{"db", "/docker-entrypoint-initdb.d", "", map[string]string{"01-schema.sql": "create table a ();", "02-seed.sh": "#!/bin/sh\n"}},
		{"grafana", "/etc/grafana/provisioning", "", map[string]string{"datasources/prometheus.yml": "apiVersion: 1",
			"dashboards/all.yml": "apiVersion: 1", "alerting/all.yml": "apiVersion: 1"}},
		{"grafana", "/var/lib/grafana/dashboards", "", map[string]string{"node.json": "{}"}},
		{"keycloak", "/opt/keycloak/data/import/realm.json", "realm.json", map[string]string{"realm.json": `{"realm": "shop"}`}},
	}
	for _, tt := range tests {
		t.Run(tt.target, func(t *testing.T) {
			m, v := mounted(t, app.pod(t, tt.service), tt.target)
			if diff := cmp.Diff(tt.want, app.files(t, v)); diff != "" {
				t.Errorf("files:\n%s", diff)
			}
			if m.SubPath != tt.subPath {
				t.Errorf("subPath is %q, want %q", m.SubPath, tt.subPath)
			}
		})
	}
	for target, file := range map[string]string{"/docker-entrypoint.d/40-app.sh": "entrypoint.sh"} {
		_, v := mounted(t, app.pod(t, "proxy"), target)
		if mode := modes(v)[file]; mode != 0o755 {
			t.Errorf("%s has mode %o", target, mode)
		}
	}
	_, v := mounted(t, app.pod(t, "db"), "/docker-entrypoint-initdb.d")
	if diff := cmp.Diff(map[string]int32{"01-schema.sql": 0, "02-seed.sh": 0o755}, modes(v)); diff != "" {
		t.Errorf("modes of initdb:\n%s", diff)
	}
	if len(app.names("PersistentVolumeClaim")) != 0 {
		t.Errorf("claims %v, want none", app.names("PersistentVolumeClaim"))
	}
}

func modes(v corev1.Volume) map[string]int32 {
	out := map[string]int32{}
	for _, item := range v.ConfigMap.Items {
		if out[item.Path] = 0; item.Mode != nil {
			out[item.Path] = *item.Mode
		}
	}
	return out
}

// What is mounted inside a folder of files needs its place in it, since the folder is read-only.
func TestMountsInsideAFolderOfFiles(t *testing.T) {
	app := renderApp(t, map[string]string{
		"compose.yaml": `
services:
  prometheus:
    image: prom/prometheus
    configs: [{source: targets, target: /etc/prometheus/targets/a.json}]
    tmpfs: [/etc/prometheus/tmp]
    volumes:
      - ./rules/rules.yml:/etc/prometheus/rules.yml:ro
      - ./prometheus:/etc/prometheus
      - data:/etc/prometheus/data/tsdb
      - ./consoles:/etc/prometheus/consoles
configs: {targets: {content: "[]"}}
volumes: {data: }
`,
		"prometheus/prometheus.yml": "global: {}", "prometheus/consoles/index.html": "", "rules/rules.yml": "groups: []", "consoles/a.html": "a",
	}, nil)
	_, v := mounted(t, app.pod(t, "prometheus"), "/etc/prometheus")
	want := map[string]string{"prometheus.yml": "global: {}", "consoles/index.html": "", "rules.yml": "", "data/tsdb/.mountpoint": "",
		"targets/a.json": "", "tmp/.mountpoint": ""}
	if diff := cmp.Diff(want, app.files(t, v)); diff != "" {
		t.Errorf("files:\n%s", diff)
	}
}

func TestLargeFolders(t *testing.T) {
	files := map[string]string{"compose.yaml": "services: {web: {image: nginx, volumes: ['./html:/usr/share/nginx/html']}}\n"}
	for _, name := range []string{"a", "b", "c", "d"} {
		files["html/img/"+name+".bin"] = strings.Repeat("\xff", 700<<10)
	}
	app := renderApp(t, files, nil)
	_, v := mounted(t, app.pod(t, "web"), "/usr/share/nginx/html")
	if v.Projected == nil || len(v.Projected.Sources) != 4 || len(app.files(t, v)) != 4 {
		t.Fatalf("the volume is %+v, want one of 4 ConfigMaps", v)
	}

	files["html/img/e.bin"] = strings.Repeat("\xff", 700<<10)
	_, err := tryApp(t, files, nil)
	wantProblem(t, err, "services.web.volumes[0]: with html/img/e.bin the folder has more than 4 MiB or 500 files")

	app = renderApp(t, files, cloned)
	if m, _ := mounted(t, app.pod(t, "web"), "/usr/share/nginx/html"); m.SubPath != "tree/html" || !app.reported("web", "", "cloned from the repository at each start") {
		t.Errorf("web has %+v, want the folder of a clone", m)
	}

	files = map[string]string{"compose.yaml": "services: {web: {image: nginx, volumes: ['./big.bin:/big.bin']}}\n", "big.bin": strings.Repeat("\xff", 900<<10)}
	_, err = tryApp(t, files, nil)
	wantProblem(t, err, "big.bin has 900 KiB")
	app = renderApp(t, files, cloned)
	if m, _ := mounted(t, app.pod(t, "web"), "/big.bin"); m.SubPath != "tree/big.bin" {
		t.Errorf("web has %+v, want the file of a clone", m)
	}
}

func cloned(in *compose.Input) {
	in.RepositoryURL, in.CommitSHA = "https://github.com/acme/shop", strings.Repeat("a1", 20)
}

func TestBindsOfWhatIsNotInTheRepository(t *testing.T) {
	app := renderApp(t, map[string]string{
		"data/empty/.gitkeep": "",
		"compose.yaml": `
services:
  db: {image: postgres, volumes: ["./data/db:/var/lib/postgresql/data"]}
  game: {image: itzg/minecraft-server, environment: [HOME, "PWD=${PWD}"], volumes: ["~/minecraft:/data", "${HOME}/mods:/mods"]}
  web: {image: example/web, volumes: ["./uploads:/uploads", "./data/empty:/empty"]}
  worker: {image: example/worker, volumes: ["./uploads:/uploads:ro"]}
`}, nil)
	if got := app.names("PersistentVolumeClaim"); len(got) != 5 {
		t.Fatalf("claims are %v, want 5", got)
	}
	_, web := mounted(t, app.pod(t, "web"), "/uploads")
	_, worker := mounted(t, app.pod(t, "worker"), "/uploads")
	if diff := cmp.Diff(web, worker); diff != "" || !strings.HasPrefix(web.PersistentVolumeClaim.ClaimName, "uploads-") {
		t.Errorf("web and worker do not share the folder:\n%s", diff)
	}
	if app.pod(t, "worker").Affinity == nil || app.pod(t, "db").Affinity != nil {
		t.Error("web and worker, and no others, must run on one node")
	}
	if env := app.pod(t, "game").Containers[0].Env; len(env) != 1 || env[0].Name != "PWD" || env[0].Value != "" {
		t.Errorf("game has the variables %v: a shell's are for paths only", env)
	}
	if !app.reported("game", "", "somebody's home") || !app.reported("db", "", "data/db is not in the repository") {
		t.Errorf("the report is %v", app.report.Findings)
	}
}

// A folder in the place of a file would break who reads it.
func TestFilesOfSomebodysHomeAreLeftOut(t *testing.T) {
	for source, folder := range map[string]bool{"~/.gitconfig": false, "~/.npmrc": false, "~/.kube/config": false, "~/.ssh/id_rsa": false, "~/.docker/config.json": false,
		"~/.ssh": true, "~/.aws": true, "$HOME/.m2": true, "$HOME/.pgpass": false, "~/.config": true} {
		t.Run(source, func(t *testing.T) {
			app := renderApp(t, map[string]string{"compose.yaml": "services: {web: {image: example/web, volumes: ['" + source + ":/mounted']}}\n"}, nil)
			if got := len(app.pod(t, "web").Containers[0].VolumeMounts) == 1; got != folder || !app.reported("web", "", "somebody's home") {
				t.Errorf("mounted: %t, want %t; the report is %v", got, folder, app.report.Findings)
			}
		})
	}
}

func TestDevicesThatContainersHaveAreLeftOut(t *testing.T) {
	app := renderApp(t, map[string]string{"compose.yaml": "services: {web: {image: metabase/metabase, volumes: ['/dev/urandom:/dev/random:ro']}}\n"}, nil)
	if mounts := app.pod(t, "web").Containers[0].VolumeMounts; len(mounts) > 0 || !app.reported("web", "", "pods have their own") {
		t.Errorf("mounts are %v, the report %v", mounts, app.report.Findings)
	}
}

func TestHostPaths(t *testing.T) {
	const remedy = "spec.policy.exceptions with podSecurity: privileged"
	tests := []struct {
		name, mount, want, path string
		kind                    corev1.HostPathType
	}{
		{"folder", "/srv/data:/data", "/srv/data is a path of the host", "/srv/data", corev1.HostPathDirectoryOrCreate},
		{"file", "/etc/ssl/cert.pem:/cert.pem:ro", "is a path of the host", "/etc/ssl/cert.pem", corev1.HostPathUnset},
		{"root", "/:/host:ro", "is a path of the host", "/", corev1.HostPathDirectoryOrCreate},
		{"socket", "/var/run/docker.sock:/var/run/docker.sock", "the socket of the container engine", "/var/run/docker.sock", corev1.HostPathSocket},
		{"socket by another way", "/var/../run//docker.sock:/s", "the socket of the container engine", "/run/docker.sock", corev1.HostPathSocket},
		{"socket by a variable", "${SOCK:-/var/run/docker.sock}:/s", "the socket of the container engine", "/var/run/docker.sock", corev1.HostPathSocket},
		{"socket of podman", "/run/user/1000/podman/podman.sock:/s", "the socket of the container engine", "/run/user/1000/podman/podman.sock", corev1.HostPathSocket},
		{"long", "{type: bind, source: /var/run/docker.sock, target: /s}", "the socket of the container engine", "/var/run/docker.sock", corev1.HostPathSocket},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			mount := tt.mount
			if !strings.HasPrefix(mount, "{") {
				mount = "'" + mount + "'"
			}
			files := map[string]string{"compose.yaml": "services: {web: {image: 'example/web', volumes: [" + mount + "]}}\n"}
			_, err := tryApp(t, files, nil)
			wantProblem(t, err, tt.want)
			wantProblem(t, err, remedy)
			app := renderApp(t, files, func(in *compose.Input) { in.Privileged = true })
			v := app.pod(t, "web").Volumes[0]
			if v.HostPath == nil || v.HostPath.Path != tt.path || *v.HostPath.Type != tt.kind {
				t.Errorf("the volume is %+v, want the host's %s", v.HostPath, tt.path)
			}
		})
	}
	for _, mount := range []string{"~/.docker/run/docker.sock:/s", `\\\\.\\pipe\\docker_engine:\\\\.\\pipe\\docker_engine`, `C:\\data:/data`, `C:/data:/data`} {
		t.Run(mount, func(t *testing.T) {
			_, err := tryApp(t, map[string]string{"compose.yaml": "services: {web: {image: 'example/web', volumes: [\"" + mount + "\"]}}\n"},
				func(in *compose.Input) { in.Privileged = true })
			wantProblem(t, err, "services.web")
		})
	}
}

func TestBindsThatAreLeftOut(t *testing.T) {
	app := renderApp(t, map[string]string{
		"compose.yaml": `
services:
  web:
    build: .
    volumes:
      - .:/app
      - /app/node_modules
      - /etc/localtime:/etc/localtime:ro
      - /usr/share/zoneinfo/Europe/Berlin:/etc/timezone:ro
      - ./frontend/node_modules:/app/frontend/node_modules
      - ./conf:/etc/web
  worker: {image: example/web, volumes: ["/etc/timezone:/etc/timezone"]}
`,
		"Dockerfile": "FROM node:22\nWORKDIR /app\nCOPY package.json \\\n  ./\nCOPY --chown=node . .\n", "package.json": "{}", "conf/web.conf": "a",
	}, nil)
	pod := app.pod(t, "web")
	if len(pod.Containers[0].VolumeMounts) != 1 || !isMounted(pod, "/etc/web") {
		t.Errorf("web has %+v, want what the image does not hold", pod.Containers[0].VolumeMounts)
	}
	for _, text := range []string{"volumes[0]: . is source code: the built image holds it", "volumes[1]: /app/node_modules is the image's own folder", "volumes[2]: pods run in UTC", "volumes[3]: pods run in UTC", "volumes[4]: frontend/node_modules is not"} {
		if !app.reported("web", "", text) {
			t.Errorf("the report %v lacks %q", app.report.Findings, text)
		}
	}
}

// Where the repository does not hold what an image is built from, it does not hold its code either.
func TestBindsOfCodeOfAnotherSource(t *testing.T) {
	app := renderApp(t, map[string]string{"compose.yaml": `
services:
  web: {build: web, volumes: ["./web:/app", /app/node_modules, "./web/package.json:/app/package.json"]}
  api: {build: {context: api, dockerfile: dev.Dockerfile}, volumes: ["./api/src:/app/src"]}
  tool: {build: tool, volumes: ["./tool/uploads:/uploads", "./tool/app.db:/app.db", "./tool:/tool"]}
`, "tool/Dockerfile": "FROM alpine\nCOPY . /tool\n"}, development)
	for _, service := range []string{"web", "api"} {
		if got := app.pod(t, service).Containers[0].VolumeMounts; len(got) != 0 || !app.reported(service, "", "the built image holds it") {
			t.Errorf("%s has %+v, want the image's own code", service, got)
		}
	}
	tool := app.pod(t, "tool")
	if _, v := mounted(t, tool, "/uploads"); v.PersistentVolumeClaim == nil || isMounted(tool, "/app.db") || !isMounted(tool, "/tool") {
		t.Errorf("tool has %+v, want a volume for data, its code, and nothing for a file", tool.Containers[0].VolumeMounts)
	}
	if !app.reported("tool", "", "looks like a file") {
		t.Errorf("the report is %v", app.report.Findings)
	}
}

func TestBadBinds(t *testing.T) {
	many := strings.TrimSuffix(strings.Repeat("./conf:/x,", 201), ",")
	for i := strings.Count(many, "/x,"); i > 0; i-- {
		many = strings.Replace(many, "/x,", fmt.Sprintf("/y%d,", i), 1)
	}
	tests := []struct{ name, volume, want string }{
		{"many", many, "201 mounts, more than 200"},
		{"root", "./conf:/", "not a path that can be mounted"},
		{"relative", "./conf:conf", "not a path that can be mounted"},
		{"colon", "{type: bind, source: ./conf, target: '/a:b'}", "not a path that can be mounted"},
		{"must exist", "{type: bind, source: ./none, target: /a, bind: {create_host_path: false}}", "create_host_path is false"},
		{"two dots", "./dots:/dots", "two dots at its start"},
		{"loop", "./loop:/loop", "nested deeper than 32 folders"},
		{"npipe", "{type: npipe, source: 'x', target: /a}", "Windows"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := tryApp(t, map[string]string{"conf/a": "a", "dots/..data": "a", "loop/again": "-> .", "loop/a": "a",
				"compose.yaml": "services: {web: {image: 'example/web', volumes: [" + tt.volume + "]}}\n"}, nil)
			wantProblem(t, err, tt.want)
		})
	}
}

func TestTheLastBindOfATargetWins(t *testing.T) {
	app := renderApp(t, map[string]string{
		"compose.yaml":          "services: {web: {image: nginx, volumes: ['./a.conf:/etc/a.conf']}}\n",
		"compose.override.yaml": "services: {web: {volumes: ['./b.conf:/etc/a.conf/']}}\n",
		"a.conf":                "a", "b.conf": "b",
	}, nil)
	_, v := mounted(t, app.pod(t, "web"), "/etc/a.conf")
	if diff := cmp.Diff(map[string]string{"b.conf": "b"}, app.files(t, v)); diff != "" {
		t.Error(diff)
	}
}
