package base_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"catalyst.dev/catalyst/api/v1alpha1"
	"catalyst.dev/catalyst/render/base"
)

func objects(t *testing.T, change func(*v1alpha1.Platform, *v1alpha1.Project)) map[string]*unstructured.Unstructured {
	t.Helper()
	platform := &v1alpha1.Platform{Spec: v1alpha1.PlatformSpec{Domain: "example.com"}}
	project := &v1alpha1.Project{ObjectMeta: metav1.ObjectMeta{Name: "shop", Namespace: "acme"}}
	platform.SetDefaults()
	if change != nil {
		change(platform, project)
	}
	objs, err := base.Objects(base.Input{Platform: platform, Project: project, Namespace: "acme-shop-pr-1"})
	if err != nil {
		t.Fatal(err)
	}
	byName := map[string]*unstructured.Unstructured{}
	for _, o := range objs {
		byName[o.GetKind()+"/"+o.GetName()] = o
	}
	return byName
}

func TestEveryEnvironmentGets(t *testing.T) {
	got := objects(t, nil)
	for _, want := range []string{"Namespace/acme-shop-pr-1", "ResourceQuota/catalyst", "LimitRange/catalyst", "NetworkPolicy/catalyst-ingress", "NetworkPolicy/catalyst-egress"} {
		if got[want] == nil {
			t.Errorf("%s is missing", want)
		}
	}
	if level := got["Namespace/acme-shop-pr-1"].GetLabels()["pod-security.kubernetes.io/enforce"]; level != "baseline" {
		t.Errorf("Pod Security level %q, want baseline", level)
	}
}

func TestProjectQuotaWinsOverThePlatforms(t *testing.T) {
	got := objects(t, func(_ *v1alpha1.Platform, p *v1alpha1.Project) {
		p.Spec.Resources.DefaultQuota = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("12")}
	})
	hard, _, err := unstructured.NestedStringMap(got["ResourceQuota/catalyst"].Object, "spec", "hard")
	if err != nil || hard["requests.cpu"] != "12" {
		t.Errorf("got %v, %v", hard, err)
	}
}

func TestEgress(t *testing.T) {
	rules := func(policy v1alpha1.EgressPolicy) int {
		got := objects(t, func(p *v1alpha1.Platform, _ *v1alpha1.Project) { p.Spec.Network.Egress = policy })
		egress, _, err := unstructured.NestedSlice(got["NetworkPolicy/catalyst-egress"].Object, "spec", "egress")
		if err != nil {
			t.Fatal(err)
		}
		return len(egress)
	}
	none, internet := rules(v1alpha1.EgressNone), rules(v1alpha1.EgressInternet)
	if diff := cmp.Diff(none+1, internet); diff != "" {
		t.Errorf("internet should have one rule more than none (own namespace, DNS): %s", diff)
	}
}

// A quota refuses pods that say nothing of what it counts: the LimitRange says it for them.
func TestTheLimitRangeSpeaksForWhatTheQuotaCounts(t *testing.T) {
	got := objects(t, func(pl *v1alpha1.Platform, p *v1alpha1.Project) {
		pl.Spec.ContainerDefaults = corev1.ResourceRequirements{Requests: corev1.ResourceList{}, Limits: corev1.ResourceList{}}
		p.Spec.Resources.DefaultQuota = corev1.ResourceList{
			"limits.memory": resource.MustParse("4Gi"), "limits.cpu": resource.MustParse("4"), "ephemeral-storage": resource.MustParse("10Gi")}
	})
	items, _, err := unstructured.NestedSlice(got["LimitRange/catalyst"].Object, "spec", "limits")
	if err != nil || len(items) != 1 {
		t.Fatalf("limits: %v, %v", items, err)
	}
	item, _ := items[0].(map[string]any)
	for field, names := range map[string][]string{"default": {"cpu", "memory"}, "defaultRequest": {"cpu", "memory", "ephemeral-storage"}} {
		given, _ := item[field].(map[string]any)
		for _, name := range names {
			if given[name] == nil {
				t.Errorf("%s has no %s: %v", field, name, given)
			}
		}
	}
}

func TestTheNamespaceCarriesTheProjectsLevel(t *testing.T) {
	for projects, want := range map[string]string{"acme/shop": "privileged", "acme/*": "privileged", "acme/other": "baseline", "other/*": "baseline"} {
		got := objects(t, func(p *v1alpha1.Platform, _ *v1alpha1.Project) {
			p.Spec.Policy.Exceptions = []v1alpha1.PolicyException{{Projects: []string{"acme/shop", "acme/*"}, Kinds: []string{"X"}}, {Projects: []string{projects}, PodSecurity: v1alpha1.PodSecurityPrivileged}}
		})
		if level := got["Namespace/acme-shop-pr-1"].GetLabels()["pod-security.kubernetes.io/enforce"]; level != want {
			t.Errorf("exception for %s: level %q, want %q", projects, level, want)
		}
	}
}
