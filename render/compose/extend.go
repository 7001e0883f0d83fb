package compose

import (
	"path"
	"strings"

	"go.yaml.in/yaml/v4"

	"catalyst.dev/catalyst/render/manifest"
)

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
