package compose_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"catalyst.dev/catalyst/render/compose"
	"catalyst.dev/catalyst/render/manifest"
)

// rendered is a rendered application.
type rendered struct {
	objects map[string]*unstructured.Unstructured
	report  *manifest.Report
}

// renderApp renders files, whose compose.yaml must be good.
func renderApp(t *testing.T, files map[string]string, change func(*compose.Input)) rendered {
	t.Helper()
	a, err := tryApp(t, files, change)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func tryApp(t *testing.T, files map[string]string, change func(*compose.Input)) (rendered, error) {
	t.Helper()
	tree := fstest.MapFS{}
	for name, text := range files {
		tree[name] = &fstest.MapFile{Data: []byte(text)}
	}
	in := compose.Input{Source: tree, Path: ".", ProjectName: "acme-shop-pr-1", Report: &manifest.Report{}}
	if change != nil {
		change(&in)
	}
	result, err := compose.Render(t.Context(), in)
	a := rendered{objects: map[string]*unstructured.Unstructured{}, report: in.Report}
	for _, o := range result.Objects {
		a.objects[o.GetKind()+"/"+o.GetName()] = o
	}
	return a, err
}

func (a rendered) get(t *testing.T, name string, into runtime.Object) {
	t.Helper()
	o := a.objects[name]
	if o == nil {
		t.Fatalf("%s was not rendered", name)
	}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, into); err != nil {
		t.Fatal(err)
	}
}

func (a rendered) deployment(t *testing.T, name string) *appsv1.Deployment {
	t.Helper()
	d := &appsv1.Deployment{}
	a.get(t, "Deployment/"+name, d)
	return d
}

func (a rendered) container(t *testing.T, name string) corev1.Container {
	t.Helper()
	return a.deployment(t, name).Spec.Template.Spec.Containers[0]
}

// secret is the data of a Secret.
func (a rendered) secret(t *testing.T, name string) map[string]string {
	t.Helper()
	s := &corev1.Secret{}
	a.get(t, "Secret/"+name, s)
	data := map[string]string{}
	for k, v := range s.Data {
		data[k] = string(v)
	}
	return data
}

// texts are all objects but the Secrets, as JSON.
func (a rendered) texts(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	for _, o := range a.objects {
		if o.GetKind() != "Secret" {
			b.WriteString(encode(t, o))
		}
	}
	return b.String()
}

func (a rendered) says(part string) bool {
	for _, f := range a.report.Findings {
		if strings.Contains(f.Subject+" "+f.Key+": "+f.Reason, part) {
			return true
		}
	}
	return false
}

// variable is the value of a variable, or secret/key where it refers to a Secret.
func variable(c corev1.Container, name string) string {
	for _, e := range c.Env {
		if e.Name == name && e.ValueFrom != nil {
			return e.ValueFrom.SecretKeyRef.Name + "/" + e.ValueFrom.SecretKeyRef.Key
		}
		if e.Name == name {
			return e.Value
		}
	}
	return "(unset)"
}

func join(values []any) string {
	return strings.TrimSuffix(strings.ReplaceAll(fmt.Sprintln(values...), "\n", ""), " ")
}
