//go:build linux

package test

import (
	"fmt"
	"strings"
)

// application is a project with one repository, and what its main branch holds.
type application struct {
	team, name string
	kind, path string
	files      map[string]string
}

func (a application) repository() string { return a.team + "/" + a.name }

// environment is the key of a pull request's environment.
func (a application) environment(number int) string {
	return fmt.Sprintf("%s/%s/pr-%d", a.team, a.name, number)
}

func chartFiles(template string) map[string]string {
	return map[string]string{"app/Chart.yaml": "apiVersion: v2\nname: app\nversion: 1.0.0\n", "app/templates/a.yaml": template}
}

// goodApplications are of each kind.
func goodApplications() []application {
	return []application{
		{team: "acme", name: "good-manifest", kind: "manifest", path: "a.yaml", files: map[string]string{"a.yaml": goodMap}},
		{team: "acme", name: "good-helm", kind: "helm", path: "app", files: chartFiles(goodMap)},
		{team: "acme", name: "good-kustomize", kind: "kustomize", path: "overlay", files: map[string]string{
			"base/a.yaml": goodMap, "base/kustomization.yaml": "resources: [a.yaml]\n",
			"overlay/kustomization.yaml": "resources: [../base]\nnamePrefix: preview-\n"}},
		{team: "acme", name: "good-compose", kind: "docker-compose", path: "compose.yaml", files: map[string]string{
			"compose.yaml": "services:\n  web: {image: \"nginx:1\", ports: [\"8080:80\"]}\n"}},
	}
}

// badApplication is one whose pull requests fail, and what the outcome must say.
type badApplication struct {
	application
	want []string
}

func badApplications() []badApplication {
	bomb := "a0: &a0 [x,x,x,x,x,x,x,x,x]\n"
	for i := range 8 {
		alias := fmt.Sprintf("*a%d", i)
		bomb += fmt.Sprintf("a%d: &a%d [%s]\n", i+1, i+1, strings.Join([]string{alias, alias, alias, alias, alias, alias, alias, alias, alias}, ","))
	}
	endless := `{{ range until 100000 }}{{ range until 100000 }}{{ range until 100000 }}{{ end }}{{ end }}{{ end }}`
	recursion := "{{ define \"a\" }}{{ tpl \"{{ include \\\"a\\\" . }}\" . }}{{ end }}{{ include \"a\" . }}\n"
	bad := func(name, kind, path string, files map[string]string, want ...string) badApplication {
		return badApplication{application{team: "acme", name: name, kind: kind, path: path, files: files}, want}
	}
	return []badApplication{
		bad("path-missing", "manifest", "nowhere", map[string]string{"a.yaml": goodMap},
			"project.yaml", "spec.templates[development].path", "nowhere", "(correct the path"),
		bad("chart-broken", "helm", "app", chartFiles("{{ if }}"), "app/templates/a.yaml", "("),
		bad("alias-bomb", "manifest", "bomb.yaml", map[string]string{"bomb.yaml": bomb}, "bomb.yaml", "alias", "("),
		// It ends at the stack's limit, or on a slow machine at the time's: both say what to look for.
		bad("recursion", "helm", "app", chartFiles(recursion), "without end", "(look for a "),
		bad("endless", "helm", "app", chartFiles(endless), "longer than 3s", "spec.render.timeout in catalyst.yaml"),
		bad("compose-ports", "docker-compose", "compose.yaml", map[string]string{
			"compose.yaml": "services:\n  web:\n    image: nginx\n    ports: [\"1-65535:1-65535\", \"1-65535:1-65535/udp\"]\n"},
			"compose.yaml", "ports", "("),
		bad("remote-base", "kustomize", ".", map[string]string{
			"kustomization.yaml": "resources:\n  - https://example.com/base?ref=main\n"},
			"kustomization.yaml", "resources", "remote", "("),
	}
}
