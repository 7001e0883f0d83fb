package compose

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	composetypes "github.com/compose-spec/compose-go/v2/types"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"catalyst.dev/catalyst/render/manifest"
)

// wordEnd joins the words of an argument list into one text.
const wordEnd = "\x00"

// conceal takes what is secret out of a pod: command lines and probes refer to variables instead, configuration comes from a
// Secret, annotations go.
func (t *translation) conceal(svc composetypes.ServiceConfig, pod *corev1.PodTemplateSpec) {
	changed := false
	for _, list := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
		for i := range list {
			changed = t.concealContainer(svc.Name, &list[i]) || changed
		}
	}
	if changed {
		t.note(svc.Name, "command", manifest.Approximated, "a secret in a command line was moved to a sealed Secret, and is read from a variable")
	}
	for i := range pod.Spec.Volumes {
		t.concealVolume(svc.Name, &pod.Spec.Volumes[i])
	}
	t.concealAnnotations(svc.Name, pod.Annotations)
	if len(pod.Annotations) == 0 {
		pod.Annotations = nil
	}
}

// concealContainer takes what is secret out of a container of a service, and reports whether there was any.
func (t *translation) concealContainer(service string, container *corev1.Container) bool {
	c := &concealer{t: t, service: service, container: container}
	c.commandLine()
	c.handlers()
	return c.moved
}

// concealer works on one container.
type concealer struct {
	t         *translation
	service   string
	container *corev1.Container
	// moved is set when a literal became a variable.
	moved bool
}

// part of a command line: plain text, or the variable that stands for a secret.
type part struct{ text, variable string }

// parts splits a text at its secrets; a single plain part when it holds none.
func (c *concealer) parts(text string, found []span, literal func(span) string) []part {
	var spans []span
	for _, m := range mark.FindAllStringIndex(text, -1) {
		spans = append(spans, span{m[0], m[1]})
	}
	spans = apart(slices.Concat(spans, found, c.t.known.spans(text)))
	var out []part
	at := 0
	for _, s := range spans {
		if strings.Contains(text[s.start:s.end], wordEnd) {
			continue
		}
		name := ""
		if m := mark.FindStringSubmatch(text[s.start:s.end]); m != nil && len(m[0]) == s.end-s.start {
			name = c.storeVariable(m[1])
		} else if value := literal(s); value != "" {
			name = c.variable(value)
		}
		if name == "" {
			continue
		}
		out = append(out, part{text: text[at:s.start]}, part{variable: name})
		at = s.end
	}
	return append(out, part{text: text[at:]})
}

// shellName is a variable that a shell can name.
var shellName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// variable of the container that holds a literal; a new one where there is none.
func (c *concealer) variable(value string) string {
	own := c.t.concealed[c.service]
	secret := c.t.names[c.service] + "-env"
	for _, e := range c.container.Env {
		if r := secretKey(e); r != nil && r.Name == secret && own[r.Key] == value && shellName.MatchString(e.Name) {
			return e.Name
		}
	}
	c.moved = true
	for n := 1; ; n++ {
		name := fmt.Sprintf("CATALYST_SECRET_%d", n)
		if held, taken := own[name]; taken && held != value || c.has(name) {
			continue
		}
		c.container.Env = append(c.container.Env, c.t.hide(c.service, name, value))
		return name
	}
}

// storeVariable of the container that holds a value of the secret store.
func (c *concealer) storeVariable(key string) string {
	for _, e := range c.container.Env {
		if r := secretKey(e); r != nil && r.Name == SecretsName && r.Key == key {
			return e.Name
		}
	}
	name := key
	if c.has(name) {
		name = "CATALYST_SECRET_" + key
	}
	c.container.Env = append(c.container.Env, fromSecret(name, SecretsName, key))
	return name
}

func (c *concealer) has(name string) bool {
	return slices.ContainsFunc(c.container.Env, func(e corev1.EnvVar) bool { return e.Name == name })
}

func secretKey(e corev1.EnvVar) *corev1.SecretKeySelector {
	if e.ValueFrom == nil {
		return nil
	}
	return e.ValueFrom.SecretKeyRef
}

// commandLine rewrites command and args, in which the kubelet expands $(NAME).
func (c *concealer) commandLine() {
	words := slices.Concat(c.container.Command, c.container.Args)
	if len(words) == 0 {
		return
	}
	text := unescape(strings.Join(words, wordEnd))
	parts := c.parts(text, argumentSpans(text), func(s span) string { return text[s.start:s.end] })
	if len(parts) == 1 {
		return
	}
	var b strings.Builder
	for i, p := range parts {
		switch {
		case p.variable != "":
			b.WriteString("$(" + p.variable + ")")
		case i+1 < len(parts):
			b.WriteString(escapeBefore(p.text, '$'))
		default:
			b.WriteString(escape(p.text))
		}
	}
	next := strings.Split(b.String(), wordEnd)
	if len(next) != len(words) { // a word held the separator
		return
	}
	n := len(c.container.Command)
	c.container.Command, c.container.Args = slices.Clip(next[:n]), next[n:]
	if n == 0 {
		c.container.Command = nil
	}
	if len(c.container.Args) == 0 {
		c.container.Args = nil
	}
}

