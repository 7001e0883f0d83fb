package compose

import (
	"bytes"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"strings"

	"github.com/compose-spec/compose-go/v2/dotenv"

	"catalyst.dev/catalyst/render/manifest"
)

// environment is what variables are interpolated from: .env, values.variables, Catalyst's own, the last winning.
func (l *fileLoader) environment(dir string) (map[string]string, error) {
	env := map[string]string{}
	given, err := valueVariables(l.in.Values)
	if err != nil {
		return nil, err
	}
	maps.Copy(given, l.in.Variables)
	if dotEnv := path.Join(dir, ".env"); isFile(l.in.Source, dotEnv) {
		if env, err = readEnv(l.in.Source, dotEnv, "", l.among(given)); err != nil {
			return nil, err
		}
	}
	maps.Copy(env, given)
	env["COMPOSE_PROJECT_NAME"] = l.in.ProjectName
	return env, nil
}

// valueVariables are values.variables as text.
func valueVariables(values map[string]any) (map[string]string, error) {
	out := map[string]string{}
	given, ok := values["variables"]
	if !ok || given == nil {
		return out, nil
	}
	m, ok := given.(map[string]any)
	if !ok {
		return nil, &manifest.Problem{File: "project.yaml", Field: "values.variables", Message: "not a mapping", Remedy: "write NAME: value"}
	}
	for _, k := range sortedKeys(m) {
		if !isScalar(m[k]) {
			return nil, &manifest.Problem{File: "project.yaml", Field: "values.variables." + k, Message: "not a single value", Remedy: "write it as text"}
		}
		if out[k] = scalar(m[k]); strings.ContainsAny(out[k], secretStart+secretEnd) {
			return nil, reserved("project.yaml", "values.variables."+k)
		}
	}
	return out, nil
}

// among looks variables up, and in the secret store after them.
func (l *fileLoader) among(env map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		if v, ok := env[name]; ok {
			return v, true
		}
		return secretStart + name + secretEnd, l.store[name]
	}
}

// readEnv parses an env file of the source. Variables in it are looked up with lookup, never in the process.
func readEnv(source fs.FS, file, format string, lookup func(string) (string, bool)) (map[string]string, error) {
	data, err := readFile(source, file, maxFileSize)
	if err != nil {
		return nil, err
	}
	if bytes.ContainsAny(data, secretStart+secretEnd) {
		return nil, reserved(file, "")
	}
	if format == "raw" {
		return rawEnv(string(data), lookup), nil
	}
	if err := checkNesting(file, "", string(data)); err != nil {
		return nil, err
	}
	size := 0
	out, err := dotenv.ParseWithLookup(bytes.NewReader(data), func(k string) (string, bool) {
		v, ok := lookup(k)
		if size += len(v); size > maxInterpolated {
			return "", false // the parser has no way to be stopped; the size is refused below
		}
		return v, ok
	})
	if size > maxInterpolated {
		return nil, &manifest.Problem{File: file, Message: fmt.Sprintf("the interpolated text is larger than %d bytes", maxInterpolated), Remedy: "use smaller variables"}
	}
	if err != nil {
		return nil, &manifest.Problem{File: file, Message: "not a valid env file: " + lineOf(err), Remedy: "write NAME=value lines"}
	}
	return out, nil
}

// reserved refuses the runes that mark variables of the secret store.
func reserved(file, field string) error {
	return &manifest.Problem{File: file, Field: field, Message: "the text holds a reserved character", Remedy: "remove U+E0C5 and U+E0C6"}
}

// rawEnv takes the lines of an env file as they are.
func rawEnv(text string, lookup func(string) (string, bool)) map[string]string {
	out := map[string]string{}
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		name, value, ok := strings.Cut(line, "=")
		name = strings.TrimSpace(name)
		if name == "" || strings.HasPrefix(name, "#") {
			continue
		}
		if !ok {
			if value, ok = lookup(name); !ok {
				continue
			}
		}
		out[name] = value
	}
	return out
}

// lineOf is an env file's error without the file's content, which may be secret.
func lineOf(err error) string {
	s, _, _ := strings.Cut(err.Error(), "\n")
	if i := strings.Index(s, "\""); i >= 0 {
		s = strings.TrimSpace(s[:i])
	}
	return s
}
