//go:build e2e

package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"catalyst.dev/catalyst/test/composeapp"
	"catalyst.dev/catalyst/test/stack"
)

// kube-apiserver takes all that is rendered: examples, real applications, and those that need an exception with the exception.
func TestAPIServerAccepts(t *testing.T) {
	server := stack.StartAPIServer(t)
	accepts := func(args []string) func(*testing.T) {
		return func(t *testing.T) {
			out, err := render(t.Context(), t, args)
			if err != nil {
				t.Fatalf("not rendered: %v", err)
			}
			if err := judge(t.Context(), t, server, manifests(t, out)); err != nil {
				t.Error(err)
			}
		}
	}
	for name, args := range examples(t) {
		t.Run("examples/"+name, accepts(args))
	}
	t.Run("corpus", func(t *testing.T) {
		for _, app := range composeapp.Shared(t) {
			if composeapp.Refusable[app.Name] {
				t.Run(app.Name+" with an exception", accepts(app.PrivilegedRenderArgs(t)))
				continue
			}
			t.Run(app.Name, accepts(app.RenderArgs(t)))
		}
	})
}

// The API server refuses what must be refused: a test that accepts all would show nothing.
func TestAPIServerRefuses(t *testing.T) {
	server := stack.StartAPIServer(t)
	args := examples(t)["compose"]
	out, err := render(t.Context(), t, args)
	if err != nil {
		t.Fatal(err)
	}
	faults := map[string]struct {
		spoil func(pod map[string]any)
		want  string
	}{
		"unknown field": {func(pod map[string]any) { pod["restart"] = "always" }, `unknown field "spec.template.spec.restart"`},
		"host network":  {func(pod map[string]any) { pod["hostNetwork"] = true }, "violates PodSecurity"},
		"too much": {func(pod map[string]any) {
			container(pod)["resources"] = map[string]any{"requests": map[string]any{"memory": "100Gi"}, "limits": map[string]any{"memory": "100Gi"}}
		}, "exceeded quota"},
		"duplicate mount": {func(pod map[string]any) {
			pod["volumes"] = []any{map[string]any{"name": "x", "emptyDir": map[string]any{}}}
			mount := map[string]any{"name": "x", "mountPath": "/x"}
			container(pod)["volumeMounts"] = []any{mount, mount}
		}, "must be unique"},
	}
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			objs := manifests(t, out)
			for _, obj := range objs {
				if obj.GetKind() == "Deployment" && obj.GetName() == "cache" {
					pod, _, _ := unstructured.NestedMap(obj.Object, "spec", "template", "spec")
					fault.spoil(pod)
					if err := unstructured.SetNestedMap(obj.Object, pod, "spec", "template", "spec"); err != nil {
						t.Fatal(err)
					}
				}
			}
			if err := judge(t.Context(), t, server, objs); err == nil || !strings.Contains(err.Error(), fault.want) {
				t.Errorf("got %v, want %s", err, fault.want)
			}
		})
	}
}

func container(pod map[string]any) map[string]any {
	return pod["containers"].([]any)[0].(map[string]any)
}

// examples are the arguments that render each example, by its name.
func examples(t testing.TB) map[string][]string {
	t.Helper()
	found, err := filepath.Glob("../../examples/*/project.yaml")
	if err != nil || len(found) < 6 {
		t.Fatalf("found %d examples: %v", len(found), err)
	}
	args := map[string][]string{}
	for _, file := range found {
		dir := filepath.Dir(file)
		arg := []string{"render", "-f", file, "-f", filepath.Join(dir, "environment.yaml")}
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, entry := range entries {
			if entry.IsDir() {
				arg = append(arg, "--source", entry.Name()+"="+filepath.Join(dir, entry.Name()))
			}
		}
		args[filepath.Base(dir)] = arg
	}
	return args
}
