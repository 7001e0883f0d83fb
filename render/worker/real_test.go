//go:build linux

package worker_test

import (
	"errors"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"catalyst.dev/catalyst/api/v1alpha1"
	"catalyst.dev/catalyst/render"
	"catalyst.dev/catalyst/render/manifest"
	"catalyst.dev/catalyst/render/worker"
)

const commit = "18f59bdb09ecf520dd5758fbf90dec314baec545"

// files of a source, by path.
type files map[string]string

// chart with one template file.
func chart(template string) files {
	return files{"app/Chart.yaml": "apiVersion: v2\nname: app\nversion: 1.0.0\n", "app/templates/a.yaml": template,
		"app/values.yaml": "a: '{{ tpl .Values.a . }}'\n"}
}

const configMap = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {change: one}\n"

// realInput is the input of a real render: the child renders environments named "real" by render.Render.
func realInput(kind v1alpha1.TemplateType, path string, source files) render.Input {
	tree := fstest.MapFS{}
	for name, text := range source {
		tree[name] = &fstest.MapFile{Data: []byte(text)}
	}
	in := input("real", "shop", "")
	in.SecretNames = nil
	in.Sources = map[string]fs.FS{"web": tree}
	in.Platform.Spec.Domain = "catalyst.localhost"
	in.Platform.SetDefaults()
	in.Project.Spec.Sources = []v1alpha1.Source{{Name: "web", RepositoryURL: "https://github.com/acme/shop"}}
	in.Project.Spec.Templates = map[string]v1alpha1.Template{"development": {Type: kind, Path: path}}
	in.Project.SetDefaults()
	in.Environment.Spec.ProjectRef.Name = "shop"
	in.Environment.Spec.Sources = []v1alpha1.EnvironmentSource{{Name: "web", Branch: "main", CommitSHA: commit}}
	in.Environment.SetDefaults()
	return in
}

// kinds of what a render gave beyond what every environment gets.
func kinds(t *testing.T, p *worker.Pool, in render.Input) []string {
	t.Helper()
	out, err := p.Render(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	var own []string
	for _, obj := range out.Objects {
		switch obj.GetKind() {
		case "Namespace", "ResourceQuota", "LimitRange", "NetworkPolicy", "ServiceAccount":
		default:
			own = append(own, obj.GetKind()+"/"+obj.GetName())
		}
	}
	return own
}

func TestRealRenders(t *testing.T) {
	p := newPool(t, worker.Options{MaxWorkers: 1})
	for name, c := range map[string]struct {
		in   render.Input
		want []string
	}{
		"helm":     {realInput(v1alpha1.TemplateHelm, "app", chart(configMap)), []string{"ConfigMap/settings"}},
		"manifest": {realInput(v1alpha1.TemplateManifest, "a.yaml", files{"a.yaml": configMap}), []string{"ConfigMap/settings"}},
		"kustomize": {realInput(v1alpha1.TemplateKustomize, "overlay", files{
			"base/a.yaml": configMap, "base/kustomization.yaml": "resources: [a.yaml]\n",
			"overlay/kustomization.yaml": "resources: [../base]\nnamePrefix: preview-\n",
		}), []string{"ConfigMap/preview-settings"}},
		"compose": {realInput(v1alpha1.TemplateDockerCompose, "compose.yaml", files{
			"compose.yaml": "services:\n  web: {image: \"nginx:1\", ports: [\"8080:80\"]}\n",
		}), []string{"Service/web", "Deployment/web", "Ingress/web"}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, kinds(t, p, c.in)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// What makes a real engine die or go on without end is told as the template's fault, and harms no later render.
func TestRealHostile(t *testing.T) {
	p := newPool(t, worker.Options{MaxWorkers: 1})
	good := realInput(v1alpha1.TemplateHelm, "app", chart(configMap))
	const loop = `{{ range until 100000 }}{{ range until 100000 }}{{ range until 100000 }}{{ end }}{{ end }}{{ end }}`
	for name, c := range map[string]struct {
		template, message, remedy string
		timeout                   time.Duration
	}{
		"include by tpl": {template: "{{ define \"a\" }}{{ tpl \"{{ include \\\"a\\\" . }}\" . }}{{ end }}{{ include \"a\" . }}\n",
			message: "the template calls itself without end", remedy: "tpl"},
		"tpl of itself": {template: "{{ tpl .Values.a . }}\n",
			message: "the template calls itself without end", remedy: "tpl"},
		"endless": {template: loop, timeout: 3 * time.Second,
			message: "rendering took longer than 3s", remedy: "spec.render.timeout in catalyst.yaml"},
		"memory": {template: `{{ $l := list }}{{ range until 100000 }}{{ $l = append $l (repeat 67108864 "x") }}{{ end }}`,
			message: "rendering needed more than 1 GiB of memory", remedy: "spec.render.memory in catalyst.yaml"},
	} {
		t.Run(name, func(t *testing.T) {
			in := realInput(v1alpha1.TemplateHelm, "app", chart(c.template))
			if c.timeout > 0 {
				in.Platform.Spec.Render.Timeout = &metav1.Duration{Duration: c.timeout}
			}
			if name == "memory" {
				in.Platform.Spec.Render.Memory = resource.NewQuantity(1<<30, resource.BinarySI)
			}
			_, err := p.Render(t.Context(), in)
			var problem *manifest.Problem
			if !errors.As(err, &problem) {
				t.Fatalf("got %v, want a problem", err)
			}
			// Which bound endless recursion meets first, stack or memory, is a matter of chance; both name tpl.
			recursion := strings.Contains(c.template, "tpl") && problem.Message == "rendering needed more than 2 GiB of memory"
			if problem.Message != c.message && !recursion || !strings.Contains(problem.Remedy, c.remedy) {
				t.Errorf("got %v, want %q with a remedy that names %s", problem, c.message, c.remedy)
			}
			if diff := cmp.Diff([]string{"ConfigMap/settings"}, kinds(t, p, good)); diff != "" {
				t.Errorf("the next render: %s", diff)
			}
		})
	}
}
