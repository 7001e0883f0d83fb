package compose

import (
	"cmp"
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"

	composetypes "github.com/compose-spec/compose-go/v2/types"
	corev1 "k8s.io/api/core/v1"

	"catalyst.dev/catalyst/render/manifest"
)

var (
	// mark is a variable that only the secret store knows.
	mark = regexp.MustCompile(secretStart + `([A-Za-z_][A-Za-z0-9_]*)` + secretEnd)
	// kubeletReference is what the kubelet expands in a command or a variable.
	kubeletReference = regexp.MustCompile(`^\$\(([A-Za-z_][A-Za-z0-9_]*)\)`)
	envName          = regexp.MustCompile(`^[-._a-zA-Z][-._a-zA-Z0-9]*$`)
)

// variableState is what a translation knows of variables and their secrets.
type variableState struct {
	// known are the secret values of the application's variables.
	known knownSecrets
	// concealed holds the values that must not stand in a manifest, by service and variable.
	concealed map[string]map[string]string
	// sealedConfigs holds the Secrets that took the place of ConfigMaps, whose names lead to nothing when they stayed.
	sealedConfigs map[string]string
	// configMaps finds those among the first indexed objects.
	configMaps   map[string]int
	indexed      int
	envFileCache map[string]map[string]string
}

func newVariableState() variableState {
	return variableState{concealed: map[string]map[string]string{}, sealedConfigs: map[string]string{},
		configMaps: map[string]int{}, envFileCache: map[string]map[string]string{}}
}

// environment of a service: env files, then environment, then values.services.<name>, the last winning. A value of the
// secret store is referred to; others that look like secrets go into a Secret of the service's own, which is sealed later.
func (t *translation) environment(svc composetypes.ServiceConfig) []corev1.EnvVar {
	values, overridden := t.environmentValues(svc)
	bound := t.storeVariables(values, overridden)
	var refs, env, marked []corev1.EnvVar
	var moved []string
	for _, key := range sortedKeys(bound) {
		refs = append(refs, fromSecret(bound[key], SecretsName, key))
	}
	for _, name := range sortedKeys(values) {
		value := t.renamed(svc.Name, name, values[name])
		switch {
		case !envName.MatchString(name):
			t.refuseKey(svc.Name, "environment", fmt.Sprintf("%q is not a variable name", name), "use letters, digits and _")
		case slices.ContainsFunc(refs, func(e corev1.EnvVar) bool { return e.Name == name }): // it is there already
		case mark.MatchString(value):
			marked = append(marked, corev1.EnvVar{Name: name, Value: withMarks(value, bound)})
		case looksSecret(name, value) || t.known.in(value):
			env = append(env, t.hide(svc.Name, name, value))
			if !isFlag(value) {
				moved = append(moved, name)
			}
		default:
			env = append(env, corev1.EnvVar{Name: name, Value: escape(value)})
		}
	}
	if len(moved) > 0 {
		t.note(svc.Name, "environment", manifest.Approximated,
			"looks like a secret and was moved to a sealed Secret, but everybody who reads the repository has it: "+shortList(moved))
	}
	// What refers to a variable must stand after it.
	return slices.Concat(refs, env, marked)
}

// shortList names a few.
func shortList(names []string) string {
	if most := 5; len(names) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	return strings.Join(names, ", ")
}

// hide puts a value into the service's own Secret.
func (t *translation) hide(service, name, value string) corev1.EnvVar {
	if t.concealed[service] == nil {
		t.concealed[service] = map[string]string{}
	}
	t.concealed[service][name] = value
	return fromSecret(name, t.names[service]+"-env", name)
}

// environmentValues are a service's variables with their values, and the names that values.services sets.
func (t *translation) environmentValues(svc composetypes.ServiceConfig) (values map[string]string, overridden map[string]bool) {
	values, overridden = t.envFiles(svc), map[string]bool{}
	for _, name := range sortedKeys(svc.Environment) {
		if v := svc.Environment[name]; v != nil {
			values[name] = *v
		} else if v, ok := t.variable(name); ok { // a null value is the project's variable, never the process's
			values[name] = v
		}
	}
	t.modelVariables(svc, values)
	for _, key := range []string{"environment", "env"} {
		own, _ := t.serviceValues(svc.Name)[key].(map[string]any)
		for name, v := range own {
			values[name], overridden[name] = scalar(v), true
		}
	}
	return values, overridden
}

// variable of the project, or a mark for one that the secret store knows.
func (t *translation) variable(name string) (string, bool) {
	if t.store[name] {
		return secretStart + name + secretEnd, true
	}
	v, ok := t.variables[name]
	return v, ok
}

