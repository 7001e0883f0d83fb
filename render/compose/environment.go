package compose

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"strings"

	composetypes "github.com/compose-spec/compose-go/v2/types"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"catalyst.dev/catalyst/render/manifest"
)

var (
	secretName = regexp.MustCompile(`(?i)(PASSWORD|PASSWD|PASSPHRASE|SECRET|TOKEN|CREDENTIAL|PRIVATE_?KEY|API_?KEY|ACCESS_?KEY|(^|_)(KEY|PASS|PWD)$)`)
	// credentials in a URL: scheme://user:password@host.
	secretURL = regexp.MustCompile(`(?i)[a-z][a-z0-9+.-]*://[^/\s:@]*:[^/\s@]+@`)
	// mark is a variable that only the secret store knows.
	mark    = regexp.MustCompile(secretStart + `([A-Z_][A-Z0-9_]*)` + secretEnd)
	envName = regexp.MustCompile(`^[-._a-zA-Z][-._a-zA-Z0-9]*$`)
)

// looksSecret reports whether a variable's value must not stand in a manifest.
func looksSecret(name, value string) bool {
	if value == "" {
		return false
	}
	// A path to a secret (POSTGRES_PASSWORD_FILE) is none, and flags about one (ALLOW_EMPTY_PASSWORD: "yes") are none either.
	if secretName.MatchString(name) && !strings.HasSuffix(strings.ToUpper(name), "_FILE") && !isFlag(value) {
		return true
	}
	return secretURL.MatchString(value)
}

func isFlag(value string) bool {
	switch strings.ToLower(value) {
	case "yes", "no", "true", "false", "0", "1", "on", "off":
		return true
	}
	return false
}

// environment of a service: env files, then environment, then values.services.<name>.environment, the last winning.
// Values that look like secrets go into a Secret of the service's own, which is sealed later.
func (t *translation) environment(svc composetypes.ServiceConfig) []corev1.EnvVar {
	values := t.envFiles(svc)
	for _, name := range sortedKeys(svc.Environment) {
		if v := svc.Environment[name]; v != nil {
			values[name] = *v
		} else if v, ok := t.variables[name]; ok { // a null value is the project's variable, never the process's
			values[name] = v
		}
	}
	overrides, _ := t.serviceValues(svc.Name)["environment"].(map[string]any)
	for _, name := range sortedKeys(overrides) {
		values[name] = fmt.Sprint(overrides[name])
	}
	var env, marked []corev1.EnvVar
	secret := map[string][]byte{}
	secretRefs := map[string]bool{}
	for _, name := range sortedKeys(values) {
		value := t.renamed(svc.Name, name, values[name])
		switch {
		case !envName.MatchString(name):
			t.refuseKey(svc.Name, "environment", fmt.Sprintf("%q is not a variable name", name), "use letters, digits and _")
		case strings.ContainsAny(value, secretStart+secretEnd):
			for _, m := range mark.FindAllStringSubmatch(value, -1) {
				secretRefs[m[1]] = true
			}
			marked = append(marked, corev1.EnvVar{Name: name, Value: mark.ReplaceAllString(escape(value), "$($1)")})
		case looksSecret(name, value):
			secret[name] = []byte(value)
			env = append(env, fromSecret(name, t.names[svc.Name]+"-env", name))
			t.note(svc.Name, "environment."+name, manifest.Approximated,
				"looks like a secret: it was moved to a sealed Secret; keep it out of the repository with catalyst secret set")
		default:
			env = append(env, corev1.EnvVar{Name: name, Value: escape(value)})
		}
	}
	if len(secret) > 0 {
		t.add(&corev1.Secret{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"},
			ObjectMeta: metav1.ObjectMeta{Name: t.names[svc.Name] + "-env"}, Type: corev1.SecretTypeOpaque, Data: secret})
	}
	// What refers to a variable must stand after it.
	var refs []corev1.EnvVar
	for _, name := range sortedKeys(secretRefs) {
		refs = append(refs, fromSecret(name, SecretsName, name))
	}
	return append(append(refs, env...), marked...)
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
		key := fmt.Sprintf("env_file[%d]", i)
		read, err := readEnv(t.in.Source, path.Clean(f.Path), t.variables)
		if errors.Is(err, fs.ErrNotExist) || err != nil && !isFile(t.in.Source, path.Clean(f.Path)) {
			if f.Required {
				t.refuseKey(svc.Name, key, fmt.Sprintf("%q is not in the repository", f.Path), "commit it, or set required: false")
			}
			continue
		}
		if err != nil {
			t.refuseKey(svc.Name, key, err.Error(), "correct the file")
			continue
		}
		for k, v := range read {
			values[k] = v
		}
	}
	return values
}

// escape keeps the kubelet from expanding $(NAME): Compose knows no such thing.
func escape(s string) string { return strings.ReplaceAll(s, "$(", "$$(") }

func escapeAll(list []string) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = escape(s)
	}
	return out
}
