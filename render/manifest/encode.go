package manifest

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	yamlv2 "go.yaml.in/yaml/v2"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// maxFileName keeps file names below the 255 bytes that file systems take.
const maxFileName = 200

// Encode writes one object as YAML, keys sorted. The same object gives the same bytes.
func Encode(obj *unstructured.Unstructured) ([]byte, error) {
	// sigs.k8s.io/yaml writes JSON and reads that as YAML first, to the same end for most objects.
	marshal := yamlv2.Marshal
	if !isPlain(obj.Object) {
		marshal = func(v any) ([]byte, error) { return yaml.Marshal(v) }
	}
	data, err := marshal(obj.Object)
	if err != nil {
		return nil, fmt.Errorf("encoding %s: %w", subject(obj), err)
	}
	return data, nil
}

// isPlain reports whether a value holds only what JSON would not change: text in UTF-8, and no fractions, of which JSON may make
// whole numbers.
func isPlain(v any) bool {
	switch v := v.(type) {
	case float32, float64:
		return false
	case string:
		return utf8.ValidString(v)
	case []any:
		for _, child := range v {
			if !isPlain(child) {
				return false
			}
		}
	case map[string]any:
		for key, child := range v {
			if !utf8.ValidString(key) || !isPlain(child) {
				return false
			}
		}
	}
	return true
}

// FileName is <kind>-<name>.yaml in lower case. A name that is no plain file name is made one, with a hash of the
// original so that two of them do not meet.
func FileName(obj *unstructured.Unstructured) string {
	full := obj.GetKind() + "-" + obj.GetName()
	plain := strings.Map(plainRune, full)
	if strings.Map(plainRune, obj.GetName()) != obj.GetName() || len(plain) > maxFileName {
		plain = plain[:min(len(plain), maxFileName)] + "-" + shortHash(full)
	}
	return plain + ".yaml"
}

// FileNames gives every object its own file name, in the objects' order. One object that stands twice is a Problem.
func FileNames(objs []*unstructured.Unstructured) ([]string, error) {
	seen := map[string]bool{}
	count := map[string]int{}
	var errs []error
	for _, obj := range objs {
		if id := identity(obj); seen[id] {
			errs = append(errs, &Problem{Subject: subject(obj), Field: "metadata.name",
				Message: fmt.Sprintf("two objects are both %s (%s)", subject(obj), obj.GetAPIVersion()),
				Remedy:  "remove one of them or rename it"})
		}
		seen[identity(obj)] = true
		count[FileName(obj)]++
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	names := make([]string, len(objs))
	for i, obj := range objs {
		names[i] = FileName(obj)
		if count[names[i]] > 1 { // one kind in two API groups
			names[i] = strings.TrimSuffix(names[i], ".yaml") + "-" + shortHash(identity(obj)) + ".yaml"
		}
	}
	return names, nil
}

// identity is what the API server tells objects apart by; all of them share the environment's namespace.
func identity(obj *unstructured.Unstructured) string {
	gvk := obj.GroupVersionKind()
	return gvk.Group + "/" + gvk.Kind + "/" + obj.GetName()
}

func subject(obj *unstructured.Unstructured) string { return obj.GetKind() + "/" + obj.GetName() }

func plainRune(r rune) rune {
	switch {
	case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '-', r == '.':
		return r
	case r >= 'A' && r <= 'Z':
		return r + ('a' - 'A')
	}
	return '-'
}

func shortHash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])[:8]
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
