package compose_test

import (
	"encoding/json"
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"

	"catalyst.dev/catalyst/render/compose"
	"catalyst.dev/catalyst/render/manifest"
)

// application is a Compose application, application.
type application struct {
	compose.Result
	report manifest.Report
}

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

// tryApplication renders the files, compose.yaml at the root.
func tryApplication(t *testing.T, files map[string]string, change func(*compose.Input)) (application, error) {
	t.Helper()
	var app application
	in := compose.Input{Source: tree(files), Path: ".", ProjectName: "acme-shop-pr-1", Report: &app.report,
		BuildImage: func(service string) string { return "registry.localhost/" + service + ":1" }}
	if change != nil {
		change(&in)
	}
	var err error
	app.Result, err = compose.Render(t.Context(), in)
	app.report.Sort()
	return app, err
}

// renderApplication renders files that must render, and checks what holds for every pod.
func renderApplication(t *testing.T, files map[string]string, change func(*compose.Input)) application {
	t.Helper()
	app, err := tryApplication(t, files, change)
	if err != nil {
		t.Fatalf("Render() = %v", err)
	}
	app.checkPods(t)
	return app
}

// checkPods holds what the API server holds: unique names and paths, and no mount without its volume.
func (a application) checkPods(t *testing.T) {
	t.Helper()
	for _, o := range a.Objects {
		var pod corev1.PodSpec
		switch o.GetKind() {
		case "Deployment":
			pod = object[appsv1.Deployment](t, a, "Deployment", o.GetName()).Spec.Template.Spec
		case "Job":
			pod = object[batchv1.Job](t, a, "Job", o.GetName()).Spec.Template.Spec
		default:
			continue
		}
		volumes := map[string]bool{}
		for _, v := range pod.Volumes {
			if volumes[v.Name] || len(validation.IsDNS1123Label(v.Name)) > 0 {
				t.Errorf("%s: volume name %q is taken or no DNS label", o.GetName(), v.Name)
			}
			volumes[v.Name] = true
		}
		for _, c := range slices.Concat(pod.InitContainers, pod.Containers) {
			paths := map[string]bool{}
			for _, m := range c.VolumeMounts {
				if paths[m.MountPath] || strings.Contains(m.MountPath, ":") || !volumes[m.Name] || path.IsAbs(m.SubPath) || strings.Contains(m.SubPath, "..") {
					t.Errorf("%s: container %s cannot mount %+v", o.GetName(), c.Name, m)
				}
				paths[m.MountPath] = true
			}
		}
	}
}

// object of a kind by name, or the one whose name starts with it and a dash.
func object[T any](t *testing.T, a application, kind, name string) T {
	t.Helper()
	var out T
	for _, exact := range []bool{true, false} {
		for _, o := range a.Objects {
			if o.GetKind() != kind || exact && o.GetName() != name || !exact && !strings.HasPrefix(o.GetName(), name+"-") {
				continue
			}
			data, err := json.Marshal(o)
			if err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal(data, &out); err != nil {
				t.Fatal(err)
			}
			return out
		}
	}
	t.Fatalf("there is no %s %s", kind, name)
	return out
}

func (a application) names(kind string) []string {
	var names []string
	for _, o := range a.Objects {
		if o.GetKind() == kind {
			names = append(names, o.GetName())
		}
	}
	slices.Sort(names)
	return names
}

func (a application) pod(t *testing.T, service string) corev1.PodSpec {
	t.Helper()
	return object[appsv1.Deployment](t, a, "Deployment", service).Spec.Template.Spec
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
func (a application) files(t *testing.T, v corev1.Volume) map[string]string {
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

func (a application) reports(service, text string) bool {
	return slices.ContainsFunc(a.report.Findings, func(f manifest.Finding) bool {
		return f.Subject == service && strings.Contains(f.Key+": "+f.Reason, text)
	})
}

// wantProblem checks that an error is a Problem that says so, with a remedy.
func wantProblem(t *testing.T, err error, want string) {
	t.Helper()
	var p *manifest.Problem
	if !errors.As(err, &p) {
		t.Fatalf("Render() = %v, want a Problem", err)
	}
	if !strings.Contains(err.Error(), want) || p.Remedy == "" {
		t.Errorf("Render() = %q, want %q and a remedy", err, want)
	}
}
