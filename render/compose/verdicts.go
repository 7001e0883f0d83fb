package compose

import (
	"cmp"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"catalyst.dev/catalyst/render/manifest"
)

// KeyVerdict is what becomes of one key of the Compose specification.
type KeyVerdict struct {
	// Path of the key, such as "services.*.build.args"; "*" stands for a name, and a last "**" for the key and all below it.
	Path string
	// Verdict on the key. A translated or approximated key may be refused for some of its values; Becomes says which.
	Verdict manifest.Verdict
	// Becomes says what the key turns into, or why it does not.
	Becomes string
}

// Verdicts are those on every key of the Compose specification, by path. Reports, documentation and the test against the
// specification's schema read them.
func Verdicts() []KeyVerdict {
	keys := topLevelKeys()
	for _, k := range serviceKeys() {
		k.Path = "services.*." + k.Path
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b KeyVerdict) int { return cmp.Compare(a.Path, b.Path) })
	return keys
}

// verdictIndex finds verdicts by path.
type verdictIndex map[string]KeyVerdict

func newVerdictIndex() verdictIndex {
	index := verdictIndex{}
	for _, k := range Verdicts() {
		index[k.Path] = k
	}
	return index
}

// find the verdict on a path: its own, or that of the nearest key above that speaks for all below it.
func (x verdictIndex) find(path string) (KeyVerdict, bool) {
	if k, ok := x[path]; ok {
		return k, true
	}
	for at := path; at != ""; {
		if k, ok := x[at+".**"]; ok {
			return k, true
		}
		i := strings.LastIndexByte(at, '.')
		if i < 0 {
			break
		}
		at = at[:i]
	}
	return KeyVerdict{}, false
}

// below lists the keys directly below a prefix.
func (x verdictIndex) below(prefix string) []string {
	var names []string
	for _, path := range sortedKeys(x) {
		name, below := strings.CutPrefix(strings.TrimSuffix(path, ".**"), prefix)
		if below && !strings.Contains(name, ".") {
			names = append(names, name)
		}
	}
	return names
}

// keyWalk reports the keys of a model that are approximated or ignored.
type keyWalk struct {
	t     *translation
	index verdictIndex
	// written holds the paths that stand in a file: the model holds compose-go's defaults too, of which nobody wants to hear.
	written map[string]bool
	// said holds the keys that the translation reports with reasons of their own, by subject.
	said map[string][]string
}

// listPlace is a place in a list, which keys of the table do not have.
var listPlace = regexp.MustCompile(`\[[^\]]*\]`)

// walkKeys reports every key that is not simply translated, and of which the translation has said nothing.
func (t *translation) walkKeys() {
	w := &keyWalk{t: t, index: newVerdictIndex(), written: map[string]bool{}, said: map[string][]string{}}
	for _, f := range t.in.Report.Findings {
		w.said[f.Subject] = append(w.said[f.Subject], listPlace.ReplaceAllString(f.Key, ""))
	}
	for _, d := range t.docs {
		w.collect(d.root, "")
	}
	for _, kind := range sortedKeys(t.keys) {
		entries, isMap := t.keys[kind].(map[string]any)
		if !isMap || kind == "include" || strings.HasPrefix(kind, "x-") {
			continue
		}
		if kind == "jobs" {
			for _, name := range sortedKeys(entries) {
				w.visit(name, "", "jobs", entries[name])
			}
			continue
		}
		for _, name := range sortedKeys(entries) {
			if _, enabled := t.project.Services[name]; kind == "services" && !enabled {
				continue
			}
			w.below(name, "", kind+".*", entries[name])
		}
	}
}

// collect notes the paths of a document.
func (w *keyWalk) collect(n *yaml.Node, path string) {
	switch n.Kind {
	case yaml.SequenceNode:
		for _, c := range n.Content {
			w.collect(c, path)
		}
	case yaml.MappingNode:
		each(n, func(key string, c *yaml.Node) {
			at := w.step(path, key)
			w.written[at] = true
			w.collect(c, at)
		})
	}
}

// step is the path of a key below another: its own, or "*" where the keys are names.
func (w *keyWalk) step(path, key string) string {
	if path == "" {
		return key
	}
	if _, known := w.index.find(path + "." + key); known && !openMap(path) {
		return path + "." + key
	}
	return path + ".*"
}

// openMap tells the mappings whose keys are names, where a name may look like a key.
func openMap(path string) bool {
	switch path {
	case "services", "networks", "volumes", "secrets", "configs", "models", "jobs", "services.*.networks", "services.*.depends_on",
		"services.*.models", "services.*.ulimits", "services.*.build.ulimits":
		return true
	}
	return false
}

// below visits what is inside a value.
func (w *keyWalk) below(subject, key, path string, value any) {
	switch v := value.(type) {
	case map[string]any:
		for _, name := range sortedKeys(v) {
			if strings.HasPrefix(name, "x-") {
				continue
			}
			at := w.step(path, name)
			inner := name
			if key != "" {
				inner = key + "." + name
			}
			w.visit(subject, inner, at, v[name])
		}
	case []any:
		for _, item := range v {
			w.below(subject, key, path, item)
		}
	}
}

// visit reports one key, or goes on below it.
func (w *keyWalk) visit(subject, key, path string, value any) {
	if empty(value) {
		return
	}
	k, known := w.index.find(path)
	if known && (k.Verdict == manifest.Approximated || k.Verdict == manifest.Ignored) && !strings.HasSuffix(path, ".*") {
		if w.written[path] && value != "host" { // the host's own is refused, or allowed and translated
			w.report(subject, key, k)
		}
		return
	}
	w.below(subject, key, path, value)
}

// report one line. The verdicts of some keys depend on their values; those are reported where they are translated.
func (w *keyWalk) report(subject, key string, k KeyVerdict) {
	if slices.ContainsFunc(w.said[subject], func(said string) bool { return covers(said, key) }) || strings.HasSuffix(k.Path, ".uid") || strings.HasSuffix(k.Path, ".gid") ||
		k.Path == "services.*.volumes.bind.create_host_path" || k.Path == "version" {
		return
	}
	w.t.note(subject, key, k.Verdict, k.Becomes)
}

// covers reports whether a line about one key says enough of another: of itself, of a key above it, or, when it is not a
// whole topic such as ports, of one below it.
func covers(said, key string) bool {
	return said == key || strings.HasPrefix(said, key+".") || strings.Contains(said, ".") && strings.HasPrefix(key, said+".")
}

// empty tells the values that ask for nothing.
func empty(value any) bool {
	switch v := value.(type) {
	case nil:
		return true
	case bool:
		return !v
	case string:
		return v == ""
	case []any:
		return len(v) == 0
	case map[string]any:
		return len(v) == 0
	}
	return false
}
