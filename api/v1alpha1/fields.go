package v1alpha1

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/yaml"
)

// checkFields compares a document with its Go type: names of fields, exactly, and types of values.
func checkFields(p *problems, doc map[string]any, into Object) {
	checkValue(p, nil, doc, reflect.TypeOf(into).Elem())
}

// checkValue compares one value with the type that it is decoded into.
func checkValue(p *problems, at *field.Path, value any, t reflect.Type) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if value == nil {
		return
	}
	if reflect.PointerTo(t).Implements(reflect.TypeFor[json.Unmarshaler]()) {
		checkLeaf(p, at, value, t)
		return
	}
	switch t.Kind() {
	case reflect.Struct:
		checkStruct(p, at, value, t)
	case reflect.Map:
		entries, ok := value.(map[string]any)
		if !ok {
			p.add(at, "is %s, want a mapping", describe(value))
			return
		}
		for _, key := range slices.Sorted(maps.Keys(entries)) {
			checkValue(p, at.Key(key), entries[key], t.Elem())
		}
	case reflect.Slice:
		items, ok := value.([]any)
		if !ok {
			checkLeaf(p, at, value, t)
			return
		}
		for i, item := range items {
			checkValue(p, at.Index(i), item, t.Elem())
		}
	default:
		checkLeaf(p, at, value, t)
	}
}

// checkStruct compares the entries of a mapping with the fields of a struct.
func checkStruct(p *problems, at *field.Path, value any, t reflect.Type) {
	entries, ok := value.(map[string]any)
	if !ok {
		p.add(at, "is %s, want a mapping", describe(value))
		return
	}
	known := map[string]reflect.Type{}
	addFields(known, t)
	for _, key := range slices.Sorted(maps.Keys(entries)) {
		below := child(at, key)
		if ft, ok := known[key]; ok {
			checkValue(p, below, entries[key], ft)
			continue
		}
		remedy := ""
		if near := Nearest(key, slices.Sorted(maps.Keys(known))); near != "" {
			remedy = fmt.Sprintf("did you mean %q?", near)
		}
		p.fix(below, remedy, "unknown field")
	}
}

// addFields collects the JSON names of a struct's fields, those of inlined structs too.
func addFields(known map[string]reflect.Type, t reflect.Type) {
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case name == "-":
		case name == "" && f.Anonymous:
			addFields(known, f.Type)
		case name != "":
			known[name] = f.Type
		}
	}
}

// checkLeaf tries to decode a value on its own, so that the error can name its field.
func checkLeaf(p *problems, at *field.Path, value any, t reflect.Type) {
	data, err := json.Marshal(value)
	if err == nil {
		err = yaml.Unmarshal(data, reflect.New(t).Interface())
	}
	var mismatch *json.UnmarshalTypeError
	switch {
	case err == nil:
	case errors.As(err, &mismatch):
		p.add(at, "is %s, want %s", describe(value), wanted(t))
	default:
		p.add(at, "%s", plainYAMLError(err))
	}
}

// wanted names what a type is written as.
func wanted(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.String:
		return "text"
	case reflect.Slice:
		return "a list"
	case reflect.Int, reflect.Int32, reflect.Int64:
		return "a whole number"
	}
	return t.Name()
}

// describe names what a value is.
func describe(value any) string {
	switch v := value.(type) {
	case map[string]any:
		return "a mapping"
	case []any:
		return "a list"
	case string:
		return fmt.Sprintf("%q", v)
	}
	return fmt.Sprint(value)
}

// Nearest returns the name that takes the fewest edits to get to, or "" when none is near.
func Nearest(got string, names []string) string {
	best, fewest := "", max(2, len(got)/3)+1
	if len(got) > 64 {
		return ""
	}
	for _, name := range names {
		if d := distance(strings.ToLower(got), strings.ToLower(name)); d < fewest {
			best, fewest = name, d
		}
	}
	return best
}

// distance is the Levenshtein distance of two strings, in bytes.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j+1]+1, row[j]+1)
		}
	}
	return row[len(b)]
}
