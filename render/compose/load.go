package compose

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"

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

// loaded is an application as its Compose files say it.
type loaded struct {
	project *composetypes.Project
	// file is the first Compose file, which problems and findings name.
	file string
	// variables that the files were interpolated from, and that env files may refer to.
	variables map[string]string
	// store holds the names that the secret store knows.
	store map[string]bool
	// keys is compose-go's model before it is bound to types, docs are the files: the verdicts on keys are given on both.
	keys map[string]any
	docs []*document
}

// load reads the application.
func load(ctx context.Context, in Input) (*loaded, error) {
	l := &fileLoader{in: in, store: storeNames(in), missing: map[string]string{}, unset: map[string]bool{}, bases: map[string]bool{}}
	files, dir, env, err := l.find()
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		if err := l.add(f, dir, env, nil); err != nil {
			return nil, err
		}
	}
	if err := l.failure(files[0]); err != nil {
		return nil, err
	}
	for _, name := range sortedKeys(l.unset) {
		in.Report.Add(manifest.Finding{File: files[0], Key: name, Verdict: manifest.Approximated,
			Reason: "the variable is not set: empty, as Compose does; set it in values.variables or .env"})
	}
	project, keys, err := l.model(ctx, env)
	if err != nil {
		return nil, loadProblem(files[0], l.fault(ctx, env, err))
	}
	if err := l.labelFiles(project); err != nil {
		return nil, err
	}
	return &loaded{project: project, file: files[0], variables: env, store: l.store, keys: keys, docs: l.docs}, nil
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

// model hands the documents to compose-go, with every way to a disk, a network or the process environment closed. keys is
// compose-go's model before it is bound to types.
func (l *fileLoader) model(ctx context.Context, env map[string]string) (project *composetypes.Project, keys map[string]any, err error) {
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
	keys = cloneModel(dict)
	dependencies := takeDependencies(services)
	o := loader.ToOptions(&details, options)
	project, err = loader.ModelToProject(dict, o, details)
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
