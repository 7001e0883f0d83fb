package compose

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"catalyst.dev/catalyst/render/manifest"
)

// valueKeys are what values may hold, and what values.services.<name> may.
var (
	valueKeys        = []string{"variables", "profiles", "services", "models"}
	serviceValueKeys = []string{"replicas", "image", "resources", "environment", "env"}
)

// serviceValues are values.services.<name>.
func (t *translation) serviceValues(service string) map[string]any {
	services, _ := t.in.Values["services"].(map[string]any)
	own, _ := services[service].(map[string]any)
	return own
}

// scalar is a single value as text, numbers without an exponent.
func scalar(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return fmt.Sprint(v)
}

func isScalar(v any) bool {
	switch v.(type) {
	case nil, string, bool, int, int64, float64:
		return true
	}
	return false
}

// valueProblem collects a fault of the values.
func (t *translation) valueProblem(field, message, remedy string) {
	t.errs = append(t.errs, &manifest.Problem{File: "project.yaml", Field: "values." + field, Message: message, Remedy: remedy})
}

// checkValues refuses values that nothing reads: a misspelt one would be missed only when it matters.
func (t *translation) checkValues() {
	for _, key := range sortedKeys(t.in.Values) {
		if !slices.Contains(valueKeys, key) && !strings.HasPrefix(key, "x-") {
			t.valueProblem(key, "no value of this name is read", "use one of: "+strings.Join(valueKeys, ", "))
		}
	}
	if v := t.in.Values["services"]; v != nil {
		services, ok := v.(map[string]any)
		if !ok {
			t.valueProblem("services", "not a mapping", "write <service>: {replicas: 2}")
		}
		for _, name := range sortedKeys(services) {
			t.checkServiceValues(name, services[name])
		}
	}
	if v, ok := t.in.Values["models"].(map[string]any); ok {
		for _, name := range sortedKeys(v) {
			own, isMap := v[name].(map[string]any)
			if !isMap || !isScalar(own["url"]) || !isScalar(own["model"]) {
				t.valueProblem("models."+name, "not a mapping of url and model", "write "+name+": {url: https://…, model: …}")
			}
		}
	} else if t.in.Values["models"] != nil {
		t.valueProblem("models", "not a mapping", "write <model>: {url: https://…}")
	}
}

func (t *translation) checkServiceValues(name string, v any) {
	at := "services." + name
	if _, enabled := t.project.Services[name]; !enabled {
		if _, known := t.project.DisabledServices[name]; !known {
			t.valueProblem(at, "the application has no such service", "use one of: "+strings.Join(sortedKeys(t.project.Services), ", "))
			return
		}
	}
	own, ok := v.(map[string]any)
	if !ok && v != nil {
		t.valueProblem(at, "not a mapping", "use "+strings.Join(serviceValueKeys, ", "))
		return
	}
	for _, key := range sortedKeys(own) {
		switch key {
		case "replicas":
			if n, ok := wholeNumber(own[key]); !ok || n < 0 {
				t.valueProblem(at+".replicas", fmt.Sprintf("%v is not a whole number", own[key]), "write it as 2, without quotes")
			}
		case "image":
			if s, isText := own[key].(string); !isText || s == "" || strings.ContainsAny(s, " \t\n") {
				t.valueProblem(at+".image", fmt.Sprintf("%v is not an image", own[key]), `write it as "nginx:1.29"`)
			}
		case "resources":
			t.checkResources(at+".resources", own[key])
		case "environment", "env":
			t.checkVariables(at+"."+key, own[key])
		default:
			t.valueProblem(at+"."+key, "not a value that a service has", "use one of: "+strings.Join(serviceValueKeys, ", "))
		}
	}
}

func (t *translation) checkResources(at string, v any) {
	fields, ok := v.(map[string]any)
	if !ok {
		t.valueProblem(at, "not a mapping", "write {limits: {memory: 512Mi}, requests: {cpu: 100m}}")
		return
	}
	for _, field := range sortedKeys(fields) {
		list, isMap := fields[field].(map[string]any)
		if field != "limits" && field != "requests" || !isMap {
			t.valueProblem(at+"."+field, "not limits or requests", "write {limits: {memory: 512Mi}, requests: {cpu: 100m}}")
			continue
		}
		for _, name := range sortedKeys(list) {
			if name != "cpu" && name != "memory" && name != "ephemeral-storage" && !strings.Contains(name, "/") {
				t.valueProblem(at+"."+field+"."+name, "not a resource of a container", "use cpu, memory, ephemeral-storage, or the name of a device such as nvidia.com/gpu")
				continue
			}
			if _, err := parseQuantity(list[name]); err != nil {
				t.valueProblem(at+"."+field+"."+name, fmt.Sprintf("%v is not a quantity", list[name]), `write it as "500m" or "256Mi"`)
			}
		}
	}
}

func (t *translation) checkVariables(at string, v any) {
	variables, ok := v.(map[string]any)
	if !ok && v != nil {
		t.valueProblem(at, "not a mapping", "write NAME: value")
	}
	for _, name := range sortedKeys(variables) {
		if !envName.MatchString(name) {
			t.valueProblem(at+"."+name, "not a variable name", "use letters, digits and _")
		} else if !isScalar(variables[name]) {
			t.valueProblem(at+"."+name, "not a single value", "write it as text")
		}
	}
}

// wholeNumber reads a number of values; text is none.
func wholeNumber(v any) (int64, bool) {
	switch v := v.(type) {
	case int:
		return int64(v), true
	case int64:
		return v, true
	case uint64:
		return int64(v), v < 1<<62
	case float64:
		return int64(v), v == float64(int64(v)) && v > -1e15 && v < 1e15
	}
	return 0, false
}
