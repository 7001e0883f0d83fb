package policy

import (
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/validation"
)

// names refuses a name and labels that no API server takes: one object of them keeps all of an environment from syncing.
func (c *checker) names(obj *unstructured.Unstructured) {
	if problems := nameProblems(obj); len(problems) > 0 {
		c.refuse(ruleSchema, "metadata.name", strings.Join(problems, "; "), "rename the object")
	}
	labels := obj.GetLabels()
	for _, key := range sortedKeys(labels) {
		problems := append(validation.IsQualifiedName(key), validation.IsValidLabelValue(labels[key])...)
		if len(problems) > 0 {
			c.refuse(ruleSchema, "metadata.labels["+key+"]", strings.Join(problems, "; "), "correct or remove the label")
		}
	}
}

func nameProblems(obj *unstructured.Unstructured) []string {
	switch group := obj.GroupVersionKind().Group; {
	case group == "" && obj.GetKind() == "Service":
		return validation.IsDNS1123Label(obj.GetName())
	case group == "rbac.authorization.k8s.io":
		if name := obj.GetName(); name == "." || name == ".." || strings.ContainsAny(name, "/%") {
			return []string{"must not be '.' or '..', nor hold '/' or '%'"}
		}
		return nil
	}
	// Underscores are left to the API server: the upstream fixtures of the Pod Security Standards have them.
	return validation.IsDNS1123Subdomain(strings.ReplaceAll(obj.GetName(), "_", "-"))
}
