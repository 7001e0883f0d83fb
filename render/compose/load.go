package compose

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/dotenv"
	"github.com/compose-spec/compose-go/v2/loader"
	composetypes "github.com/compose-spec/compose-go/v2/types"
	"go.yaml.in/yaml/v4"

	"catalyst.dev/catalyst/render/manifest"
)

// Limits on what compose-go is given.
const (
	maxFileSize     = 1 << 20
	maxServices     = 500
	maxPorts        = 1000
	maxNesting      = 64
	maxReplicas     = 100
	maxFiles        = 100
	maxInterpolated = 4 << 20
)

// fileLoader turns Compose files into documents that stand alone: interpolated, without aliases, includes and
// references to other files, every path relative to the root. compose-go then has nothing left to read from a disk.
type fileLoader struct {
	in Input
	// store holds the names that the secret store knows.
	store map[string]bool
	// docs in the order in which compose-go merges them: an included file before the one that includes it.
	docs []*document
	// files counts the files read.
	files int
	ports int
	// size of all interpolated text so far.
	size    int
	missing map[string]string
	unset   map[string]bool
	errs    []error
	// bases are the services of other files that extends refers to, under their names of the loader's own.
	bases map[string]bool
}

// document is one Compose file, prepared.
type document struct {
	file string
	root *yaml.Node
}

// load reads the application. dict is compose-go's model of it before it is bound to types.
func load(ctx context.Context, in Input) (*composetypes.Project, map[string]any, []*document, error) {
	l := &fileLoader{in: in, store: storeNames(in), missing: map[string]string{}, unset: map[string]bool{}, bases: map[string]bool{}}
	files, dir, env, err := l.find()
	if err != nil {
		return nil, nil, nil, err
	}
	for _, f := range files {
		if err := l.add(f, dir, env, nil); err != nil {
			return nil, nil, nil, err
		}
	}
	if err := l.failure(files[0]); err != nil {
		return nil, nil, nil, err
	}
	for _, name := range sortedKeys(l.unset) {
		in.Report.Add(manifest.Finding{File: files[0], Key: name, Verdict: manifest.Approximated,
			Reason: "the variable is not set: empty, as Compose does; set it in values.variables or .env"})
	}
	project, dict, err := l.model(ctx, env)
	if err != nil {
		return nil, nil, nil, loadProblem(files[0], l.fault(ctx, env, err))
	}
	if err := l.labelFiles(project); err != nil {
		return nil, nil, nil, err
	}
	return project, dict, l.docs, nil
}

// storeNames are the names that the secret store knows; Catalyst's own variables are no secrets.
func storeNames(in Input) map[string]bool {
	names := map[string]bool{}
	for _, name := range in.SecretNames {
		if shellName.MatchString(name) && !strings.HasPrefix(name, "CATALYST_") {
			names[name] = true
		}
	}
	return names
}

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
	for _, name := range strings.Split(named, firstOf(env["COMPOSE_PATH_SEPARATOR"], ":")) {
		clean, err := l.cleanPath(path.Join(dir, ".env"), "COMPOSE_FILE", dir, name)
		if err != nil {
			return nil, "", nil, err
		}
		files = append(files, clean)
	}
	return files, path.Dir(files[0]), env, nil
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

// labelFiles adds the labels of label_file, below the service's own.
func (l *fileLoader) labelFiles(project *composetypes.Project) error {
	for _, name := range sortedKeys(project.Services) {
		svc := project.Services[name]
		labels := composetypes.Labels{}
		for _, file := range svc.LabelFiles {
			read, err := readEnv(l.in.Source, path.Clean(file), "", func(string) (string, bool) { return "", false })
			if err != nil {
				return err
			}
			maps.Copy(labels, read)
		}
		if len(labels) > 0 {
			maps.Copy(labels, svc.Labels)
			svc.Labels = labels
			project.Services[name] = svc
		}
	}
	return nil
}

// additional is how the schema's validator lists unknown keys.
var additional = regexp.MustCompile(`(?s)additional properties (.*?) not allowed`)

