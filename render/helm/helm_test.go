package helm_test

import (
	"errors"
	"io/fs"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"

	"catalyst.dev/catalyst/render/helm"
	"catalyst.dev/catalyst/render/manifest"
)

func tree(files map[string]string) fs.FS {
	m := fstest.MapFS{"c/Chart.yaml": {Data: []byte("apiVersion: v2\nname: c\nversion: 1.0.0\n")}}
	for name, text := range files {
		m["c/"+name] = &fstest.MapFile{Data: []byte(text)}
	}
	return m
}

func render(t *testing.T, files map[string]string) (helm.Result, *manifest.Report, error) {
	t.Helper()
	report := &manifest.Report{}
	result, err := helm.Render(t.Context(), helm.Input{Source: tree(files), Path: "c", ReleaseName: "r", Namespace: "n", Report: report})
	return result, report, err
}

// TestPassthrough compares with what helm template gives for the example.
func TestPassthrough(t *testing.T) {
	const root = "../../examples/helm/web"
	got, err := helm.Render(t.Context(), helm.Input{Source: os.DirFS(root), Path: "chart", ReleaseName: "r", Namespace: "n"})
	if err != nil {
		t.Fatal(err)
	}
	ch, err := loader.Load(root + "/chart")
	if err != nil {
		t.Fatal(err)
	}
	install := action.NewInstall(&action.Configuration{Capabilities: chartutil.DefaultCapabilities.Copy()})
	install.ClientOnly, install.DryRun, install.IncludeCRDs = true, true, true
	install.ReleaseName, install.Namespace = "r", "n"
	release, err := install.RunWithContext(t.Context(), ch, map[string]any{})
	if err != nil {
		t.Fatal(err)
	}
	want, err := manifest.Decode("helm", []byte(release.Manifest))
	if err != nil {
		t.Fatal(err)
	}
	if len(want) == 0 {
		t.Fatal("helm gave no objects")
	}
	gotByName, wantByName := map[string]any{}, map[string]any{}
	for _, obj := range want {
		wantByName[obj.GetKind()+"/"+obj.GetName()] = obj.Object
	}
	for _, obj := range got.Objects {
		if obj.GetAnnotations()[manifest.AnnotationHook] == "" {
			gotByName[obj.GetKind()+"/"+obj.GetName()] = obj.Object
		}
	}
	for _, u := range got.Unstable {
		name, key, _ := strings.Cut(u, "/")
		for _, m := range []map[string]any{gotByName, wantByName} {
			for _, field := range []string{"data", "stringData"} {
				if values, ok := m["Secret/"+name].(map[string]any)[field].(map[string]any); ok {
					delete(values, key)
				}
			}
		}
	}
	if diff := cmp.Diff(wantByName, gotByName); diff != "" {
		t.Errorf("objects differ from helm's (-helm +got):\n%s", diff)
	}
}

func TestUnstable(t *testing.T) {
	got, report, err := render(t, map[string]string{
		"templates/s.yaml": "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {p: '{{ randAlphaNum 20 }}', q: fix}\n",
		"templates/d.yaml": "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d}\nspec: {template: {metadata: {annotations: {checksum/s: '{{ include (print $.Template.BasePath \"/s.yaml\") . | sha256sum }}'}}}}\n",
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"s/p"}, got.Unstable); diff != "" {
		t.Error(diff)
	}
	if len(report.Findings) != 1 {
		t.Errorf("got findings %v, want one on the checksum", report.Findings)
	}
}

func TestHooks(t *testing.T) {
	hook := func(name, events string) string {
		return "---\napiVersion: batch/v1\nkind: Job\nmetadata: {name: " + name + ", annotations: {helm.sh/hook: '" + events + "', helm.sh/hook-weight: '-5'}}\n"
	}
	got, report, err := render(t, map[string]string{"templates/h.yaml": hook("a", "pre-install,pre-upgrade") + hook("b", "test") + hook("c", "post-delete")})
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Objects) != 1 || len(report.Findings) != 2 {
		t.Fatalf("got %d objects and %d findings, want 1 and 2", len(got.Objects), len(report.Findings))
	}
	want := map[string]string{manifest.AnnotationHook: "PreSync", manifest.AnnotationSyncWave: "-5",
		"argocd.argoproj.io/hook-delete-policy": "BeforeHookCreation"}
	if diff := cmp.Diff(want, got.Objects[0].GetAnnotations()); diff != "" {
		t.Error(diff)
	}
}

func TestRefused(t *testing.T) {
	calls := 0
	honeypot := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { calls++ }))
	defer honeypot.Close()
	config := func(value string) string {
		return "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata: {v: '" + value + "'}\n"
	}
	cases := map[string]struct {
		file, text, want string
	}{
		"schema http":    {"values.schema.json", `{"$ref": "` + honeypot.URL + `"}`, "leads out"},
		"schema file":    {"values.schema.json", `{"properties": {"a": {"$ref": "file:///etc/passwd"}}}`, "properties.a.$ref"},
		"schema dialect": {"values.schema.json", `{"$schema": "` + honeypot.URL + `"}`, "$schema"},
		"now":            {"templates/a.yaml", config("{{ now }}"), "data.v"},
		"random":         {"templates/a.yaml", config("{{ randAlphaNum 9 }}"), "ConfigMap/x"},
		"env":            {"templates/a.yaml", config(`{{ env "HOME" }}`), "line 4"},
		"parse":          {"templates/a.yaml", "a: {{ if }}\n", "c/templates/a.yaml: line 1"},
		"nil pointer":    {"templates/a.yaml", "a: {{ .Values.x.y.z }}\n", "c/templates/a.yaml: line 1"},
		"twice":          {"templates/a.yaml", config("1") + "---\n" + config("2"), "twice"},
		"library":        {"Chart.yaml", "apiVersion: v2\nname: c\nversion: 1.0.0\ntype: library\n", "library"},
		"dependency":     {"Chart.yaml", "apiVersion: v2\nname: c\nversion: 1.0.0\ndependencies: [{name: db, version: 1.0.0, repository: '" + honeypot.URL + "'}]\n", "helm dependency build"},
	}
	for _, name := range slices.Sorted(maps.Keys(cases)) {
		t.Run(name, func(t *testing.T) {
			c := cases[name]
			_, _, err := render(t, map[string]string{c.file: c.text})
			var p *manifest.Problem
			if !errors.As(err, &p) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want a problem with %q", err, c.want)
			}
		})
	}
	if calls != 0 {
		t.Errorf("addresses were fetched %d times", calls)
	}
}

func TestHarmless(t *testing.T) {
	got, _, err := render(t, map[string]string{"templates/a.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n" +
		`data: {a: '{{ .Files.Get "../../x" }}', b: '{{ getHostByName "localhost" }}', c: '{{ len (lookup "v1" "Pod" "" "") }}'}` + "\n"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]any{"a": "", "b": "", "c": "0"}, got.Objects[0].Object["data"]); diff != "" {
		t.Error(diff)
	}
}
