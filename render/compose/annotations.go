package compose

import (
	"strings"

	composetypes "github.com/compose-spec/compose-go/v2/types"
	"k8s.io/apimachinery/pkg/util/validation"

	"catalyst.dev/catalyst/render/manifest"
)

// maxAnnotations is the size of all annotations of an object, with room for the cluster's own: it takes 256 KiB.
const maxAnnotations = 200 << 10

// podAnnotations are Compose's labels and annotations: Kubernetes' labels would take only some of their values.
func (t *translation) podAnnotations(svc composetypes.ServiceConfig) map[string]string {
	out := map[string]string{}
	size := 0
	for _, m := range []map[string]string{svc.Labels, svc.Annotations} {
		for _, k := range sortedKeys(m) {
			switch {
			case strings.HasPrefix(k, "com.docker."):
			case isReserved(k):
				t.note(svc.Name, "labels."+k, manifest.Ignored, "it would steer the cluster, which is the platform's")
			case !isAnnotation(k):
				t.note(svc.Name, "labels."+k, manifest.Ignored, "Kubernetes takes no such key")
			case size+len(k)+len(m[k]) > maxAnnotations:
				t.note(svc.Name, "labels."+k, manifest.Ignored, "the labels are larger than a pod's annotations may be")
			default:
				size += len(k) + len(m[k])
				out[k] = m[k]
			}
		}
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

// isAnnotation reports whether Kubernetes takes the key; it looks at keys of annotations in lower case.
func isAnnotation(key string) bool { return len(validation.IsQualifiedName(strings.ToLower(key))) == 0 }

// isLabel reports whether Kubernetes takes the label, and the platform leaves it to applications.
func isLabel(key, value string) bool {
	return len(validation.IsQualifiedName(key)) == 0 && len(validation.IsValidLabelValue(value)) == 0 && !isReserved(key) && !strings.HasPrefix(key, "com.docker.")
}

// isReserved reports whether a key is the cluster's, the platform's, or of what watches pods and changes them.
func isReserved(key string) bool {
	prefix, _, ok := strings.Cut(key, "/")
	if !ok {
		return false
	}
	for _, domain := range []string{"kubernetes.io", "k8s.io", "argoproj.io", "bitnami.com", "catalyst.dev", "istio.io", "linkerd.io", "hashicorp.com", "cilium.io"} {
		if prefix == domain || strings.HasSuffix(prefix, "."+domain) {
			return true
		}
	}
	return false
}