// storeVariables are the keys of the secret store that the values refer to, with the variable that holds each. A variable
// that has a key's very name takes the key's value.
func (t *translation) storeVariables(values map[string]string, overridden map[string]bool) map[string]string {
	bound := map[string]string{}
	for name, value := range values {
		if t.store[name] && !overridden[name] {
			bound[name] = name
		}
		for _, m := range mark.FindAllStringSubmatch(value, -1) {
			if _, known := bound[m[1]]; !known {
				bound[m[1]] = m[1]
			}
		}
	}
	for key := range bound {
		if _, taken := values[key]; taken && (overridden[key] || !t.store[key]) {
			bound[key] = "CATALYST_SECRET_" + key
		}
	}
	return bound
}

// withMarks writes a value with marks as the kubelet expands it.
func withMarks(value string, bound map[string]string) string {
	var b strings.Builder
	at := 0
	for _, m := range mark.FindAllStringSubmatchIndex(value, -1) {
		b.WriteString(escapeBefore(value[at:m[0]], '$'))
		b.WriteString("$(" + bound[value[m[2]:m[3]]] + ")")
		at = m[1]
	}
	b.WriteString(escape(value[at:]))
	return b.String()
}

func fromSecret(name, secret, key string) corev1.EnvVar {
	return corev1.EnvVar{Name: name, ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{
		LocalObjectReference: corev1.LocalObjectReference{Name: secret}, Key: key,
	}}}
}

// envFiles are the variables of env_file, the later file winning.
func (t *translation) envFiles(svc composetypes.ServiceConfig) map[string]string {
	values := map[string]string{}
	for i, f := range svc.EnvFiles {
		key, file := fmt.Sprintf("env_file[%d]", i), path.Clean(f.Path)
		switch {
		case f.Format != "" && f.Format != "raw":
			t.refuseKey(svc.Name, key, fmt.Sprintf("the format %q is unknown", f.Format), "use raw, or leave the format out")
			continue
		case !isFile(t.in.Source, file):
			if f.Required {
				t.refuseKey(svc.Name, key, fmt.Sprintf("%q is not in the repository", f.Path), "commit it, set required: false, or set its variables in values.services."+svc.Name+".environment")
			}
			continue
		}
		read, err := t.readEnvFile(file, f.Format)
		if err != nil {
			t.errs = append(t.errs, err)
			continue
		}
		maps.Copy(values, read)
	}
	return values
}

// readEnvFile parses an env file once, however many services name it.
func (t *translation) readEnvFile(file, format string) (map[string]string, error) {
	id := format + ":" + file
	if read, ok := t.envFileCache[id]; ok {
		return read, nil
	}
	read, err := readEnv(t.in.Source, file, format, t.variable)
	if err != nil {
		return nil, err
	}
	t.envFileCache[id] = read
	return read, nil
}

// modelVariables tell a service where its models are.
func (t *translation) modelVariables(svc composetypes.ServiceConfig, values map[string]string) {
	endpoints, _ := t.in.Values["models"].(map[string]any)
	for _, name := range sortedKeys(svc.Models) {
		own, _ := endpoints[name].(map[string]any)
		url, model := scalar(own["url"]), scalar(own["model"])
		if url == "" {
			t.refuseKey(svc.Name, "models."+name, "the cluster runs no models", "set values.models."+name+".url (and model) to an endpoint that serves it")
			continue
		}
		if model == "" {
			model = t.project.Models[name].Model
		}
		prefix := strings.ToUpper(regexp.MustCompile(`[^A-Za-z0-9]+`).ReplaceAllString(name, "_"))
		urlName, modelName := prefix+"_URL", prefix+"_MODEL"
		if c := svc.Models[name]; c != nil {
			urlName, modelName = cmp.Or(c.EndpointVariable, urlName), cmp.Or(c.ModelVariable, modelName)
		}
		for variable, value := range map[string]string{urlName: url, modelName: model} {
			if _, set := values[variable]; !set {
				values[variable] = value
			}
		}
	}
}

// escape keeps the kubelet from expanding $(NAME) and from halving $$: Compose knows neither.
func escape(s string) string { return escapeBefore(s, 0) }

// escapeBefore escapes a text that next follows.
func escapeBefore(s string, next byte) string {
	if !strings.Contains(s, "$") {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		b.WriteByte(s[i])
		after := next
		if i+1 < len(s) {
			after = s[i+1]
		}
		if s[i] == '$' && (after == '$' || after == '(') {
			b.WriteByte('$')
		}
	}
	return b.String()
}

// unescape is what the kubelet makes of an escaped text; a reference that stands in it becomes a mark again.
func unescape(s string) string {
	if !strings.Contains(s, "$") {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		reference := kubeletReference.FindStringSubmatch(s[i:])
		switch {
		case strings.HasPrefix(s[i:], "$$"):
			b.WriteByte('$')
			i++
		case reference != nil:
			b.WriteString(secretStart + reference[1] + secretEnd)
			i += len(reference[0]) - 1
		default:
			b.WriteByte(s[i])
		}
	}
	return b.String()
}

func escapeAll(list []string) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = escape(s)
	}
	return out
}
