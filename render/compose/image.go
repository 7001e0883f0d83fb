package compose

import (
	"fmt"
	"strings"

	composetypes "github.com/compose-spec/compose-go/v2/types"
	corev1 "k8s.io/api/core/v1"

	"catalyst.dev/catalyst/render/manifest"
)

// ImageResolver knows the digests of images, as they were when the render began.
type ImageResolver interface {
	// Digest of an image ("sha256:…"), and whether it is known.
	Digest(image string) (digest string, known bool)
}

// annotationImageRef keeps, on a pod, the reference whose digest its container runs.
const annotationImageRef = "catalyst.dev/image-ref"

// image of a service: values.services, then the image rule, then what its build pushes, then its own.
func (t *translation) image(svc composetypes.ServiceConfig) string {
	t.notePullPolicy(svc)
	if own, ok := t.serviceValues(svc.Name)["image"].(string); ok && own != "" {
		return own
	}
	if own := t.in.Images[svc.Name]; own != "" {
		return own
	}
	if svc.Build != nil && t.in.BuildImage != nil {
		return t.in.BuildImage(t.names[svc.Name])
	}
	if svc.Image == "" && svc.Provider == nil { // a provider is refused by its own key
		t.refuseKey(svc.Name, "build", "there is no registry that the image is pushed to", "set spec.registry in catalyst.yaml, or name the image in the template's images")
	}
	if strings.ContainsFunc(svc.Image, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		t.refuseKey(svc.Name, "image", fmt.Sprintf("%q is not an image", svc.Image), `write it as "nginx:1.29"`)
	}
	return svc.Image
}

// pinImages replaces the tags that the resolver knows by digests.
func (t *translation) pinImages(pod *corev1.PodTemplateSpec) {
	for _, list := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
		for i := range list {
			c := &list[i]
			pinned := t.pinned(c.Image)
			if c == &pod.Spec.Containers[0] && pinned != c.Image {
				if pod.Annotations == nil {
					pod.Annotations = map[string]string{}
				}
				pod.Annotations[annotationImageRef] = c.Image
			}
			c.Image = pinned
		}
	}
}

// pinned is an image by its digest, where the resolver knows it.
func (t *translation) pinned(image string) string {
	if t.in.Resolver == nil || strings.Contains(image, "@") {
		return image
	}
	digest, known := t.in.Resolver.Digest(image)
	if !known {
		return image
	}
	return repository(image) + "@" + digest
}

// repository is a reference without its tag.
func repository(ref string) string {
	if i := strings.LastIndexByte(ref, ':'); i > strings.LastIndexByte(ref, '/') {
		return ref[:i]
	}
	return ref
}

// pullPolicy translates pull_policy; empty is Kubernetes' own default.
func pullPolicy(policy string) corev1.PullPolicy {
	switch policy {
	case composetypes.PullPolicyAlways:
		return corev1.PullAlways
	case "", composetypes.PullPolicyBuild:
		return ""
	}
	return corev1.PullIfNotPresent
}

// notePullPolicy reports the policies that Kubernetes does not have.
func (t *translation) notePullPolicy(svc composetypes.ServiceConfig) {
	switch policy := svc.PullPolicy; {
	case policy == composetypes.PullPolicyNever:
		t.note(svc.Name, "pull_policy", manifest.Approximated, "IfNotPresent: a node of the cluster has no image that nobody pulled")
	case policy == "daily", policy == "weekly", policy == composetypes.PullPolicyRefresh, strings.HasPrefix(policy, "every_"):
		t.note(svc.Name, "pull_policy", manifest.Approximated, fmt.Sprintf("%s: an image is pulled when its reference changes", policy))
	}
}
