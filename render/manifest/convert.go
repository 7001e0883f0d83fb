package manifest

import (
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
)

// FromTyped turns a typed Kubernetes object, with apiVersion and kind set, into the form that packages exchange:
// without status and without the null creationTimestamp that the typed form always carries.
func FromTyped(obj runtime.Object) (*unstructured.Unstructured, error) {
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(obj)
	if err != nil {
		return nil, fmt.Errorf("converting %T: %w", obj, err)
	}
	delete(content, "status")
	dropNullTimestamps(content)
	return &unstructured.Unstructured{Object: content}, nil
}

// dropNullTimestamps removes metadata.creationTimestamp: null at every depth (pod templates carry one too).
func dropNullTimestamps(v any) {
	switch v := v.(type) {
	case map[string]any:
		if ts, ok := v["creationTimestamp"]; ok && ts == nil {
			delete(v, "creationTimestamp")
		}
		for _, child := range v {
			dropNullTimestamps(child)
		}
	case []any:
		for _, child := range v {
			dropNullTimestamps(child)
		}
	}
}
