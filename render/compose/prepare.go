package compose

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"

	"catalyst.dev/catalyst/api/v1alpha1"
	"catalyst.dev/catalyst/render/manifest"
)

// add prepares one Compose file and those that it includes. dir is what its paths are relative to; chain are the files that led here.
func (l *fileLoader) add(file, dir string, env map[string]string, chain []string) error {
	if slices.Contains(chain, file) {
		return &manifest.Problem{File: file, Field: "include", Message: "include cycle: " + strings.Join(append(chain, file), " → "), Remedy: "remove one of the includes"}
	}
	root, err := l.read(file, env)
	if err != nil {
		return err
	}
	for i, inc := range items(child(root, "include")) {
		if err := l.include(file, fmt.Sprintf("include[%d]", i), inc, dir, env, append(slices.Clone(chain), file)); err != nil {
			return err
		}
	}
	remove(root, "include")
	remove(root, "version") // obsolete: compose-go would warn about it on standard error
	// Paths first: what extend brings in has its own made relative to the root already.
	l.paths(file, dir, root)
	if err := l.extend(file, dir, root, env); err != nil {
		return err
	}
	if err := l.countPorts(file, root); err != nil {
		return err
	}
	l.docs = append(l.docs, &document{file: file, root: root})
	return nil
}

// read parses a file within its budgets and interpolates it.
func (l *fileLoader) read(file string, env map[string]string) (*yaml.Node, error) {
	if l.files++; l.files > maxFiles {
		return nil, &manifest.Problem{File: file, Message: fmt.Sprintf("more than %d Compose files", maxFiles), Remedy: "include fewer files"}
	}
	data, err := readFile(l.in.Source, file, maxFileSize)
	if err != nil {
		return nil, err
	}
	if err := manifest.CheckYAML(file, data); err != nil {
		return nil, err
	}
	var doc yaml.Node
	if err := yaml.NewDecoder(bytes.NewReader(data)).Decode(&doc); err != nil {
		return nil, loadProblem(file, err)
	}
	if doc.Kind != yaml.DocumentNode || len(doc.Content) != 1 || doc.Content[0].Kind != yaml.MappingNode {
		return nil, &manifest.Problem{File: file, Message: "not a mapping", Remedy: "write a Compose file with services:"}
	}
	root := expandAliases(doc.Content[0])
	if err := checkVersion1(file, root); err != nil {
		return nil, err
	}
	if err := checkKeys(file, root); err != nil {
		return nil, err
	}
	if services := child(root, "services"); services != nil && len(services.Content)/2 > maxServices {
		return nil, &manifest.Problem{File: file, Field: "services", Message: fmt.Sprintf("more than %d services", maxServices), Remedy: "split the application"}
	}
	l.interpolate(file, "", root, env)
	return root, nil
}

// checkVersion1 refuses the first form of Compose files, whose services stood at the top, in words that say so.
func checkVersion1(file string, root *yaml.Node) error {
	if child(root, "services") != nil || child(root, "include") != nil {
		return nil
	}
	var name string
	each(root, func(key string, n *yaml.Node) {
		if child(n, "image") != nil || child(n, "build") != nil {
			name = cmp.Or(name, key)
		}
	})
	if name == "" || strings.HasPrefix(name, "x-") {
		return nil
	}
	return &manifest.Problem{File: file, Subject: name, Field: "services", Message: "a file of Compose's version 1, without services",
		Remedy: "indent all services under services:, as Compose has read them since version 2"}
}

// entryName is what Compose takes as the name of a service, a network, a volume and so on.
var entryName = regexp.MustCompile(`^[a-zA-Z0-9._-]+$`)

// checkKeys refuses the keys of the file and its services that the Compose specification does not know, with the one that
// may be meant.
func checkKeys(file string, root *yaml.Node) error {
	index := newVerdictIndex()
	var errs []error
	unknown := func(subject, prefix, key string) {
		if _, known := index.find(prefix + key); known || strings.HasPrefix(key, "x-") {
			return
		}
		remedy := "remove it, or name it x-… if it is for another tool"
		if near := v1alpha1.Nearest(key, index.below(prefix)); near != "" {
			remedy = "did you mean " + near + "?"
		}
		field := key
		if subject != "" {
			field = "services." + subject + "." + key
		}
		errs = append(errs, &manifest.Problem{File: file, Field: field, Message: "Compose knows no such key", Remedy: remedy})
	}
	each(root, func(key string, _ *yaml.Node) { unknown("", "", key) })
	each(child(root, "services"), func(name string, s *yaml.Node) {
		each(s, func(key string, _ *yaml.Node) { unknown(name, "services.*.", key) })
	})
	for _, section := range []string{"services", "networks", "volumes", "secrets", "configs", "models"} {
		n := child(root, section)
		if n != nil && n.Kind != yaml.MappingNode && strings.HasPrefix(n.ShortTag(), "!!") { // !reset and !override are Compose's own
			errs = append(errs, &manifest.Problem{File: file, Field: section, Message: "not a mapping", Remedy: "write name: {…}, or remove it"})
		}
		each(child(root, section), func(name string, _ *yaml.Node) {
			if !entryName.MatchString(name) && !strings.HasPrefix(name, "x-") {
				errs = append(errs, &manifest.Problem{File: file, Field: section, Message: fmt.Sprintf("%q is not a name", name),
					Remedy: "use letters, digits, '.', '_' and '-'"})
			}
		})
	}
	return errors.Join(errs...)
}

// countPorts finds what port ranges would expand to, before they do.
func (l *fileLoader) countPorts(file string, root *yaml.Node) error {
	var err error
	for _, kind := range []string{"services", "jobs"} {
		each(child(root, kind), func(name string, s *yaml.Node) {
			for _, key := range []string{"ports", "expose"} {
				for _, n := range items(child(s, key)) {
					l.ports += portCount(n)
				}
			}
			if l.ports > maxPorts && err == nil {
				err = &manifest.Problem{File: file, Subject: name, Field: kind + "." + name + ".ports",
					Message: fmt.Sprintf("the port ranges expand to more than %d ports", maxPorts), Remedy: "publish only the ports that are needed"}
			}
		})
	}
	return err
}

// portCount is the most ports that one entry can stand for.
func portCount(n *yaml.Node) int {
	text := n.Value
	if n.Kind == yaml.MappingNode {
		if t := child(n, "target"); t != nil {
			text = t.Value
		}
	}
	most := 1
	for _, part := range strings.Split(text, ":") {
		part, _, _ = strings.Cut(part, "/")
		from, to, ok := strings.Cut(part, "-")
		a, errA := strconv.Atoi(strings.TrimSpace(from))
		b, errB := strconv.Atoi(strings.TrimSpace(to))
		if ok && errA == nil && errB == nil {
			most = max(most, b-a+1)
		}
	}
	return most
}
