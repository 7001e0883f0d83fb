package compose_test

import (
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"catalyst.dev/catalyst/render/compose"
	"catalyst.dev/catalyst/render/manifest"
)

// app is a translated application: its objects by kind and name, the common kinds typed.
type app struct {
	objects     map[string]*unstructured.Unstructured
	services    map[string]*corev1.Service
	deployments map[string]*appsv1.Deployment
	daemonSets  map[string]*appsv1.DaemonSet
	jobs        map[string]*batchv1.Job
	policies    map[string]*networkingv1.NetworkPolicy
	ingresses   map[string]*networkingv1.Ingress
	configMaps  map[string]*corev1.ConfigMap
	report      *manifest.Report
	url         string
	// result in the order in which it came.
	result compose.Result
}

const appHost = "acme-shop-pr-1.example.com"

// tree makes a source of files. A name that ends in * is executable, "->" in a text makes a link.
func tree(files map[string]string) fstest.MapFS {
	out := fstest.MapFS{}
	for name, text := range files {
		f := &fstest.MapFile{Data: []byte(text), Mode: 0o644}
		if exec, ok := strings.CutSuffix(name, "*"); ok {
			name, f.Mode = exec, 0o755
		}
		if target, ok := strings.CutPrefix(text, "-> "); ok {
			f.Data, f.Mode = []byte(target), fs.ModeSymlink|0o777
		}
		out[name] = f
	}
	return out
}

// tryApp renders files, compose.yaml at the root, for an environment with a host and a registry.
func tryApp(t *testing.T, files map[string]string, change func(*compose.Input)) (*app, error) {
	t.Helper()
	report := &manifest.Report{}
	in := compose.Input{Source: tree(files), Path: ".", ProjectName: "acme-shop-pr-1", Host: appHost, Report: report,
		BuildImage: func(service string) string { return "registry.example.com/" + service + ":1" }}
	if change != nil {
		change(&in)
	}
	out, err := compose.Render(t.Context(), in)
	report.Sort()
	a := &app{objects: map[string]*unstructured.Unstructured{}, services: map[string]*corev1.Service{}, deployments: map[string]*appsv1.Deployment{},
		daemonSets: map[string]*appsv1.DaemonSet{}, jobs: map[string]*batchv1.Job{}, policies: map[string]*networkingv1.NetworkPolicy{},
		ingresses: map[string]*networkingv1.Ingress{}, configMaps: map[string]*corev1.ConfigMap{}, report: report, url: out.URL, result: out}
	for _, o := range out.Objects {
		a.add(t, o)
	}
	return a, err
}

// renderApp renders files that must render, twice to the same, and checks what the API server would.
func renderApp(t *testing.T, files map[string]string, change func(*compose.Input)) *app {
	t.Helper()
	a, err := tryApp(t, files, change)
	if err != nil {
		t.Fatalf("Render() = %v", err)
	}
	again, err := tryApp(t, files, change)
	if err != nil {
		t.Fatalf("Render() again = %v", err)
	}
	if diff := cmp.Diff(a.result, again.result); diff != "" {
		t.Errorf("two renders differ:\n%s", diff)
	}
	if diff := cmp.Diff(a.report, again.report); diff != "" {
		t.Errorf("two reports differ:\n%s", diff)
	}
	a.check(t)
	return a
}

// translate renders a Compose file, and files beside it.
func translate(t *testing.T, text string, files map[string]string, change func(*compose.Input)) *app {
	t.Helper()
	all := map[string]string{"compose.yaml": text}
	maps.Copy(all, files)
	return renderApp(t, all, change)
}

func (a *app) add(t *testing.T, o *unstructured.Unstructured) {
	t.Helper()
	id := o.GetKind() + "/" + o.GetName()
	if a.objects[id] != nil {
		t.Errorf("%s is there twice", id)
	}
	a.objects[id] = o
	switch o.GetKind() {
	case "Service":
		put(t, a.services, o)
	case "Deployment":
		put(t, a.deployments, o)
	case "DaemonSet":
		put(t, a.daemonSets, o)
	case "Job":
		put(t, a.jobs, o)
	case "NetworkPolicy":
		put(t, a.policies, o)
	case "Ingress":
		put(t, a.ingresses, o)
	case "ConfigMap":
		put(t, a.configMaps, o)
	}
}

func put[T any](t *testing.T, into map[string]*T, o *unstructured.Unstructured) {
	t.Helper()
	typed := new(T)
	if err := runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(o.Object, typed, true); err != nil {
		t.Fatal(err)
	}
	into[o.GetName()] = typed
}

