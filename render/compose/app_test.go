package compose_test

import (
	"fmt"
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
	"k8s.io/apimachinery/pkg/util/validation"

	"catalyst.dev/catalyst/render/compose"
	"catalyst.dev/catalyst/render/manifest"
)

// app is a translated application, its objects by name.
type app struct {
	services    map[string]*corev1.Service
	deployments map[string]*appsv1.Deployment
	daemonSets  map[string]*appsv1.DaemonSet
	jobs        map[string]*batchv1.Job
	policies    map[string]*networkingv1.NetworkPolicy
	ingresses   map[string]*networkingv1.Ingress
	configMaps  map[string]*corev1.ConfigMap
	report      *manifest.Report
	url         string
}

const appHost = "acme-shop-pr-1.example.com"

// translate renders a Compose file, and files beside it, and checks what the API server would.
func translate(t *testing.T, text string, files map[string]string, change func(*compose.Input)) *app {
	t.Helper()
	tree := fstest.MapFS{"compose.yaml": {Data: []byte(text)}}
	for name, data := range files {
		tree[name] = &fstest.MapFile{Data: []byte(data)}
	}
	var renders []compose.Result
	var reports []*manifest.Report
	for range 2 {
		report := &manifest.Report{}
		in := compose.Input{Source: tree, Path: ".", ProjectName: "acme-shop-pr-1", Host: appHost, Report: report,
			BuildImage: func(service string) string { return "registry.example.com/" + service + ":1" }}
		if change != nil {
			change(&in)
		}
		out, err := compose.Render(t.Context(), in)
		if err != nil {
			t.Fatalf("Render() = %v", err)
		}
		report.Sort()
		renders, reports = append(renders, out), append(reports, report)
	}
	if diff := cmp.Diff(renders[0], renders[1]); diff != "" {
		t.Errorf("two renders differ:\n%s", diff)
	}
	if diff := cmp.Diff(reports[0], reports[1]); diff != "" {
		t.Errorf("two reports differ:\n%s", diff)
	}
	a := &app{services: map[string]*corev1.Service{}, deployments: map[string]*appsv1.Deployment{}, daemonSets: map[string]*appsv1.DaemonSet{},
		jobs: map[string]*batchv1.Job{}, policies: map[string]*networkingv1.NetworkPolicy{}, ingresses: map[string]*networkingv1.Ingress{},
		configMaps: map[string]*corev1.ConfigMap{}, report: reports[0], url: renders[0].URL}
	for _, o := range renders[0].Objects {
		a.add(t, o)
	}
	a.check(t)
	return a
}

