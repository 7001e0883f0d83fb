package image_test

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"catalyst.dev/catalyst/api/v1alpha1"
	"catalyst.dev/catalyst/render/image"
	"catalyst.dev/catalyst/render/manifest"
)

func TestReference(t *testing.T) {
	sha := strings.Repeat("a", 40)
	for in, want := range map[string]string{
		"ghcr.io/acme/shop":                                      "ghcr.io/acme/shop:" + sha,
		"ghcr.io/acme/shop:v2":                                   "ghcr.io/acme/shop:v2",
		"localhost:5000/shop":                                    "localhost:5000/shop:" + sha,
		"shop@sha256:" + strings.Repeat("b", 64):                 "shop@sha256:" + strings.Repeat("b", 64),
		"ghcr.io/acme/shop:v2@sha256:" + strings.Repeat("b", 64): "ghcr.io/acme/shop:v2@sha256:" + strings.Repeat("b", 64),
	} {
		if got, err := image.Reference(in, sha); err != nil || got != want {
			t.Errorf("%s: got %s, %v, want %s", in, got, err, want)
		}
	}
	for _, bad := range []string{"", "ghcr.io/Acme/shop", "a b", "https://ghcr.io/acme/shop"} {
		if got, err := image.Reference(bad, sha); err == nil {
			t.Errorf("%q became %s", bad, got)
		}
	}
}

func input() image.Input {
	return image.Input{
		Name: "docs", Host: "acme-docs-pr-1.example.com", TLS: true, IngressClass: "nginx", ClusterIssuer: "letsencrypt",
		Image: "ghcr.io/acme/docs:v1", StorageSize: resource.MustParse("1Gi"), Report: &manifest.Report{},
		Config: v1alpha1.Config{
			Ports:          []corev1.ContainerPort{{Name: "http", ContainerPort: 8080}, {ContainerPort: 53, Protocol: corev1.ProtocolUDP}},
			VolumeMounts:   []corev1.VolumeMount{{Name: "data", MountPath: "/data"}},
			Volumes:        []v1alpha1.Volume{{Name: "data"}},
			InitContainers: []corev1.Container{{Name: "prepare", Args: []string{"init"}}},
		},
	}
}

func kinds(objs []*unstructured.Unstructured) string {
	var names []string
	for _, o := range objs {
		names = append(names, o.GetKind()+"/"+o.GetName())
	}
	return strings.Join(names, " ")
}

func TestRender(t *testing.T) {
	got, err := image.Render(t.Context(), input())
	if err != nil {
		t.Fatal(err)
	}
	if got.URL != "https://acme-docs-pr-1.example.com" {
		t.Errorf("URL %s", got.URL)
	}
	for _, want := range []string{"Deployment/docs", "Service/docs", "Ingress/docs", "PersistentVolumeClaim/data"} {
		if !strings.Contains(kinds(got.Objects), want) {
			t.Errorf("%s is missing from %s", want, kinds(got.Objects))
		}
	}
	for _, o := range got.Objects {
		if o.GetKind() != "Deployment" {
			continue
		}
		init, _, _ := unstructured.NestedSlice(o.Object, "spec", "template", "spec", "initContainers")
		if len(init) != 1 || init[0].(map[string]any)["image"] != "ghcr.io/acme/docs:v1" {
			t.Errorf("an init container without an image gets the container's own, got %v", init)
		}
		if strategy, _, _ := unstructured.NestedString(o.Object, "spec", "strategy", "type"); strategy != "Recreate" {
			t.Errorf("a Deployment with a volume has strategy %q, want Recreate", strategy)
		}
	}
}

func TestRenderWithoutIngress(t *testing.T) {
	in := input()
	in.Config.Ingress = &v1alpha1.Ingress{Disabled: true}
	got, err := image.Render(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	if got.URL != "" || strings.Contains(kinds(got.Objects), "Ingress/") {
		t.Errorf("URL %q, objects %s", got.URL, kinds(got.Objects))
	}
}

func TestMountOfNoVolumeIsRefused(t *testing.T) {
	in := input()
	in.Config.Volumes = nil
	if _, err := image.Render(t.Context(), in); err == nil || !strings.Contains(err.Error(), "data") {
		t.Errorf("got %v, want a problem that names the volume", err)
	}
}
