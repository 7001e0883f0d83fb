package compose_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"catalyst.dev/catalyst/render/compose"
	"catalyst.dev/catalyst/render/manifest"
	"catalyst.dev/catalyst/test/corpus"
)

// inFolder is for an application that lies in a folder.
func inFolder(in *compose.Input) { in.Path = "app" }

func TestCorpusLoads(t *testing.T) {
	folders, err := filepath.Glob(filepath.Join(corpus.Path(t, "corpus/compose"), "*"))
	if err != nil || len(folders) == 0 {
		t.Fatalf("no applications in the corpus: %v", err)
	}
	for _, folder := range folders {
		t.Run(filepath.Base(folder), func(t *testing.T) {
			out, err := compose.Render(t.Context(), compose.Input{Source: os.DirFS(folder), Path: ".", ProjectName: "acme-shop-pr-1",
				Host: "acme-shop-pr-1.catalyst.localhost", BuildImage: func(service string) string { return "registry.localhost/" + service + ":1" }})
			refused := map[string]bool{"portainer": true, "traefik-golang": true, "wireguard": true, "pihole-cloudflared-DoH": true}
			if (err != nil) != refused[filepath.Base(folder)] {
				t.Errorf("Render() = %v", err)
			}
			if err == nil && len(out.Objects) == 0 {
				t.Error("Render() made no objects")
			}
		})
	}
}

func TestHostileInputIsRefused(t *testing.T) {
	t.Setenv("HOST_CANARY", "leaked-canary")
	service := "services:\n  web:\n    image: nginx\n"
	tests := []struct {
		name, text, want string
	}{
		{"env_file absolute", service + "    env_file: /etc/passwd\n", "is absolute"},
		{"env_file outside", service + "    env_file: [{path: ../../x}]\n", "leaves the repository"},
		{"env_file home", service + "    env_file: ~/x\n", "is absolute"},
		{"env_file by variable", service + "    env_file: ${X:-/etc/passwd}\n", "is absolute"},
		{"label_file", service + "    label_file: /etc/passwd\n", "is absolute"},
		{"include absolute", "include: [/etc/x.yaml]\n" + service, "is absolute"},
		{"include outside", "include: [{path: ../../x.yaml}]\n" + service, "leaves the repository"},
		{"include git", "include: [git@github.com:a/b.git]\n" + service, "is remote"},
		{"include oci", "include: ['oci://registry.example/a']\n" + service, "is remote"},
		{"include env_file", "include: [{path: other.yaml, env_file: /etc/passwd}]\n" + service, "is absolute"},
		{"include cycle", "include: [compose.yaml]\n" + service, "include cycle"},
		{"extends", "services:\n  web:\n    extends: {file: /etc/x.yaml, service: a}\n", "is absolute"},
		{"extends outside", "services:\n  web:\n    extends: {file: ../../x.yaml, service: a}\n", "leaves the repository"},
		{"config", service + "configs: {a: {file: /etc/passwd}}\n", "is absolute"},
		{"secret home", service + "secrets: {a: {file: ~/x}}\n", "is absolute"},
		{"build context", "services: {web: {build: ../..}}\n", "leaves the repository"},
		{"build remote", "services: {web: {build: {context: 'https://example.com/x.git'}}}\n", "is remote"},
		{"dockerfile", "services: {web: {build: {context: ., dockerfile: ../../x}}}\n", "leaves the repository"},
		{"bind outside", service + "    volumes: ['../../x:/x']\n", "leaves the repository"},
		{"port explosion", service + "    ports: ['1-65535:1-65535']\n", "more than 1000 ports"},
		{"port explosion by variable", service + "    ports: ['${P:-1-65535:1-65535}']\n", "more than 1000 ports"},
		{"port explosion included", "include: [other.yaml]\n" + service, "more than 1000 ports"},
		{"nesting", service + "    hostname: '" + strings.Repeat("${A:-", 65) + strings.Repeat("}", 65) + "'\n", "nested deeper"},
		{"missing variables", service + "    hostname: ${A:?} ${B:?}\n    domainname: ${C:?why}\n", "A, C (why)"},
		{"process environment", service + "    hostname: ${HOST_CANARY:?}\n", "HOST_CANARY"},
		{"empty", "", "not"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := tryApp(t, map[string]string{"app/compose.yaml": tt.text, "app/other.yaml": "services: {db: {image: x, ports: ['1-65535:1-65535']}}\n"}, inFolder)
			var p *manifest.Problem
			if !errors.As(err, &p) {
				t.Fatalf("Render() = %v, want a Problem", err)
			}
			if !strings.Contains(err.Error(), tt.want) || p.Remedy == "" {
				t.Errorf("Render() = %q, want %q and a remedy", err, tt.want)
			}
			if strings.Contains(err.Error(), "leaked-canary") {
				t.Errorf("Render() = %q, leaks the process environment", err)
			}
		})
	}
}

func TestFilesOfTheSourceLoad(t *testing.T) {
	files := map[string]string{
		"app/compose.yaml": "include: [sub/db.yaml]\nx-base: &base\n  restart: always\nservices:\n  web:\n    <<: *base\n    extends: {file: ../common/base.yaml, service: web}\n    environment: {PRICE: $$5, PORT: '${PORT}'}\n    depends_on: [db]\n",
		"app/.env":         "PORT=8000\n",
		"app/sub/db.yaml":  "services: {db: {image: 'postgres:${TAG}'}}\n",
		"app/sub/.env":     "TAG=17\n",
		"common/base.yaml": "services:\n  root: {image: nginx, env_file: web.env}\n  web: {extends: root, ports: ['80:80']}\n",
		"common/web.env":   "A=b\n",
	}
	renderApp(t, files, inFolder)
}

// The text of block scalars is the command that runs: it must come through as YAML gives it.
func TestBlockTextIsKept(t *testing.T) {
	tests := []struct{ name, yaml, want string }{
		{"folded with indented lines", ">\n      sh -c '\n        until ready; do\n          sleep 2;\n        done'\n", "\n  until ready; do\n    sleep 2;\n  done"},
		{"folded", ">\n      sh -c 'one\n      two'\n", "one two"},
		{"literal with a tab first", "|\n      sh -c '\n      \ttab\n        two'\n", "\n\ttab\n  two"},
		{"plain over paragraphs", "sh -c 'one\n\n      two'\n", "one\ntwo"},
		{"quoted", "\"sh -c '\\n\\tone'\"\n", "\n\tone"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			app := translate(t, "services:\n  web:\n    image: busybox\n    command: "+tt.yaml, nil, nil)
			if diff := cmp.Diff([]string{"sh", "-c", tt.want}, app.container(t, "web").Args); diff != "" {
				t.Error(diff)
			}
		})
	}
}
