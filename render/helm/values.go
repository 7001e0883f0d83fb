package helm

import (
	"fmt"
	"io/fs"

	"helm.sh/helm/v3/pkg/chartutil"

	"catalyst.dev/catalyst/render/manifest"
)

// readValues merges the values files in order and puts values on top, as helm does with -f and --set.
func readValues(source fs.FS, files []string, values map[string]any) (map[string]any, error) {
	merged := map[string]any{}
	for i, name := range files {
		field := fmt.Sprintf("valuesFiles[%d]", i)
		clean, err := manifest.CleanPath(field, ".", name)
		if err != nil {
			return nil, err
		}
		data, err := fs.ReadFile(source, clean)
		if err != nil {
			return nil, &manifest.Problem{File: clean, Field: field, Message: "reading: " + err.Error(),
				Remedy: "name a file of the source, relative to its root"}
		}
		if err := manifest.CheckYAML(clean, data); err != nil {
			return nil, err
		}
		got, err := chartutil.ReadValues(data)
		if err != nil {
			return nil, &manifest.Problem{File: clean, Message: err.Error(), Remedy: "correct the YAML"}
		}
		merge(merged, got)
	}
	merge(merged, copyMap(values))
	return merged, nil
}

// merge puts src over dst: maps are merged, everything else, null too, replaces.
func merge(dst, src map[string]any) {
	for key, value := range src {
		if from, ok := value.(map[string]any); ok {
			if into, ok := dst[key].(map[string]any); ok {
				merge(into, from)
				continue
			}
		}
		dst[key] = value
	}
}

func copyMap(m map[string]any) map[string]any {
	out := make(map[string]any, len(m))
	for key, value := range m {
		out[key] = copyValue(value)
	}
	return out
}

func copyValue(v any) any {
	switch v := v.(type) {
	case map[string]any:
		return copyMap(v)
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = copyValue(v[i])
		}
		return out
	}
	return v
}