// handlers rewrites probes and hooks, whose commands the kubelet does not expand: a shell does.
func (c *concealer) handlers() {
	for _, p := range []*corev1.Probe{c.container.ReadinessProbe, c.container.StartupProbe, c.container.LivenessProbe} {
		if p != nil {
			c.exec(p.Exec)
		}
	}
	if l := c.container.Lifecycle; l != nil {
		for _, h := range []*corev1.LifecycleHandler{l.PostStart, l.PreStop} {
			if h != nil {
				c.exec(h.Exec)
			}
		}
	}
}

func (c *concealer) exec(e *corev1.ExecAction) {
	if e == nil || len(e.Command) == 0 {
		return
	}
	if len(e.Command) == 3 && e.Command[0] == "/bin/sh" && e.Command[1] == "-c" {
		e.Command[2] = c.script(e.Command[2])
		return
	}
	text := strings.Join(e.Command, wordEnd)
	parts := c.parts(text, argumentSpans(text), func(s span) string { return text[s.start:s.end] })
	if len(parts) == 1 {
		return
	}
	var b strings.Builder
	for _, p := range parts {
		if p.variable != "" {
			b.WriteString(`"${` + p.variable + `}"`)
			continue
		}
		for i, word := range strings.Split(p.text, wordEnd) {
			if i > 0 {
				b.WriteByte(' ')
			}
			if word != "" {
				b.WriteString(shellWord(word))
			}
		}
	}
	e.Command = []string{"/bin/sh", "-c", "exec " + b.String()}
}

// script rewrites the text that a shell runs.
func (c *concealer) script(text string) string {
	parts := c.parts(text, secretSpans(text), func(s span) string {
		value := text[s.start:s.end]
		if quoteAt(text[:s.start]) != '\'' {
			value = strings.ReplaceAll(value, `\`, "")
		}
		return value
	})
	if len(parts) == 1 {
		return text
	}
	var b strings.Builder
	for _, p := range parts {
		if p.variable == "" {
			b.WriteString(p.text)
			continue
		}
		switch quoteAt(b.String()) {
		case '"':
			b.WriteString("${" + p.variable + "}")
		case '\'':
			b.WriteString(`'"${` + p.variable + `}"'`)
		default:
			b.WriteString(`"${` + p.variable + `}"`)
		}
	}
	return b.String()
}

// quoteAt is the quote that is open at the end of a shell text; 0 for none.
func quoteAt(text string) byte {
	var open byte
	for i := 0; i < len(text); i++ {
		switch ch := text[i]; {
		case ch == '\\' && open != '\'':
			i++
		case open == 0 && (ch == '"' || ch == '\''):
			open = ch
		case ch == open:
			open = 0
		}
	}
	return open
}

// hashedCredentials are what htpasswd and its like write; labels of reverse proxies hold them.
var hashedCredentials = regexp.MustCompile(`\$(?:apr1|2[abxy]|argon2[a-z]*|[156])\$`)

// concealAnnotations drops the annotations that hold a secret: nothing in a cluster reads Compose's labels.
func (t *translation) concealAnnotations(service string, annotations map[string]string) {
	dropped := false
	for key, value := range annotations {
		if mark.MatchString(value) || looksSecret(key, value) || hashedCredentials.MatchString(value) || t.known.in(value) {
			delete(annotations, key)
			dropped = true
		}
	}
	if dropped {
		t.note(service, "labels", manifest.Ignored, "labels that hold a secret are left out of the annotations")
	}
}

// refuseMarks refuses what refers to the secret store where no reference can stand: rendering never sees the value.
func (t *translation) refuseMarks() {
	for _, obj := range t.objs {
		if name := findMark(obj.Object); name != "" {
			t.errs = append(t.errs, &manifest.Problem{File: t.file, Subject: obj.GetKind() + "/" + obj.GetName(), Field: name,
				Message: "its value is known to the secret store only, and cannot stand here",
				Remedy:  "name the variable in environment, command or healthcheck, or set it in values.variables if it is no secret"})
		}
	}
}

// findMark is the name in the first mark of a value; empty when there is none.
func findMark(v any) string {
	switch v := v.(type) {
	case string:
		if m := mark.FindStringSubmatch(v); m != nil {
			return m[1]
		}
	case []any:
		for _, item := range v {
			if name := findMark(item); name != "" {
				return name
			}
		}
	case map[string]any:
		for _, key := range sortedKeys(v) {
			if name := findMark(v[key]); name != "" {
				return name
			}
		}
	}
	return ""
}

// concealedObjects adds the Secrets that hold what was concealed, and looks over the annotations of the workloads.
func (t *translation) concealedObjects() {
	for _, obj := range t.objs {
		if !slices.Contains([]string{"Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob"}, obj.GetKind()) {
			continue
		}
		annotations := obj.GetAnnotations()
		n := len(annotations)
		if t.concealAnnotations(serviceOf(obj), annotations); len(annotations) != n {
			obj.SetAnnotations(annotations)
		}
	}
	t.refuseMarks()
	for _, service := range sortedKeys(t.concealed) {
		data := map[string][]byte{}
		for name, value := range t.concealed[service] {
			data[name] = []byte(value)
		}
		t.add(&corev1.Secret{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"},
			ObjectMeta: metav1.ObjectMeta{Name: t.names[service] + "-env"}, Type: corev1.SecretTypeOpaque, Data: data})
	}
}

// serviceOf is the Compose service of a workload, under its Kubernetes name.
func serviceOf(obj *unstructured.Unstructured) string {
	return obj.GetLabels()["app.kubernetes.io/component"]
}
