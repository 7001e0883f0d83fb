package manifest_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"catalyst.dev/catalyst/render/manifest"
)

func object(apiVersion, kind, name string) *unstructured.Unstructured {
	o := &unstructured.Unstructured{Object: map[string]any{"apiVersion": apiVersion, "kind": kind}}
	o.SetName(name)
	return o
}

func TestFileNamesAreUniqueAndPlain(t *testing.T) {
	objs := []*unstructured.Unstructured{
		object("v1", "Service", "web"), object("rbac.authorization.k8s.io/v1", "Role", "system:reader"),
		object("extensions/v1", "Ingress", "web"), object("networking.k8s.io/v1", "Ingress", "web"),
	}
	names, err := manifest.FileNames(objs)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, n := range names {
		if seen[n] || strings.ContainsAny(n, "/:\\") || n != strings.ToLower(n) || !strings.HasSuffix(n, ".yaml") {
			t.Errorf("%q is not a unique, plain file name", n)
		}
		seen[n] = true
	}
	if names[0] != "service-web.yaml" {
		t.Errorf("got %q, want service-web.yaml", names[0])
	}
	if _, err := manifest.FileNames([]*unstructured.Unstructured{object("v1", "Service", "web"), object("v1", "Service", "web")}); err == nil {
		t.Error("two objects of one kind and name passed")
	}
}

func TestWavesFollowTheOrder(t *testing.T) {
	objs := []*unstructured.Unstructured{
		object("networking.k8s.io/v1", "Ingress", "a"), object("apps/v1", "Deployment", "a"), object("v1", "PersistentVolumeClaim", "a"),
		object("v1", "Service", "a"), object("v1", "ConfigMap", "a"), object("v1", "Secret", "a"), object("v1", "ResourceQuota", "a"), object("v1", "Namespace", "a"),
	}
	manifest.SetWaves(objs)
	manifest.Sort(objs)
	var got []string
	for _, o := range objs {
		got = append(got, o.GetKind()+" "+o.GetAnnotations()[manifest.AnnotationSyncWave])
	}
	want := []string{"Namespace -100", "ResourceQuota -90", "Secret -80", "ConfigMap -70", "PersistentVolumeClaim 0", "Service -60", "Deployment 0", "Ingress 10"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// Argo CD runs PreSync hooks before anything of the sync, so also before the Namespace that they are in.
func TestEarlyHooksComeAfterTheNamespace(t *testing.T) {
	hook := func(name, phases, wave string) *unstructured.Unstructured {
		obj := object("batch/v1", "Job", name)
		obj.SetAnnotations(map[string]string{manifest.AnnotationHook: phases, manifest.AnnotationSyncWave: wave})
		return obj
	}
	objs := []*unstructured.Unstructured{hook("last", "PreSync", "100"), hook("first", "PreSync, PostSync", "-5"), hook("also-first", "PreSync,Sync", "-5"),
		hook("after", "PostSync", "7"), hook("during", "Sync", "3")}
	manifest.SetWaves(objs)
	got := map[string]string{}
	for _, o := range objs {
		got[o.GetName()] = o.GetAnnotations()[manifest.AnnotationHook] + " " + o.GetAnnotations()[manifest.AnnotationSyncWave]
	}
	want := map[string]string{"first": "Sync,PostSync -59", "also-first": "Sync -59", "last": "Sync -58", "after": "PostSync 7", "during": "Sync 3"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestMetadataLeavesSelectorsAlone(t *testing.T) {
	d := object("apps/v1", "Deployment", "web")
	d.Object["spec"] = map[string]any{
		"selector": map[string]any{"matchLabels": map[string]any{"app": "web"}},
		"template": map[string]any{"metadata": map[string]any{"labels": map[string]any{"app": "web"}}},
	}
	d.SetLabels(map[string]string{"app.kubernetes.io/name": "own", "catalyst.dev/team": "evil"})
	manifest.Metadata{Namespace: "acme-shop-pr-1", Labels: map[string]string{"app.kubernetes.io/name": "shop", "catalyst.dev/team": "acme"}}.
		Apply([]*unstructured.Unstructured{d})
	selector, _, _ := unstructured.NestedStringMap(d.Object, "spec", "selector", "matchLabels")
	pod, _, _ := unstructured.NestedStringMap(d.Object, "spec", "template", "metadata", "labels")
	want := map[string]string{"app.kubernetes.io/name": "own", "catalyst.dev/team": "acme"}
	if diff := cmp.Diff(want, d.GetLabels()); diff != "" || d.GetNamespace() != "acme-shop-pr-1" {
		t.Errorf("namespace %s, labels -want +got:\n%s", d.GetNamespace(), diff)
	}
	if len(selector) != 1 || pod["catalyst.dev/team"] != "acme" || pod["app"] != "web" {
		t.Errorf("selector %v, pod labels %v", selector, pod)
	}
}

func TestLabelValue(t *testing.T) {
	for _, s := range []string{"main", "feature/cart", strings.Repeat("x", 200), "-evil-", "ünï", "a b\nc: d", ""} {
		v := manifest.LabelValue(s)
		if len(v) > 63 || strings.Trim(v, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") != "" || strings.Trim(v, "-_.") != v {
			t.Errorf("%q became %q, which is no label value", s, v)
		}
	}
	if manifest.LabelValue("feature/a") == manifest.LabelValue("feature-a") {
		t.Error("two branches have one label value")
	}
}

// Text of the input cannot add links, HTML, mentions or lines to the report.
func TestMarkdownEscapes(t *testing.T) {
	var r manifest.Report
	if got := r.Markdown(); got != "" {
		t.Errorf("an empty report is %q", got)
	}
	r.Add(manifest.Finding{File: "compose.yaml", Subject: "web", Key: "<img src=x>", Verdict: manifest.Ignored,
		Reason: "[link](https://example.com) @team | `code`\n# heading"})
	got := r.Markdown()
	for _, bad := range []string{"<img", "[link](", "\n# heading", " @team"} {
		if strings.Contains(got, bad) {
			t.Errorf("%q stands in the report:\n%s", bad, got)
		}
	}
	if !strings.Contains(got, "web") || !strings.Contains(got, "heading") {
		t.Errorf("the finding is missing:\n%s", got)
	}
}
