package plain_test

import (
	"strings"
	"testing"
	"testing/fstest"

	"catalyst.dev/catalyst/render/manifest"
	"catalyst.dev/catalyst/render/plain"
)

func TestRender(t *testing.T) {
	cm := func(name string) *fstest.MapFile {
		return &fstest.MapFile{Data: []byte("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: " + name + "}\n")}
	}
	source := fstest.MapFS{"deploy/b.yaml": cm("b"), "deploy/sub/c.yml": cm("c"), "deploy/README.md": {Data: []byte("# no manifest")},
		"deploy/a.json": {Data: []byte(`{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}`)},
		"broken/x.yaml": {Data: []byte("kind: [")}, "empty/README.md": {Data: []byte("nothing")}}
	for path, want := range map[string]string{"deploy": "a b c", "deploy/b.yaml": "b"} {
		objs, err := plain.Render(t.Context(), plain.Input{Source: source, Path: path, Report: &manifest.Report{}})
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, o := range objs {
			names = append(names, o.GetName())
		}
		if got := strings.Join(names, " "); got != want {
			t.Errorf("%s: got %s, want %s", path, got, want)
		}
	}
	for path, want := range map[string]string{"broken": "broken/x.yaml", "nowhere": "nowhere", "empty": "empty"} {
		_, err := plain.Render(t.Context(), plain.Input{Source: source, Path: path, Report: &manifest.Report{}})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want a problem that names %s", path, err, want)
		}
	}
}
