package compose

import (
	"cmp"
	"io/fs"
	"path"
	"strings"

	"catalyst.dev/catalyst/render/manifest"
)

// find the application's files, the folder that their paths start from, and its variables. COMPOSE_FILE of .env names the
// files of a folder, as it does for Compose.
func (l *fileLoader) find() (files []string, dir string, env map[string]string, err error) {
	dir, err = manifest.CleanPath("path", ".", l.in.Path)
	if err != nil {
		return nil, "", nil, err
	}
	info, err := fs.Stat(l.in.Source, dir)
	isDir := err == nil && info.IsDir()
	if !isDir {
		dir = path.Dir(dir)
	}
	if env, err = l.environment(dir); err != nil {
		return nil, "", nil, err
	}
	named := env["COMPOSE_FILE"]
	if !isDir || named == "" || mark.MatchString(named) {
		files, err = findFiles(l.in.Source, l.in.Path)
		return files, dir, env, err
	}
	for _, name := range strings.Split(named, cmp.Or(env["COMPOSE_PATH_SEPARATOR"], ":")) {
		clean, err := l.cleanPath(path.Join(dir, ".env"), "COMPOSE_FILE", dir, name)
		if err != nil {
			return nil, "", nil, err
		}
		files = append(files, clean)
	}
	return files, path.Dir(files[0]), env, nil
}

// findFiles returns the Compose files at p, the override file last.
func findFiles(source fs.FS, p string) ([]string, error) {
	clean, err := manifest.CleanPath("path", ".", p)
	if err != nil {
		return nil, err
	}
	info, err := fs.Stat(source, clean)
	if err != nil {
		return nil, &manifest.Problem{File: clean, Field: "path", Message: "the file does not exist in the source",
			Remedy: "set the template's path to the Compose file or its folder"}
	}
	if !info.IsDir() {
		return []string{clean}, nil
	}
	for _, stem := range []string{"compose", "docker-compose"} {
		for _, ext := range []string{".yaml", ".yml"} {
			main := path.Join(clean, stem+ext)
			if !isFile(source, main) {
				continue
			}
			for _, over := range []string{".override.yaml", ".override.yml"} {
				if f := path.Join(clean, stem+over); isFile(source, f) {
					return []string{main, f}, nil
				}
			}
			return []string{main}, nil
		}
	}
	return nil, &manifest.Problem{File: clean, Field: "path", Message: "the folder holds no Compose file",
		Remedy: "add compose.yaml, or set the template's path to the file"}
}

// profiles that are enabled: values.profiles, else COMPOSE_PROFILES.
func (l *fileLoader) profiles(env map[string]string) []string {
	if given, set := l.in.Values["profiles"]; set {
		return stringList(given)
	}
	var names []string
	for _, name := range strings.Split(env["COMPOSE_PROFILES"], ",") {
		if name = strings.TrimSpace(name); name != "" {
			names = append(names, name)
		}
	}
	return names
}

// stringList reads a list of text out of values; anything else is empty.
func stringList(v any) []string {
	switch v := v.(type) {
	case []string:
		return v
	case []any:
		var out []string
		for _, e := range v {
			if s, ok := e.(string); ok {
				out = append(out, s)
			}
		}
		return out
	}
	return nil
}
