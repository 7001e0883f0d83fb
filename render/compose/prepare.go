package compose

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/format"
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
			name = firstOf(name, key)
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

// include prepares the files of one entry of include, each with the entry's folder and variables.
func (l *fileLoader) include(file, field string, n *yaml.Node, dir string, env map[string]string, chain []string) error {
	paths, envFiles, project := items(n), []*yaml.Node(nil), ""
	if n.Kind == yaml.MappingNode {
		paths, envFiles = items(child(n, "path")), items(child(n, "env_file"))
		if d := child(n, "project_directory"); d != nil {
			project = d.Value
		}
	}
	var files []string
	for _, p := range paths {
		clean, err := l.cleanPath(file, field+".path", dir, p.Value)
		if err != nil {
			return err
		}
		files = append(files, clean)
	}
	if len(files) == 0 {
		return &manifest.Problem{File: file, Field: field, Message: "names no file", Remedy: "write include: [path]"}
	}
	sub := path.Dir(files[0])
	if project != "" {
		var err error
		if sub, err = l.cleanPath(file, field+".project_directory", dir, project); err != nil {
			return err
		}
	}
	own, err := l.includeEnvironment(file, field, envFiles, dir, sub, env)
	if err != nil {
		return err
	}
	for _, f := range files {
		if err := l.add(f, sub, own, chain); err != nil {
			return err
		}
	}
	return nil
}

func (l *fileLoader) includeEnvironment(file, field string, envFiles []*yaml.Node, dir, sub string, env map[string]string) (map[string]string, error) {
	var names []string
	for _, n := range envFiles {
		clean, err := l.cleanPath(file, field+".env_file", dir, n.Value)
		if err != nil {
			return nil, err
		}
		names = append(names, clean)
	}
	if dotEnv := path.Join(sub, ".env"); len(names) == 0 && isFile(l.in.Source, dotEnv) {
		names = []string{dotEnv}
	}
	own := map[string]string{}
	for _, name := range names {
		read, err := readEnv(l.in.Source, name, "", l.among(env))
		if err != nil {
			return nil, err
		}
		maps.Copy(own, read)
	}
	maps.Copy(own, env)
	return own, nil
}

// extend brings the services that extends names in other files into this one, under names of their own.
func (l *fileLoader) extend(file, dir string, root *yaml.Node, env map[string]string) error {
	services := child(root, "services")
	if services == nil || services.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(services.Content); i += 2 {
		ext := child(services.Content[i+1], "extends")
		from := child(ext, "file")
		if from == nil {
			continue
		}
		field := "services." + services.Content[i].Value + ".extends"
		clean, err := l.cleanPath(file, field+".file", dir, from.Value)
		if err != nil {
			return err
		}
		service := child(ext, "service")
		if service == nil {
			return &manifest.Problem{File: file, Field: field, Message: "names no service", Remedy: "add extends.service"}
		}
		remove(ext, "file")
		name, err := l.base(root, clean, service.Value, env)
		if err != nil {
			return err
		}
		service.Value = name
	}
	return nil
}

// base adds the service of file, with what it extends in turn, to root and returns the name it has there.
func (l *fileLoader) base(root *yaml.Node, file, service string, env map[string]string) (string, error) {
	name := "catalyst.base." + strings.ReplaceAll(file, "/", ".") + "." + service
	services := child(root, "services")
	if child(services, name) != nil {
		return name, nil
	}
	other, err := l.read(file, env)
	if err != nil {
		return "", err
	}
	n := child(child(other, "services"), service)
	if n == nil {
		return "", &manifest.Problem{File: file, Subject: service, Field: "extends", Message: "the extended service does not exist", Remedy: "correct extends.service"}
	}
	one := &yaml.Node{Kind: yaml.MappingNode}
	all := &yaml.Node{Kind: yaml.MappingNode}
	set(all, service, n)
	set(one, "services", all)
	dir := path.Dir(file)
	ext := child(n, "extends")
	target, in := "", file
	switch {
	case ext == nil:
	case ext.Kind == yaml.ScalarNode:
		target = ext.Value
	default:
		if s := child(ext, "service"); s != nil {
			target = s.Value
		}
		if f := child(ext, "file"); f != nil {
			if in, err = l.cleanPath(file, "services."+service+".extends.file", dir, f.Value); err != nil {
				return "", err
			}
		}
	}
	remove(n, "extends")
	l.paths(file, dir, one)
	l.bases[name] = true
	set(services, name, n)
	if target != "" {
		next, err := l.base(root, in, target, env)
		if err != nil {
			return "", err
		}
		set(n, "extends", &yaml.Node{Kind: yaml.ScalarNode, Value: next, Style: yaml.DoubleQuotedStyle})
	}
	return name, nil
}

