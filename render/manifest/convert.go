package manifest

import (
	"encoding/json"
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	kjson "sigs.k8s.io/json"
)

// FromTyped turns a typed Kubernetes object, with apiVersion and kind set, into the form that packages exchange:
// without status and without the null creationTimestamp that the typed form always carries.
func FromTyped(obj runtime.Object) (*unstructured.Unstructured, error) {
	// Not by runtime.DefaultUnstructuredConverter: it copies all it knows of types for each field that it meets first, which takes
	// a new process longer than a whole render.
	data, err := json.Marshal(obj)
	if err != nil {
		return nil, fmt.Errorf("converting %T: %w", obj, err)
	}
	var content map[string]any
	if err := kjson.UnmarshalCaseSensitivePreserveInts(data, &content); err != nil {
		return nil, fmt.Errorf("converting %T: %w", obj, err)
	}
	delete(content, "status")
	dropNullTimestamps(content)
	return &unstructured.Unstructured{Object: content}, nil
}

// ToTyped reads an object into its type, strictly: a field that the type does not know is an error.
func ToTyped(obj *unstructured.Unstructured, into runtime.Object) error {
	data, err := json.Marshal(obj.Object)
	if err != nil {
		return fmt.Errorf("converting %s/%s: %w", obj.GetKind(), obj.GetName(), err)
	}
	strict, err := kjson.UnmarshalStrict(data, into)
	return errors.Join(append(strict, err)...)
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