func (a *app) add(t *testing.T, o *unstructured.Unstructured) {
	t.Helper()
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
	if into[o.GetName()] != nil {
		t.Errorf("%s/%s is there twice", o.GetKind(), o.GetName())
	}
	into[o.GetName()] = typed
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

func (a *app) container(t *testing.T, name string) corev1.Container {
	t.Helper()
	return a.deployment(t, name).Spec.Template.Spec.Containers[0]
}

func (a *app) env(t *testing.T, name string) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, e := range a.container(t, name).Env {
		out[e.Name] = e.Value
	}
	return out
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

func (a *app) reported(subject, key, reason string) bool {
	return slices.ContainsFunc(a.report.Findings, func(f manifest.Finding) bool {
		return f.Subject == subject && strings.HasPrefix(f.Key, key) && strings.Contains(f.Reason, reason)
	})
}

func (a *app) wantReport(t *testing.T, subject, key, reason string) {
	t.Helper()
	if !a.reported(subject, key, reason) {
		t.Errorf("no finding on %s %s with %q in %v", subject, key, reason, a.report.Findings)
	}
}

// pods are the templates of all workloads, by kind and name.
func (a *app) pods() map[string]corev1.PodTemplateSpec {
	out := map[string]corev1.PodTemplateSpec{}
	for n, d := range a.deployments {
		out["Deployment/"+n] = d.Spec.Template
	}
	for n, d := range a.daemonSets {
		out["DaemonSet/"+n] = d.Spec.Template
	}
	for n, j := range a.jobs {
		out["Job/"+n] = j.Spec.Template
	}
	return out
}

// check holds the objects against what the API server refuses and what leads nowhere.
func (a *app) check(t *testing.T) {
	t.Helper()
	pods := a.pods()
	for name, s := range a.services {
		if problems := validation.IsDNS1035Label(name); len(problems) > 0 {
			t.Errorf("Service %s: %v", name, problems)
		}
		names, numbers := map[string]bool{}, map[string]bool{}
		for _, p := range s.Spec.Ports {
			number := fmt.Sprint(p.Port, p.Protocol)
			if problems := validation.IsValidPortName(p.Name); len(problems) > 0 || names[p.Name] || numbers[number] || p.Port < 1 {
				t.Errorf("Service %s, port %s %s: invalid or there twice: %v", name, p.Name, number, problems)
			}
			names[p.Name], numbers[number] = true, true
		}
		if len(s.Spec.Ports) == 0 && s.Spec.ClusterIP != corev1.ClusterIPNone {
			t.Errorf("Service %s has neither ports nor is it headless", name)
		}
		if !slices.ContainsFunc(sortedPods(pods), func(pod corev1.PodTemplateSpec) bool { return contains(pod.Labels, s.Spec.Selector) }) {
			t.Errorf("Service %s selects no pod", name)
		}
	}
	for name, pod := range pods {
		checkPod(t, name, pod)
	}
	for name, i := range a.ingresses {
		for _, r := range i.Spec.Rules {
			if problems := validation.IsDNS1123Subdomain(r.Host); len(problems) > 0 {
				t.Errorf("Ingress %s: host %s: %v", name, r.Host, problems)
			}
			b := r.HTTP.Paths[0].Backend.Service
			s := a.services[b.Name]
			if s == nil || !slices.ContainsFunc(s.Spec.Ports, func(p corev1.ServicePort) bool { return p.Port == b.Port.Number }) {
				t.Errorf("Ingress %s leads to %s:%d, which is not there", name, b.Name, b.Port.Number)
			}
		}
	}
}

func sortedPods(pods map[string]corev1.PodTemplateSpec) []corev1.PodTemplateSpec {
	var out []corev1.PodTemplateSpec
	for _, p := range pods {
		out = append(out, p)
	}
	return out
}

func contains(labels, selector map[string]string) bool {
	for k, v := range selector {
		if labels[k] != v {
			return false
		}
	}
	return true
}

func checkPod(t *testing.T, name string, pod corev1.PodTemplateSpec) {
	t.Helper()
	volumes, containers := map[string]bool{}, map[string]bool{}
	for _, v := range pod.Spec.Volumes {
		if volumes[v.Name] || len(validation.IsDNS1123Label(v.Name)) > 0 {
			t.Errorf("%s: volume %s is invalid or there twice", name, v.Name)
		}
		volumes[v.Name] = true
	}
	for _, c := range slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers) {
		if containers[c.Name] || len(validation.IsDNS1123Label(c.Name)) > 0 {
			t.Errorf("%s: container %q is invalid or there twice", name, c.Name)
		}
		containers[c.Name] = true
		seen := map[string]bool{}
		for _, e := range c.Env {
			if seen["env "+e.Name] {
				t.Errorf("%s: %s: variable %s is there twice", name, c.Name, e.Name)
			}
			seen["env "+e.Name] = true
		}
		for _, p := range c.Ports {
			if problems := validation.IsValidPortName(p.Name); len(problems) > 0 || seen["port "+p.Name] {
				t.Errorf("%s: %s: port %s is invalid or there twice: %v", name, c.Name, p.Name, problems)
			}
			seen["port "+p.Name] = true
		}
		for _, m := range c.VolumeMounts {
			if !volumes[m.Name] || seen["mount "+m.MountPath] {
				t.Errorf("%s: %s: mount of %s at %s has no volume or is there twice", name, c.Name, m.Name, m.MountPath)
			}
			seen["mount "+m.MountPath] = true
		}
	}
	for k, v := range pod.Labels {
		if len(validation.IsQualifiedName(k)) > 0 || len(validation.IsValidLabelValue(v)) > 0 {
			t.Errorf("%s: label %s=%s is invalid", name, k, v)
		}
	}
	for k := range pod.Annotations {
		if len(validation.IsQualifiedName(strings.ToLower(k))) > 0 {
			t.Errorf("%s: annotation %s is invalid", name, k)
		}
	}
	for k, n := 0, pod.Spec.HostAliases; k < len(n); k++ {
		if slices.ContainsFunc(n[:k], func(o corev1.HostAlias) bool { return o.IP == n[k].IP }) {
			t.Errorf("%s: address %s is there twice in hostAliases", name, n[k].IP)
		}
	}
}
