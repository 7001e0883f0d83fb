package kustomize

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"catalyst.dev/catalyst/render/manifest"
)

// place is where a plugin's configuration stands; paths in it are relative to dir.
type place struct{ file, field, dir string }

// plugin checks the configuration of generators and transformers: built-in ones only, with the paths that they name.
func (s *scan) plugin(ctx context.Context, at place, content []byte) error {
	name, field, dir := at.file, at.field, at.dir
	if err := manifest.CheckYAML(name, content); err != nil {
		return err
	}
	objs, err := manifest.Decode(name, content)
	if err != nil {
		return err
	}
	for _, obj := range objs {
		for key := range obj.GetAnnotations() {
			if strings.HasSuffix(key, "/function") {
				return &manifest.Problem{File: name, Field: "metadata.annotations." + key,
					Message: "functions are programs, and none is run", Remedy: "use a built-in transformer"}
			}
		}
		if obj.GetAPIVersion() != "builtin" || obj.GetKind() == "HelmChartInflationGenerator" {
			return &manifest.Problem{File: name, Field: field, Subject: obj.GetKind() + "/" + obj.GetName(),
				Message: fmt.Sprintf("plugin %s of %q is not run", obj.GetKind(), obj.GetAPIVersion()),
				Remedy:  "use a built-in generator or transformer (apiVersion: builtin)"}
		}
		for _, ref := range pluginReferences(obj.Object) {
			if err := s.reference(ctx, name, dir, ref); err != nil {
				return err
			}
		}
	}
	return nil
}

// pluginReferences lists the paths in a plugin's configuration. Keys are matched in any case, as the library does.
// A path under fieldSpecs names a field, not a file.
func pluginReferences(object map[string]any) []reference {
	var refs []reference
	for _, key := range slices.Sorted(maps.Keys(object)) {
		value := object[key]
		switch strings.ToLower(key) {
		case "files", "envs":
			for i, v := range list(value) {
				if text, ok := v.(string); ok {
					refs = append(refs, reference{fmt.Sprintf("%s[%d]", key, i), filePart(text), data})
				}
			}
		case "paths":
			for i, v := range list(value) {
				if text, ok := v.(string); ok {
					refs = append(refs, reference{fmt.Sprintf("%s[%d]", key, i), text, patch})
				}
			}
		case "env":
			if text, ok := value.(string); ok && text != "" {
				refs = append(refs, reference{key, text, data})
			}
		case "path":
			if text, ok := value.(string); ok && text != "" {
				refs = append(refs, reference{key, text, file})
			}
		case "replacements":
			for i, v := range list(value) {
				entry, _ := v.(map[string]any)
				for inner, v := range entry {
					if text, ok := v.(string); ok && strings.EqualFold(inner, "path") {
						refs = append(refs, reference{fmt.Sprintf("%s[%d].path", key, i), text, file})
					}
				}
			}
		}
	}
	return refs
}

func list(v any) []any {
	l, _ := v.([]any)
	return l
}
