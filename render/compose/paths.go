package compose

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/compose-spec/compose-go/v2/format"
	"go.yaml.in/yaml/v4"

	"catalyst.dev/catalyst/render/manifest"
)

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
	files := func(field string, list *yaml.Node) {
		for _, n := range items(list) {
			if n.Kind == yaml.MappingNode {
				n = child(n, "path")
			}
			clean(field, n)
		}
	}
	for _, kind := range []string{"services", "jobs"} {
		each(child(root, kind), func(name string, s *yaml.Node) {
			at := kind + "." + name + "."
			files(at+"env_file", child(s, "env_file"))
			files(at+"label_file", child(s, "label_file"))
			clean(at+"credential_spec.file", child(child(s, "credential_spec"), "file"))
			l.buildPaths(file, at+"build", dir, child(s, "build"))
			for i, v := range items(child(s, "volumes")) {
				l.volumePath(file, fmt.Sprintf("%svolumes[%d]", at, i), dir, v)
			}
			for i, w := range items(child(child(s, "develop"), "watch")) {
				clean(fmt.Sprintf("%sdevelop.watch[%d].path", at, i), child(w, "path"))
			}
			for i, h := range items(child(s, "pre_start")) {
				files(fmt.Sprintf("%spre_start[%d].env_file", at, i), child(h, "env_file"))
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