// object of a kind by name, or the one whose name starts with it and a dash.
func object[T any](t *testing.T, a *app, kind, name string) T {
	t.Helper()
	id := kind + "/" + name
	o := a.objects[id]
	for _, other := range slices.Sorted(maps.Keys(a.objects)) {
		if o == nil && strings.HasPrefix(other, id+"-") {
			o = a.objects[other]
		}
	}
	var out T
	if o == nil {
		t.Fatalf("there is no %s %s", kind, name)
	}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// names of the objects of a kind.
func (a *app) names(kind string) []string {
	var names []string
	for _, o := range a.objects {
		if o.GetKind() == kind {
			names = append(names, o.GetName())
		}
	}
	slices.Sort(names)
	return names
}

// job by the name that it has before its hash.
func (a *app) job(t *testing.T, name string) *batchv1.Job {
	t.Helper()
	for n, j := range a.jobs {
		if i := strings.LastIndex(n, "-"); i > 0 && n[:i] == name {
			return j
		}
	}
	t.Fatalf("there is no job %s", name)
	return nil
}

func (a *app) deployment(t *testing.T, name string) *appsv1.Deployment {
	t.Helper()
	if a.deployments[name] == nil {
		t.Fatalf("there is no Deployment %s", name)
	}
	return a.deployments[name]
}

func (a *app) pod(t *testing.T, service string) corev1.PodSpec {
	t.Helper()
	return a.deployment(t, service).Spec.Template.Spec
}

func (a *app) container(t *testing.T, name string) corev1.Container {
	t.Helper()
	return a.pod(t, name).Containers[0]
}

func (a *app) env(t *testing.T, name string) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, e := range a.container(t, name).Env {
		out[e.Name] = e.Value
	}
	return out
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

// secret is the data of a Secret.
func (a *app) secret(t *testing.T, name string) map[string]string {
	t.Helper()
	data := map[string]string{}
	for k, v := range object[corev1.Secret](t, a, "Secret", name).Data {
		data[k] = string(v)
	}
	return data
}

// texts are all objects but the Secrets, as JSON.
func (a *app) texts(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	for _, o := range a.objects {
		if o.GetKind() != "Secret" {
			b.WriteString(encode(t, o))
		}
	}
	return b.String()
}

// waits are the scripts of a pod's init containers, by name.
func waits(pod corev1.PodTemplateSpec) map[string]string {
	out := map[string]string{}
	for _, c := range pod.Spec.InitContainers {
		if strings.HasPrefix(c.Name, "wait-for-") {
			out[c.Name] = c.Command[2]
		}
	}
	return out
}

// ports of a Service as "name number>target/protocol".
func (a *app) ports(t *testing.T, service string) []string {
	t.Helper()
	s := a.services[service]
	if s == nil {
		t.Fatalf("there is no Service %s", service)
	}
	out := []string{}
	for _, p := range s.Spec.Ports {
		out = append(out, fmt.Sprintf("%s %d>%d/%s", p.Name, p.Port, p.TargetPort.IntValue(), p.Protocol))
	}
	return out
}

// hosts maps the host and path of each Ingress rule to its backend.
func (a *app) hosts() map[string]string {
	out := map[string]string{}
	for _, i := range a.ingresses {
		for _, r := range i.Spec.Rules {
			p := r.HTTP.Paths[0]
			out[r.Host+p.Path] = fmt.Sprintf("%s:%d", p.Backend.Service.Name, p.Backend.Service.Port.Number)
		}
	}
	return out
}

// mounted is what a container has at a path: its mount and its volume.
func mounted(t *testing.T, pod corev1.PodSpec, target string) (corev1.VolumeMount, corev1.Volume) {
	t.Helper()
	for _, m := range pod.Containers[0].VolumeMounts {
		if m.MountPath == target {
			i := slices.IndexFunc(pod.Volumes, func(v corev1.Volume) bool { return v.Name == m.Name })
			return m, pod.Volumes[i]
		}
	}
	t.Fatalf("nothing is mounted on %s", target)
	return corev1.VolumeMount{}, corev1.Volume{}
}

func isMounted(pod corev1.PodSpec, target string) bool {
	return slices.ContainsFunc(pod.Containers[0].VolumeMounts, func(m corev1.VolumeMount) bool { return m.MountPath == target })
}

func initContainer(pod corev1.PodSpec, name string) *corev1.Container {
	for i, c := range pod.InitContainers {
		if c.Name == name {
			return &pod.InitContainers[i]
		}
	}
	return nil
}

// files are what a volume shows of a ConfigMap, by path.
func (a *app) files(t *testing.T, v corev1.Volume) map[string]string {
	t.Helper()
	var sources []corev1.ConfigMapProjection
	switch {
	case v.ConfigMap != nil:
		sources = append(sources, corev1.ConfigMapProjection{LocalObjectReference: v.ConfigMap.LocalObjectReference, Items: v.ConfigMap.Items})
	case v.Projected != nil:
		for _, s := range v.Projected.Sources {
			sources = append(sources, *s.ConfigMap)
		}
	default:
		t.Fatalf("volume %s holds no files", v.Name)
	}
	out := map[string]string{}
	for _, s := range sources {
		cm := object[corev1.ConfigMap](t, a, "ConfigMap", s.Name)
		for _, item := range s.Items {
			if text, ok := cm.Data[item.Key]; ok {
				out[item.Path] = text
			} else {
				out[item.Path] = string(cm.BinaryData[item.Key])
			}
		}
	}
	return out
}
