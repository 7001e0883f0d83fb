package helm

import (
	"encoding/json"
	"fmt"
	"path"
	"regexp"
	"strings"

	"helm.sh/helm/v3/pkg/chart"

	"catalyst.dev/catalyst/render/manifest"
)

// knownSchema is a "$schema" that the validator carries with it; any other it would fetch.
var knownSchema = regexp.MustCompile(`^https?://json-schema\.org/(schema|draft-0[467]/schema|draft/2019-09/schema|draft/2020-12/schema)#?$`)

// checkSchemas refuses values.schema.json files, also of dependencies, with references that validation would follow
// to files or addresses.
func (r *renderer) checkSchemas(ch *chart.Chart, dir string) error {
	if len(ch.Schema) > 0 {
		file := r.file(path.Join(dir, "values.schema.json"))
		var schema any
		if err := json.Unmarshal(ch.Schema, &schema); err != nil {
			return &manifest.Problem{File: file, Message: err.Error(), Remedy: "correct the JSON"}
		}
		if err := checkReferences(file, "", schema); err != nil {
			return err
		}
	}
	for _, dependency := range ch.Dependencies() {
		if err := r.checkSchemas(dependency, path.Join(dir, "charts", dependency.Name())); err != nil {
			return err
		}
	}
	return nil
}

func checkReferences(file, field string, v any) error {
	switch v := v.(type) {
	case []any:
		for i, child := range v {
			if err := checkReferences(file, fmt.Sprintf("%s[%d]", field, i), child); err != nil {
				return err
			}
		}
	case map[string]any:
		for _, key := range sortedKeys(v) {
			at := strings.TrimPrefix(field+"."+key, ".")
			text, isText := v[key].(string)
			switch {
			case !isText:
				if err := checkReferences(file, at, v[key]); err != nil {
					return err
				}
			case key == "$schema" && !knownSchema.MatchString(text),
				(key == "$ref" || key == "$dynamicRef" || key == "$recursiveRef") && !strings.HasPrefix(text, "#"):
				return &manifest.Problem{File: file, Field: at, Message: fmt.Sprintf("%q leads out of the file", text),
					Remedy: `write the definition into this file and refer to it as "#/definitions/…"`}
			}
		}
	}
	return nil
}
