package compose_test

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"catalyst.dev/catalyst/render/compose"
)

// digests is a resolver that knows some images.
type digests map[string]string

var _ compose.ImageResolver = digests(nil)

func (d digests) Digest(image string) (string, bool) {
	digest, known := d[image]
	return digest, known
}

func TestImages(t *testing.T) {
	const digest = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	a := renderApp(t, map[string]string{"compose.yaml": `
services:
  tagged: {image: "registry.example.com:5000/a/web:1.4"}
  untagged: {image: nginx}
  unknown: {image: "redis:8"}
  pinned: {image: "nginx@` + digest + `"}
  built: {build: ., image: "acme/built:dev"}
  provided: {provider: {type: awesomecloud}}
  hooked: {image: "redis:8", pre_start: [{image: nginx, command: [a]}, {image: nginx, command: [b], per_replica: true}]}
`}, func(in *compose.Input) {
		in.Resolver = digests{"registry.example.com:5000/a/web:1.4": digest, "nginx": digest}
		in.BuildImage = func(service string) string { return "registry/" + service + ":3f2a9c1" }
		in.Values = services("provided", map[string]any{"image": "postgres:17"})
	})
	for name, want := range map[string]string{
		"tagged": "registry.example.com:5000/a/web@" + digest, "untagged": "nginx@" + digest, "unknown": "redis:8", "pinned": "nginx@" + digest,
		"built": "registry/built:3f2a9c1", "provided": "postgres:17",
	} {
		if got := a.container(t, name).Image; got != want {
			t.Errorf("%s runs %s, want %s", name, got, want)
		}
	}
	for _, hook := range []string{a.job(t, "hooked-pre-start-0").Spec.Template.Spec.Containers[0].Image, a.pod(t, "hooked").InitContainers[0].Image} {
		if hook != "nginx@"+digest {
			t.Errorf("a hook runs %s", hook)
		}
	}
	if got := a.deployment(t, "tagged").Spec.Template.Annotations["catalyst.dev/image-ref"]; got != "registry.example.com:5000/a/web:1.4" {
		t.Errorf("image-ref = %q", got)
	}
	if !a.says("provided provider: the image of values.services") {
		t.Errorf("the report says nothing of the provider: %v", a.report.Findings)
	}
	_, err := tryApp(t, map[string]string{"compose.yaml": "services: {web: {build: .}}\n"}, func(in *compose.Input) { in.BuildImage = nil })
	if err == nil || !strings.Contains(err.Error(), "services.web.build") || !strings.Contains(err.Error(), "spec.registry") {
		t.Errorf("a build without a registry: %v", err)
	}
}

func TestPullPolicy(t *testing.T) {
	for policy, want := range map[string]struct {
		policy   corev1.PullPolicy
		reported bool
	}{
		"always": {corev1.PullAlways, false}, "missing": {corev1.PullIfNotPresent, false}, "if_not_present": {corev1.PullIfNotPresent, false},
		"never": {corev1.PullIfNotPresent, true}, "daily": {corev1.PullIfNotPresent, true}, "weekly": {corev1.PullIfNotPresent, true},
		"every_12h": {corev1.PullIfNotPresent, true}, "build": {"", false},
	} {
		a := renderApp(t, map[string]string{"compose.yaml": "services: {web: {image: x, pull_policy: " + policy + "}}\n"}, nil)
		if got := a.container(t, "web").ImagePullPolicy; got != want.policy || a.says("web pull_policy") != want.reported {
			t.Errorf("%s: %q, report %v", policy, got, a.report.Findings)
		}
	}
}

func TestImagesThatAreNoneAreRefused(t *testing.T) {
	for _, image := range []string{`"a\0b"`, `"nginx 1.29"`, `"nginx\n"`} {
		_, err := tryApp(t, map[string]string{"compose.yaml": "services: {web: {image: " + image + "}}\n"}, nil)
		wantProblem(t, err, "services.web.image")
	}
}
