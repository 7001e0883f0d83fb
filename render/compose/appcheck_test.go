package compose_test

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"

	"catalyst.dev/catalyst/render/compose"
	"catalyst.dev/catalyst/render/manifest"
)

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
		a.checkReferences(t, name, pod.Spec)
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

// checkReferences finds what a pod names and nobody made. The values of the secret store come from elsewhere.
func (a *app) checkReferences(t *testing.T, name string, pod corev1.PodSpec) {
	t.Helper()
	exists := func(kind, object string) {
		t.Helper()
		if a.objects[kind+"/"+object] == nil && object != compose.SecretsName {
			t.Errorf("%s: there is no %s %s", name, kind, object)
		}
	}
	for _, v := range pod.Volumes {
		if v.ConfigMap != nil {
			exists("ConfigMap", v.ConfigMap.Name)
		}
		if v.Secret != nil {
			exists("Secret", v.Secret.SecretName)
		}
		for i := 0; v.Projected != nil && i < len(v.Projected.Sources); i++ {
			if s := v.Projected.Sources[i]; s.ConfigMap != nil {
				exists("ConfigMap", s.ConfigMap.Name)
			} else if s.Secret != nil {
				exists("Secret", s.Secret.Name)
			}
		}
	}
	for _, c := range slices.Concat(pod.InitContainers, pod.Containers) {
		for _, e := range c.Env {
			if e.ValueFrom != nil && e.ValueFrom.SecretKeyRef != nil {
				exists("Secret", e.ValueFrom.SecretKeyRef.Name)
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
			if !volumes[m.Name] || seen["mount "+m.MountPath] || strings.Contains(m.MountPath, ":") || path.IsAbs(m.SubPath) || strings.Contains(m.SubPath, "..") {
				t.Errorf("%s: %s cannot mount %+v", name, c.Name, m)
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

// reported tells whether a line on a key, or on one below it, says so.
func (a *app) reported(subject, key, reason string) bool {
	return slices.ContainsFunc(a.report.Findings, func(f manifest.Finding) bool {
		return f.Subject == subject && strings.HasPrefix(f.Key, key) && strings.Contains(f.Key+": "+f.Reason, reason)
	})
}

func (a *app) wantReport(t *testing.T, subject, key, reason string) {
	t.Helper()
	if !a.reported(subject, key, reason) {
		t.Errorf("no finding on %s %s with %q in %v", subject, key, reason, a.report.Findings)
	}
}

// says reports whether any line of the report holds the text.
func (a *app) says(part string) bool {
	return slices.ContainsFunc(a.report.Findings, func(f manifest.Finding) bool {
		return strings.Contains(f.Subject+" "+f.Key+": "+f.Reason, part)
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