// loadProblem turns what compose-go says into a Problem.
func loadProblem(file string, err error) error {
	var p *manifest.Problem
	if errors.As(err, &p) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	message := additional.ReplaceAllStringFunc(strings.TrimSpace(err.Error()), func(list string) string {
		names := strings.Split(additional.FindStringSubmatch(list)[1], ", ")
		slices.Sort(names) // the validator ranges over a map
		return "additional properties " + strings.Join(names, ", ") + " not allowed"
	})
	return &manifest.Problem{File: file, Message: "the Compose file is not valid: " + message,
		Remedy: "correct it; `docker compose config` says the same"}
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

func isFile(source fs.FS, name string) bool {
	info, err := fs.Stat(source, name)
	return err == nil && info.Mode().IsRegular()
}

// environment is what variables are interpolated from: .env, values.variables, Catalyst's own, the last winning.
func (l *fileLoader) environment(dir string) (map[string]string, error) {
	env := map[string]string{}
	given, err := valueVariables(l.in.Values)
	if err != nil {
		return nil, err
	}
	maps.Copy(given, l.in.Variables)
	if dotEnv := path.Join(dir, ".env"); isFile(l.in.Source, dotEnv) {
		if env, err = readEnv(l.in.Source, dotEnv, "", l.among(given)); err != nil {
			return nil, err
		}
	}
	maps.Copy(env, given)
	env["COMPOSE_PROJECT_NAME"] = l.in.ProjectName
	return env, nil
}

// valueVariables are values.variables as text.
func valueVariables(values map[string]any) (map[string]string, error) {
	out := map[string]string{}
	given, ok := values["variables"]
	if !ok || given == nil {
		return out, nil
	}
	m, ok := given.(map[string]any)
	if !ok {
		return nil, &manifest.Problem{File: "project.yaml", Field: "values.variables", Message: "not a mapping", Remedy: "write NAME: value"}
	}
	for _, k := range sortedKeys(m) {
		switch v := m[k].(type) {
		case nil:
			out[k] = ""
		case string, bool, int, int64, float64:
			if out[k] = scalar(v); strings.ContainsAny(out[k], secretStart+secretEnd) {
				return nil, reserved("project.yaml", "values.variables."+k)
			}
		default:
			return nil, &manifest.Problem{File: "project.yaml", Field: "values.variables." + k, Message: "not a single value", Remedy: "write it as text"}
		}
	}
	return out, nil
}

// among looks variables up, and in the secret store after them.
func (l *fileLoader) among(env map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		if v, ok := env[name]; ok {
			return v, true
		}
		return secretStart + name + secretEnd, l.store[name]
	}
}

// readEnv parses an env file of the source. Variables in it are looked up with lookup, never in the process.
func readEnv(source fs.FS, file, format string, lookup func(string) (string, bool)) (map[string]string, error) {
	data, err := readFile(source, file, maxFileSize)
	if err != nil {
		return nil, err
	}
	if bytes.ContainsAny(data, secretStart+secretEnd) {
		return nil, reserved(file, "")
	}
	if format == "raw" {
		return rawEnv(string(data), lookup), nil
	}
	if err := checkNesting(file, "", string(data)); err != nil {
		return nil, err
	}
	size := 0
	out, err := dotenv.ParseWithLookup(bytes.NewReader(data), func(k string) (string, bool) {
		v, ok := lookup(k)
		if size += len(v); size > maxInterpolated {
			return "", false // the parser has no way to be stopped; the size is refused below
		}
		return v, ok
	})
	if size > maxInterpolated {
		return nil, &manifest.Problem{File: file, Message: fmt.Sprintf("the interpolated text is larger than %d bytes", maxInterpolated), Remedy: "use smaller variables"}
	}
	if err != nil {
		return nil, &manifest.Problem{File: file, Message: "not a valid env file: " + lineOf(err), Remedy: "write NAME=value lines"}
	}
	return out, nil
}

// reserved refuses the runes that mark variables of the secret store.
func reserved(file, field string) error {
	return &manifest.Problem{File: file, Field: field, Message: "the text holds a reserved character", Remedy: "remove U+E0C5 and U+E0C6"}
}

