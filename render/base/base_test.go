package base_test

import (
	"net/netip"
	"testing"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

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
	for _, want := range []string{"Namespace/acme-shop-pr-1", "ResourceQuota/catalyst", "LimitRange/catalyst", "NetworkPolicy/catalyst-ingress", "NetworkPolicy/catalyst-egress",
		"NetworkPolicy/catalyst-namespace", "NetworkPolicy/catalyst-outside"} {
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

func policyOf(t *testing.T, o *unstructured.Unstructured) networkingv1.NetworkPolicy {
	t.Helper()
	var p networkingv1.NetworkPolicy
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, &p); err != nil {
		t.Fatal(err)
	}
	return p
}

func TestOutside(t *testing.T) {
	peers := map[v1alpha1.EgressPolicy]int{v1alpha1.EgressNone: 0, v1alpha1.EgressInternet: 2}
	for policy, want := range peers {
		got := objects(t, func(p *v1alpha1.Platform, _ *v1alpha1.Project) { p.Spec.Network.Egress = policy })
		p := policyOf(t, got["NetworkPolicy/catalyst-outside"])
		n := 0
		for _, rule := range p.Spec.Egress {
			if len(rule.To) == 0 {
				t.Errorf("%s: a rule without peers means everywhere", policy)
			}
			n += len(rule.To)
		}
		if n != want {
			t.Errorf("%s: %d peers, want %d", policy, n, want)
		}
	}
}

// The API server refuses exceptions that are not within their range, and IPv4-mapped ones.
func TestExceptionsAreValid(t *testing.T) {
	p := policyOf(t, objects(t, nil)["NetworkPolicy/catalyst-outside"])
	for _, peer := range p.Spec.Egress[0].To {
		whole := netip.MustParsePrefix(peer.IPBlock.CIDR)
		for _, s := range peer.IPBlock.Except {
			part, err := netip.ParsePrefix(s)
			if err != nil || part.Addr().Is4In6() || part.Bits() <= whole.Bits() || !whole.Contains(part.Addr()) {
				t.Errorf("%s in %s: %v", s, whole, err)
			}
		}
	}
}

// A label may take a pod out of what the namespace allows, but never out of what denies the rest.
func TestNoLabelLeavesAPodWithoutPolicy(t *testing.T) {
	got := objects(t, nil)
	for _, name := range []string{"catalyst-ingress", "catalyst-egress"} {
		p := policyOf(t, got["NetworkPolicy/"+name])
		if s := p.Spec.PodSelector; len(s.MatchLabels)+len(s.MatchExpressions) > 0 {
			t.Errorf("%s selects %v, want every pod", name, s)
		}
		for _, rule := range p.Spec.Ingress {
			for _, peer := range rule.From {
				if peer.PodSelector != nil {
					t.Errorf("%s lets pods in, whatever their networks", name)
				}
			}
		}
	}
	for _, name := range []string{"catalyst-namespace", "catalyst-outside"} {
		if s := policyOf(t, got["NetworkPolicy/"+name]).Spec.PodSelector; len(s.MatchExpressions) != 1 {
			t.Errorf("%s selects %v, want the pods without a label", name, s)
		}
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
