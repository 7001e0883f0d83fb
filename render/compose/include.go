package compose

import (
	"maps"
	"path"

	"go.yaml.in/yaml/v4"

	"catalyst.dev/catalyst/render/manifest"
)

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
