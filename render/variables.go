package render

import (
	"fmt"
	"regexp"

	"catalyst.dev/catalyst/render/manifest"
)

// variable is a reference to one of the variables that Catalyst provides. Anything else that looks like one is a
// matter of the template's own language and is left alone.
var variable = regexp.MustCompile(`\$\{(CATALYST_[A-Z_]+)\}`)

// expand replaces the provided variables in every string of v, which it changes in place. field is where v stands in project.yaml.
func expand(v map[string]any, vars map[string]string, field string) (map[string]any, error) {
	for _, k := range sortedKeys(v) {
		next, err := expandValue(v[k], vars, field+"."+k)
		if err != nil {
			return nil, err
		}
		v[k] = next
	}
	return v, nil
}

func expandValue(v any, vars map[string]string, field string) (any, error) {
	switch v := v.(type) {
	case string:
		return expandText(v, vars, field)
	case map[string]any:
		return expand(v, vars, field)
	case []any:
		for i := range v {
			next, err := expandValue(v[i], vars, fmt.Sprintf("%s[%d]", field, i))
			if err != nil {
				return nil, err
			}
			v[i] = next
		}
	}
	return v, nil
}

func expandText(s string, vars map[string]string, field string) (string, error) {
	var unknown string
	out := variable.ReplaceAllStringFunc(s, func(ref string) string {
		name := variable.FindStringSubmatch(ref)[1]
		value, ok := vars[name]
		if !ok {
			unknown = name
		}
		return value
	})
	if unknown != "" {
		return "", &manifest.Problem{File: "project.yaml", Field: field, Message: "unknown variable " + unknown,
			Remedy: "use one of: " + joinNames(sortedKeys(vars))}
	}
	return out, nil
}
