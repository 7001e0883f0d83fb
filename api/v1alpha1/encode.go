package v1alpha1

import (
	"fmt"
	"reflect"

	"k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/yaml"
)

// MarshalYAML encodes an object as it stands in the environments repository: apiVersion, kind, metadata, spec, keys
// sorted below, without empty structs. The same object gives the same bytes, and Decode reads them back.
func MarshalYAML(obj Object) ([]byte, error) {
	clone, ok := obj.DeepCopyObject().(Object)
	if !ok {
		return nil, fmt.Errorf("encoding %T: its copy is none of the kinds", obj)
	}
	clone.GetObjectKind().SetGroupVersionKind(GroupVersion.WithKind(kindOf(obj)))
	if p, ok := clone.(*Project); ok {
		var untouched Project
		untouched.SetDefaults()
		if reflect.DeepEqual(p.Spec.Previews, untouched.Spec.Previews) {
			p.Spec.Previews = Previews{}
		}
	}
	data, err := json.Marshal(clone)
	if err != nil {
		return nil, fmt.Errorf("encoding %s %s: %w", kindOf(obj), obj.GetName(), err)
	}
	var doc map[string]any
	if err := json.Unmarshal(data, &doc); err != nil {
		return nil, fmt.Errorf("encoding %s %s: %w", kindOf(obj), obj.GetName(), err)
	}
	prune(doc)
	// The sorted order of the top-level keys is the wanted one.
	return yaml.Marshal(doc)
}

// prune drops nulls and empty mappings that structs without omitempty leave behind. Values are the user's: an empty mapping
// there may mean something, as an empty selector does.
func prune(doc map[string]any) {
	for key, value := range doc {
		if key == "values" || key == "selector" {
			continue
		}
		switch v := value.(type) {
		case nil:
			delete(doc, key)
		case map[string]any:
			if prune(v); len(v) == 0 {
				delete(doc, key)
			}
		case []any:
			for _, item := range v {
				if m, ok := item.(map[string]any); ok {
					prune(m)
				}
			}
		}
	}
}