// rawEnv takes the lines of an env file as they are.
func rawEnv(text string, lookup func(string) (string, bool)) map[string]string {
	out := map[string]string{}
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		name, value, ok := strings.Cut(line, "=")
		name = strings.TrimSpace(name)
		if name == "" || strings.HasPrefix(name, "#") {
			continue
		}
		if !ok {
			if value, ok = lookup(name); !ok {
				continue
			}
		}
		out[name] = value
	}
	return out
}

// lineOf is an env file's error without the file's content, which may be secret.
func lineOf(err error) string {
	s, _, _ := strings.Cut(err.Error(), "\n")
	if i := strings.Index(s, "\""); i >= 0 {
		s = strings.TrimSpace(s[:i])
	}
	return s
}

// readFile reads a file of the source, at most limit bytes.
func readFile(source fs.FS, file string, limit int64) ([]byte, error) {
	f, err := source.Open(file)
	if err != nil {
		return nil, &manifest.Problem{File: file, Message: "the file does not exist in the source", Remedy: "commit it, or correct the path"}
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, &manifest.Problem{File: file, Message: "cannot be read as a file", Remedy: "name a regular file"}
	}
	if int64(len(data)) > limit {
		return nil, &manifest.Problem{File: file, Message: fmt.Sprintf("the file has more than %d bytes", limit), Remedy: "make it smaller"}
	}
	return data, nil
}

// failure joins what the files' preparation found; all missing variables are one Problem.
func (l *fileLoader) failure(file string) error {
	if len(l.missing) > 0 {
		var names []string
		for _, k := range sortedKeys(l.missing) {
			if why := l.missing[k]; why != "" {
				k += " (" + why + ")"
			}
			names = append(names, k)
		}
		l.errs = append(l.errs, &manifest.Problem{File: file, Field: "variables",
			Message: "required variables are not set: " + strings.Join(names, ", "),
			Remedy:  "set them in values.variables of the template or the environment, in .env, or as secrets"})
	}
	return errors.Join(l.errs...)
}

// model hands the documents to compose-go, with every way to a disk, a network or the process environment closed.
func (l *fileLoader) model(ctx context.Context, env map[string]string) (*composetypes.Project, map[string]any, error) {
	details := composetypes.ConfigDetails{WorkingDir: ".", Environment: env}
	for _, d := range l.docs {
		data, err := yaml.Marshal(d.root)
		if err != nil {
			return nil, nil, fmt.Errorf("encoding %s: %w", d.file, err)
		}
		details.ConfigFiles = append(details.ConfigFiles, composetypes.ConfigFile{Filename: d.file, Content: data})
	}
	options := []func(*loader.Options){func(o *loader.Options) {
		o.SetProjectName(loader.NormalizeProjectName(l.in.ProjectName), true)
		o.ResolvePaths = false
		o.SkipInclude = true
		o.SkipResolveEnvironment = true
		o.SkipResolveLabels = true
		o.Profiles = l.profiles(env)
		// The text is interpolated already and its dollars are doubled: this pass only undoes that and sets types.
		o.Interpolate.LookupValue = func(string) (string, bool) { return "", false }
	}}
	dict, err := loader.LoadModelWithContext(ctx, details, options...)
	if err != nil {
		return nil, nil, err
	}
	services, _ := dict["services"].(map[string]any)
	for name := range l.bases {
		delete(services, name)
	}
	if err := checkServices(services); err != nil {
		return nil, nil, err
	}
	// Binding changes the model; the walk over its keys wants it as it was.
	keys := cloneModel(dict)
	dependencies := takeDependencies(services)
	o := loader.ToOptions(&details, options)
	project, err := loader.ModelToProject(dict, o, details)
	if err != nil {
		return nil, nil, err
	}
	return project, keys, giveDependencies(project, dependencies)
}

// checkServices holds the limit on services.
func checkServices(services map[string]any) error {
	if len(services) > maxServices {
		return &manifest.Problem{Field: "services", Message: fmt.Sprintf("%d services, more than %d", len(services), maxServices), Remedy: "split the application"}
	}
	return nil
}

func cloneModel(m map[string]any) map[string]any {
	out := make(map[string]any, len(m))
	for k, v := range m {
		if inner, ok := v.(map[string]any); ok {
			v = cloneModel(inner)
		}
		out[k] = v
	}
	return out
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