func (l *fileLoader) cleanPath(file, field, dir, p string) (string, error) {
	clean, err := manifest.CleanPath(field, dir, strings.ReplaceAll(p, "$$", "$"))
	var problem *manifest.Problem
	if errors.As(err, &problem) {
		problem.File = file
		if parts := strings.SplitN(field, ".", 3); parts[0] == "services" && len(parts) == 3 {
			problem.Subject = parts[1]
		}
	}
	return clean, err
}

// paths makes every path of a file relative to the root.
func (l *fileLoader) paths(file, dir string, root *yaml.Node) {
	clean := func(field string, n *yaml.Node) {
		if n == nil || n.Kind != yaml.ScalarNode || n.Value == "" {
			return
		}
		p, err := l.cleanPath(file, field, dir, n.Value)
		if err != nil {
			l.errs = append(l.errs, err)
			return
		}
		n.Value = strings.ReplaceAll(p, "$", "$$")
	}
	for _, kind := range []string{"services", "jobs"} {
		each(child(root, kind), func(name string, s *yaml.Node) {
			at := kind + "." + name + "."
			for _, key := range []string{"env_file", "label_file"} {
				for _, n := range items(child(s, key)) {
					if n.Kind == yaml.MappingNode {
						n = child(n, "path")
					}
					clean(at+key, n)
				}
			}
			clean(at+"credential_spec.file", child(child(s, "credential_spec"), "file"))
			l.buildPaths(file, at+"build", dir, child(s, "build"))
			for i, v := range items(child(s, "volumes")) {
				l.volumePath(file, fmt.Sprintf("%svolumes[%d]", at, i), dir, v)
			}
			for i, w := range items(child(child(s, "develop"), "watch")) {
				clean(fmt.Sprintf("%sdevelop.watch[%d].path", at, i), child(w, "path"))
			}
			for i, h := range items(child(s, "pre_start")) {
				inner := fmt.Sprintf("%spre_start[%d].", at, i)
				for _, n := range items(child(h, "env_file")) {
					if n.Kind == yaml.MappingNode {
						n = child(n, "path")
					}
					clean(inner+"env_file", n)
				}
			}
		})
	}
	for _, kind := range []string{"configs", "secrets"} {
		each(child(root, kind), func(name string, n *yaml.Node) { clean(kind+"."+name+".file", child(n, "file")) })
	}
}

func (l *fileLoader) buildPaths(file, field, dir string, build *yaml.Node) {
	if build == nil {
		return
	}
	context := build
	if build.Kind == yaml.MappingNode {
		context = child(build, "context")
	}
	clean := dir
	if context != nil {
		var err error
		if clean, err = l.cleanPath(file, field+".context", dir, context.Value); err != nil {
			l.errs = append(l.errs, err)
			return
		}
		context.Value = strings.ReplaceAll(clean, "$", "$$")
	} else {
		set(build, "context", &yaml.Node{Kind: yaml.ScalarNode, Value: clean, Style: yaml.DoubleQuotedStyle})
	}
	if d := child(build, "dockerfile"); d != nil {
		if _, err := l.cleanPath(file, field+".dockerfile", clean, d.Value); err != nil {
			l.errs = append(l.errs, err)
		}
	}
	each(child(build, "additional_contexts"), func(name string, n *yaml.Node) {
		if strings.HasPrefix(n.Value, "service:") || strings.HasPrefix(n.Value, "docker-image://") {
			return
		}
		if _, err := l.cleanPath(file, field+".additional_contexts."+name, dir, n.Value); err != nil {
			l.errs = append(l.errs, err)
		}
	})
}

// volumePath makes a relative bind source relative to the root. Host paths stay: their verdict is the translation's.
func (l *fileLoader) volumePath(file, field, dir string, n *yaml.Node) {
	at, source := n, ""
	if n.Kind == yaml.MappingNode {
		if t := child(n, "type"); t == nil || t.Value != "bind" {
			return
		}
		if at = child(n, "source"); at == nil {
			return
		}
		source = at.Value
	} else if v, err := format.ParseVolume(n.Value); err == nil && v.Type == "bind" && strings.HasPrefix(n.Value, v.Source) {
		source = v.Source
	}
	if source == "" || strings.HasPrefix(source, "/") || strings.HasPrefix(source, "~") || windowsPath.MatchString(source) {
		return
	}
	clean, err := l.cleanPath(file, field+".source", dir, source)
	if err != nil {
		l.errs = append(l.errs, err)
		return
	}
	at.Value = "./" + strings.ReplaceAll(clean, "$", "$$") + at.Value[len(source):]
}

// windowsPath is a path of a Windows host.
var windowsPath = regexp.MustCompile(`^[A-Za-z]:[\\/]`)

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
