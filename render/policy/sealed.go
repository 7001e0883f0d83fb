package policy

import (
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// sealedSecret allows ciphertext in strict scope, and a template that only names a type, labels and annotations.
func (c *checker) sealedSecret(obj *unstructured.Unstructured) {
	spec, ok := obj.Object["spec"].(map[string]any)
	if !ok {
		c.refuse(ruleSealedSecret, "spec", "not a mapping", "seal the Secret again")
		return
	}
	if data, ok, err := unstructured.NestedStringMap(spec, "encryptedData"); err != nil || !ok || data == nil {
		c.refuse(ruleSealedSecret, "spec.encryptedData", "not a mapping of texts", "seal the Secret again")
	}
	c.only("spec", spec, "encryptedData", "template")
	template, ok := spec["template"].(map[string]any)
	if !ok {
		if spec["template"] != nil {
			c.refuse(ruleSealedSecret, "spec.template", "not a mapping", "seal the Secret again")
		}
		return
	}
	c.only("spec.template", template, "metadata", "type", "immutable")
	if t, ok := template["type"].(string); ok && t == "kubernetes.io/service-account-token" {
		c.refuse(ruleSealedSecret, "spec.template.type", "a token of a ServiceAccount may not be asked for", "use type Opaque")
	}
	metadata, ok := template["metadata"].(map[string]any)
	if !ok {
		if template["metadata"] != nil {
			c.refuse(ruleSealedSecret, "spec.template.metadata", "not a mapping", "seal the Secret again")
		}
		return
	}
	c.only("spec.template.metadata", metadata, "name", "namespace", "labels", "annotations", "creationTimestamp")
	if ns, ok := metadata["namespace"]; ok && ns != c.scope.Namespace {
		c.refuse(ruleNamespace, "spec.template.metadata.namespace", "not the environment's namespace", "seal the Secret for this environment")
	}
	if name, ok := metadata["name"]; ok && name != obj.GetName() {
		c.refuse(ruleSealedSecret, "spec.template.metadata.name", "not the SealedSecret's name", "seal the Secret again")
	}
	inner := &unstructured.Unstructured{Object: map[string]any{"kind": "Secret", "metadata": metadata}}
	c.annotations(inner)
}

// only refuses every other field: template.data, for one, is plain text.
func (c *checker) only(field string, object map[string]any, names ...string) {
	for _, key := range sortedKeys(object) {
		if !slices.Contains(names, key) {
			c.refuse(ruleSealedSecret, field+"."+key, "this field is not allowed", "remove it")
		}
	}
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
