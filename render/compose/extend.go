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
	target, in, err := l.extended(file, service, child(n, "extends"))
	if err != nil {
		return "", err
	}
	remove(n, "extends")
	one, all := &yaml.Node{Kind: yaml.MappingNode}, &yaml.Node{Kind: yaml.MappingNode}
	set(all, service, n)
	set(one, "services", all)
	l.paths(file, path.Dir(file), one)
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

// extended is the service that a service of a file extends, and the file that it is in; none where extends is nil.
func (l *fileLoader) extended(file, service string, extends *yaml.Node) (target, in string, err error) {
	switch {
	case extends == nil:
		return "", file, nil
	case extends.Kind == yaml.ScalarNode:
		return extends.Value, file, nil
	}
	if s := child(extends, "service"); s != nil {
		target = s.Value
	}
	if f := child(extends, "file"); f != nil {
		in, err = l.cleanPath(file, "services."+service+".extends.file", path.Dir(file), f.Value)
		return target, in, err
	}
	return target, file, nil
}
