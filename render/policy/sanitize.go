package policy

import (
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"catalyst.dev/catalyst/render/manifest"
)

// Sanitize drops from a template's object the annotations and labels that steer Argo CD and sealed-secrets, but for the
// harmless ones, and reports each.
func Sanitize(obj *unstructured.Unstructured, report *manifest.Report) {
	subject := obj.GetKind() + "/" + obj.GetName()
	drop := func(kind, key string) {
		if report != nil {
			report.Add(manifest.Finding{Subject: subject, Key: "metadata." + kind + "[" + key + "]",
				Verdict: manifest.Ignored, Reason: "it would steer what only the platform steers"})
		}
	}
	annotations := obj.GetAnnotations()
	for _, key := range sortedKeys(annotations) {
		if foreign(key, annotations[key]) {
			delete(annotations, key)
			drop("annotations", key)
		}
	}
	setOrRemove(obj, "annotations", annotations)
	labels := obj.GetLabels()
	for _, key := range sortedKeys(labels) {
		if strings.HasPrefix(key, "argocd.argoproj.io/") {
			delete(labels, key)
			drop("labels", key)
		}
	}
	setOrRemove(obj, "labels", labels)
}

func setOrRemove(obj *unstructured.Unstructured, field string, values map[string]string) {
	if len(values) == 0 {
		unstructured.RemoveNestedField(obj.Object, "metadata", field)
		return
	}
	if field == "labels" {
		obj.SetLabels(values)
		return
	}
	obj.SetAnnotations(values)
}

// foreign tells the annotations of Argo CD and sealed-secrets that a template may not set.
func foreign(key, value string) bool {
	group, name, _ := strings.Cut(key, "/")
	switch {
	case group == "argocd.argoproj.io":
		return !harmless(name, value)
	case strings.HasSuffix(group, ".argoproj.io"), group == "argoproj.io", strings.HasSuffix(group, "sealedsecrets.bitnami.com"):
		return true
	}
	return false
}

// harmless holds for hooks and waves, and for options that lift no safety.
func harmless(name, value string) bool {
	switch name {
	case "sync-wave", "hook", "hook-delete-policy":
		return true
	case "sync-options":
		for option := range strings.SplitSeq(value, ",") {
			if !slices.Contains([]string{"SkipDryRunOnMissingResource=true", "ServerSideApply=true"}, strings.TrimSpace(option)) {
				return false
			}
		}
		return true
	}
	return false
}

// annotations is Sanitize's rule as a gate, and the allow-list of Ingress annotations.
func (c *checker) annotations(obj *unstructured.Unstructured) {
	annotations, _, err := unstructured.NestedStringMap(obj.Object, "metadata", "annotations")
	if err != nil {
		c.refuse(ruleSchema, "metadata.annotations", "not a mapping of texts", "put the values in quotes")
		return
	}
	routes := obj.GetKind() == "Ingress" || obj.GetKind() == "HTTPRoute"
	for _, key := range sortedKeys(annotations) {
		field := "metadata.annotations[" + key + "]"
		switch {
		case foreign(key, annotations[key]):
			c.refuse(ruleAnnotations, field, "this annotation is the platform's", "remove it")
		case routes && !c.ingressAnnotation(key, annotations[key]):
			c.refuse(ruleAnnotations, field, "this annotation is not allowed", "remove it, or add it to spec.policy.ingressAnnotations in catalyst.yaml")
		}
	}
	if labels, _, err := unstructured.NestedStringMap(obj.Object, "metadata", "labels"); err != nil {
		c.refuse(ruleSchema, "metadata.labels", "not a mapping of texts", "put the values in quotes")
	} else if _, ok := labels["argocd.argoproj.io/instance"]; ok {
		c.refuse(ruleAnnotations, "metadata.labels[argocd.argoproj.io/instance]", "this label is the platform's", "remove it")
	}
}

// ingressAnnotation allows what only changes how the environment's own traffic is handled. Everything else, such as
// snippets, auth-url, server-alias and permanent-redirect, is refused.
func (c *checker) ingressAnnotation(key, value string) bool {
	if slices.Contains(c.policy.IngressAnnotations, key) {
		return true
	}
	group, name, _ := strings.Cut(key, "/")
	switch group {
	case "argocd.argoproj.io", "catalyst.dev", "meta.helm.sh", "helm.sh":
		return true // foreign has judged Argo CD's; nobody routes by the others
	case "cert-manager.io":
		return name == "cluster-issuer" && c.scope.Platform != nil && value == c.scope.Platform.Spec.Ingress.ClusterIssuer
	case "nginx.ingress.kubernetes.io":
		return slices.Contains([]string{
			"affinity", "backend-protocol", "enable-cors", "force-ssl-redirect", "limit-connections", "limit-rps",
			"proxy-body-size", "proxy-buffering", "proxy-buffer-size", "proxy-connect-timeout", "proxy-read-timeout",
			"proxy-send-timeout", "session-cookie-max-age", "session-cookie-name", "ssl-redirect", "use-regex", "websocket-services",
		}, name) && harmlessValue(value)
	}
	return false
}

// harmlessValue keeps out what could end a directive in the controller's configuration and begin another.
func harmlessValue(value string) bool { return !strings.ContainsAny(value, "\n\r;{}\"'`\\$#") }
