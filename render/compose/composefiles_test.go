package compose_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"catalyst.dev/catalyst/render/compose"
)

func TestSeveralComposeFiles(t *testing.T) {
	files := map[string]string{
		"compose.yaml": `
version: "3.8"
x-common: &common
  environment: &env {A: base, B: base}
services:
  web:
    <<: *common
    image: nginx
    command: [base]
    ports: ["80:80", "81:81"]
    labels: {own: label}
    label_file: web.labels
  gone: {image: x}
  debug: {image: x, profiles: [debug]}
`,
		"compose.override.yaml": `
services:
  web:
    image: nginx:2
    environment: {B: over}
    ports: !override ["90:90"]
    command: !reset null
  gone: !reset null
`,
		"web.labels": "own=file\nfrom.file=yes\n",
	}
	a := renderApp(t, files, nil)
	d := a.deployment(t, "web")
	c := d.Spec.Template.Spec.Containers[0]
	if c.Image != "nginx:2" || len(c.Args) != 0 || variable(c, "A") != "base" || variable(c, "B") != "over" {
		t.Errorf("the container is %+v", c)
	}
	if len(c.Ports) != 1 || c.Ports[0].ContainerPort != 90 {
		t.Errorf("ports: %v", c.Ports)
	}
	if diff := cmp.Diff(map[string]string{"own": "label", "from.file": "yes"}, d.Spec.Template.Annotations); diff != "" {
		t.Error(diff)
	}
	if a.objects["Deployment/gone"] != nil || a.objects["Deployment/debug"] != nil {
		t.Error("a service that was reset, or is in no profile, was rendered")
	}
}

func TestVariablesOfComposeItself(t *testing.T) {
	files := map[string]string{
		".env":         "COMPOSE_FILE=base.yaml:sub/extra.yaml\nCOMPOSE_PROFILES=debug, x\n",
		"compose.yaml": "services: {unused: {image: x}}\n", "base.yaml": "services: {web: {image: x}}\n",
		"sub/extra.yaml": "services: {web: {image: y}, debug: {image: z, profiles: [debug]}}\n",
	}
	a := renderApp(t, files, nil)
	if a.container(t, "web").Image != "y" || a.objects["Deployment/debug"] == nil || a.objects["Deployment/unused"] != nil {
		t.Errorf("rendered %v", a.objects)
	}
	a = renderApp(t, files, func(in *compose.Input) { in.Values = map[string]any{"profiles": []any{}} })
	if a.objects["Deployment/debug"] != nil {
		t.Error("values.profiles does not win over COMPOSE_PROFILES")
	}
	files[".env"] = "COMPOSE_FILE=../x.yaml\n"
	if _, err := tryApp(t, files, nil); err == nil || !strings.Contains(err.Error(), "COMPOSE_FILE") || !strings.Contains(err.Error(), "leaves the repository") {
		t.Errorf("a file outside: %v", err)
	}
}

func TestIncludeAndExtends(t *testing.T) {
	files := map[string]string{
		"compose.yaml": `
include:
  - short.yaml
  - {path: [long/a.yaml, long/b.yaml], project_directory: long, env_file: long/my.env}
services:
  web: {extends: {file: common/base.yaml, service: web}, environment: {B: own}}
  copy: {extends: web, image: copied}
`,
		"short.yaml":       "services: {short: {image: x}}\n",
		"long/a.yaml":      "services: {long: {image: 'x:${TAG}', env_file: long.env}}\n",
		"long/b.yaml":      "services: {long: {command: [b]}}\n",
		"long/my.env":      "TAG=7\n",
		"long/long.env":    "FROM=long\n",
		"common/base.yaml": "services: {web: {image: base, env_file: web.env, environment: {A: base, B: base}}}\n",
		"common/web.env":   "C=file\n",
	}
	a := renderApp(t, files, nil)
	long, web, cp := a.container(t, "long"), a.container(t, "web"), a.container(t, "copy")
	got := []string{a.container(t, "short").Image, long.Image, long.Args[0], variable(long, "FROM"), web.Image, variable(web, "A"), variable(web, "B"),
		variable(web, "C"), cp.Image, variable(cp, "C")}
	if diff := cmp.Diff([]string{"x", "x:7", "b", "long", "base", "base", "own", "file", "copied", "file"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestFaultsAreNamed(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"version 1", "web: {image: x}\ndb: {image: y}\n", "compose.yaml: web: services: a file of Compose's version 1"},
		{"misspelt key", "services: {web: {image: x, helthcheck: {}}}\n", "services.web.helthcheck: Compose knows no such key (did you mean healthcheck?)"},
		{"unknown top-level key", "services: {web: {image: x}}\nvolume: {}\n", "volume: Compose knows no such key (did you mean volumes?)"},
		{"two faults in two services", "services: {b: {image: [1]}, a: {image: [1]}, c: {image: x}}\n", "services.a.image must be a string"},
		{"two faults in one service", "services: {a: {image: x, user: [], tty: {}, init: 'perhaps', dns: {}}}\n", "services.a.dns"},
		{"undefined network", "services: {b: {image: x, networks: [n]}, a: {image: x, networks: [m]}}\n", `service "a" refers to undefined network m`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for range 20 { // compose-go ranges over maps
				_, err := tryApp(t, map[string]string{"compose.yaml": tt.text}, nil)
				if err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Fatalf("Render() = %v, want %q", err, tt.want)
				}
			}
		})
	}
}
