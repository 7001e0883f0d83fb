package kustomize_test

import (
	"errors"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"catalyst.dev/catalyst/render/kustomize"
	"catalyst.dev/catalyst/render/manifest"
)

const deployment = `apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec: {template: {spec: {containers: [{name: web, image: "web:1"}]}}}
`

func tree(files map[string]string) fs.FS {
	m := fstest.MapFS{}
	for name, text := range files {
		m[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return m
}

func TestRenderOverlay(t *testing.T) {
	source := tree(map[string]string{
		"base/kustomization.yaml": "resources: [web.yaml]\nsecretGenerator: [{name: s, literals: [a=b]}]\n",
		"base/web.yaml":           deployment,
		"over/kustomization.yaml": "resources: [../base]\nnamePrefix: x-\n",
	})
	objs, err := kustomize.Render(t.Context(), kustomize.Input{Source: source, Path: "over",
		Images: []kustomize.Image{{Name: "web", NewName: "reg/web", NewTag: "2"}}})
	if err != nil {
		t.Fatal(err)
	}
	if len(objs) != 2 {
		t.Fatalf("got %d objects, want 2", len(objs))
	}
	text, err := objs[0].MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), "reg/web:2") || objs[0].GetName() != "x-web" {
		t.Errorf("got %s", text)
	}
}

// A kustomization's own OpenAPI schema holds for its build alone.
func TestSchemaDoesNotStay(t *testing.T) {
	files := map[string]string{
		"plain/kustomization.yaml": "resources: [d.yaml]\npatches: [{path: p.yaml}]\n",
		"own/kustomization.yaml":   "openapi: {path: schema.json}\nresources: [d.yaml]\npatches: [{path: p.yaml}]\n",
		// Without the merge key of containers, a patch replaces the list.
		"own/schema.json": `{"definitions": {"x.Deployment": {"type": "object", "properties": {"spec": {"type": "object"}},
			"x-kubernetes-group-version-kind": [{"group": "apps", "kind": "Deployment", "version": "v1"}]}}}`,
	}
	for _, dir := range []string{"plain", "own"} {
		files[dir+"/d.yaml"] = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {template: {spec: {containers: [{name: a, image: one}, {name: b, image: two}]}}}\n"
		files[dir+"/p.yaml"] = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {template: {spec: {containers: [{name: b, image: three}]}}}\n"
	}
	containers := func(dir string) int {
		t.Helper()
		objs, err := kustomize.Render(t.Context(), kustomize.Input{Source: tree(files), Path: dir})
		if err != nil {
			t.Fatal(err)
		}
		list, _, err := unstructured.NestedSlice(objs[0].Object, "spec", "template", "spec", "containers")
		if err != nil {
			t.Fatal(err)
		}
		return len(list)
	}
	for i, dir := range []string{"plain", "own", "plain", "own", "plain"} {
		if got, want := containers(dir), map[string]int{"plain": 2, "own": 1}[dir]; got != want {
			t.Errorf("build %d of %s has %d containers, want %d", i, dir, got, want)
		}
	}
}

func TestRefused(t *testing.T) {
	calls := 0
	honeypot := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { calls++ }))
	defer honeypot.Close()
	bin := t.TempDir()
	log := filepath.Join(bin, "called")
	if err := os.WriteFile(filepath.Join(bin, "git"), []byte("#!/bin/sh\necho x >>"+log+"\nexit 1\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin)
	bomb := "a0: &a0 [x,x,x,x,x,x,x,x,x]\n"
	for i := 1; i < 9; i++ {
		n, p := string(rune('0'+i)), string(rune('0'+i-1))
		bomb += "a" + n + ": &a" + n + " [" + strings.TrimSuffix(strings.Repeat("*a"+p+",", 9), ",") + "]\n"
	}
	cases := map[string]struct{ kustomization, want string }{
		"http resource":    {"resources: [" + honeypot.URL + "/x.yaml]", "resources[0]"},
		"key in capitals":  {"Resources: [" + honeypot.URL + "/x.yaml]", "resources[0]"},
		"git":              {"resources: ['git@example.com:a/b']", "resources[0]"},
		"github, a folder": {"resources: [github.com/a/b]", "resources[0]"},
		"ref":              {"resources: ['a?ref=x']", "resources[0]"},
		"base":             {"bases: ['ssh://-oProxyCommand=x/y']", "remote"},
		"component":        {"components: ['https://example.com/a//b']", "components[0]"},
		"generator file":   {"configMapGenerator: [{name: a, files: ['x=" + honeypot.URL + "']}]", "configMapGenerator[0].files[0]"},
		"secret envs":      {"secretGenerator: [{name: a, envs: [../../x]}]", "leaves the repository"},
		"absolute":         {"resources: [/etc]", "absolute"},
		"home":             {"patches: [{path: ~/x}]", "absolute"},
		"above":            {"resources: [../../x]", "leaves the repository"},
		"openapi":          {"openapi: {path: '" + honeypot.URL + "'}", "openapi.path"},
		"circle":           {"resources: [../k]", "k → k"},
		"chart":            {"helmCharts: [{name: a, repo: 'https://example.com'}]", "helmCharts"},
		"alias bomb":       {"resources: [bomb.yaml]", "bomb.yaml"},
		"inline remote":    {"generators: [\"ssh://-oX=y/z: 1\\napiVersion: builtin\\nkind: X\\n\"]", "remote"},
		"function":         {"transformers: [fn.yaml]", "functions are programs"},
		"inflation":        {"generators: [chart.yaml]", "is not run"},
		"inner files":      {"generators: [inner.yaml]", "remote"},
		"missing":          {"resources: [none.yaml]", "does not exist"},
		"fan-out":          {"resources: [../f0]", "more than 256"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			files := map[string]string{
				"k/kustomization.yaml": c.kustomization, "k/bomb.yaml": bomb,
				"k/github.com/a/b/kustomization.yaml": "resources: []",
				"k/fn.yaml":                           "apiVersion: builtin\nkind: X\nmetadata: {name: x, annotations: {config.kubernetes.io/function: 'exec: {path: x}'}}\n",
				"k/chart.yaml":                        "apiVersion: builtin\nkind: HelmChartInflationGenerator\nmetadata: {name: x}\n",
				"k/inner.yaml":                        "apiVersion: builtin\nkind: ConfigMapGenerator\nmetadata: {name: x}\nfiles: ['" + honeypot.URL + "']\n",
				"f14/kustomization.yaml":              "namePrefix: x-\n",
			}
			for i := range 14 {
				next := "f" + string(rune('0'+(i+1)/10)) + string(rune('0'+(i+1)%10))
				next = strings.Replace(next, "f0", "f", 1)
				own := strings.Replace("f"+string(rune('0'+i/10))+string(rune('0'+i%10)), "f0", "f", 1)
				files[own+"/kustomization.yaml"] = "resources: [../" + next + ", ../" + next + "]\n"
			}
			_, err := kustomize.Render(t.Context(), kustomize.Input{Source: tree(files), Path: "k"})
			var p *manifest.Problem
			if !errors.As(err, &p) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want a problem with %q", err, c.want)
			}
		})
	}
	if _, err := os.Stat(log); err == nil || calls != 0 {
		t.Errorf("git called: %t, addresses fetched: %d", err == nil, calls)
	}
}
