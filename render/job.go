package render

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"strconv"

	"k8s.io/apimachinery/pkg/runtime"

	"catalyst.dev/catalyst/api/v1alpha1"
	"catalyst.dev/catalyst/render/manifest"
)

// job is one render with all that is worked out before its template is looked at.
type job struct {
	in        Input
	key       v1alpha1.EnvironmentKey
	namespace string
	host      string
	tmpl      v1alpha1.Template
	// field is where the template stands in project.yaml, for errors.
	field     string
	source    v1alpha1.Source
	config    v1alpha1.Config
	values    map[string]any
	variables map[string]string
}

func newJob(in Input) (*job, error) {
	j := &job{in: in, key: in.Environment.Key()}
	j.namespace = j.key.Namespace()
	j.host = j.namespace + "." + in.Platform.Spec.Domain
	j.field = "spec.templates[" + in.Environment.Spec.Type + "]"
	tmpl, ok := in.Project.Spec.Templates[in.Environment.Spec.Type]
	if !ok {
		return nil, &manifest.Problem{File: "environment.yaml", Field: "spec.type",
			Message: fmt.Sprintf("project %s has no template %q", in.Project.Name, in.Environment.Spec.Type),
			Remedy:  "use one of: " + joinNames(sortedKeys(in.Project.Spec.Templates))}
	}
	j.tmpl = tmpl
	if j.source, ok = in.Project.Source(tmpl.SourceRef); !ok {
		return nil, j.problem("sourceRef", fmt.Sprintf("the project has no source %q", tmpl.SourceRef), "name one of spec.sources")
	}
	j.variables = j.provided()
	var err error
	if j.config, err = j.mergedConfig(); err != nil {
		return nil, err
	}
	j.values, err = j.mergedValues()
	return j, err
}

// problem is a fault of the template itself.
func (j *job) problem(field, message, remedy string) error {
	return &manifest.Problem{File: "project.yaml", Field: j.field + "." + field, Message: message, Remedy: remedy}
}

// provided are the variables that Catalyst gives to templates.
func (j *job) provided() map[string]string {
	src := j.in.Environment.Source(j.source.Name)
	branch := src.Branch
	if branch == "" {
		branch = j.source.Branch
	}
	vars := map[string]string{
		"CATALYST_URL":         baseURL(j.host, j.in.Platform.Spec.Ingress.TLS),
		"CATALYST_HOST":        j.host,
		"CATALYST_NAMESPACE":   j.namespace,
		"CATALYST_TEAM":        j.key.Team,
		"CATALYST_PROJECT":     j.key.Project,
		"CATALYST_ENVIRONMENT": j.key.Environment,
		"CATALYST_BRANCH":      branch,
		"CATALYST_COMMIT_SHA":  src.CommitSHA,
		"CATALYST_PR_NUMBER":   "",
	}
	if src.PRNumber > 0 {
		vars["CATALYST_PR_NUMBER"] = strconv.Itoa(src.PRNumber)
	}
	return vars
}

// commit of the named source; the template's when the name is empty.
func (j *job) commit(sourceRef string) string {
	if sourceRef == "" {
		sourceRef = j.source.Name
	}
	return j.in.Environment.Source(sourceRef).CommitSHA
}

// tree of the template's source.
func (j *job) tree() (fs.FS, error) {
	tree, ok := j.in.Sources[j.source.Name]
	if !ok {
		return nil, fmt.Errorf("rendering %s: the tree of source %q is missing", j.key, j.source.Name)
	}
	return tree, nil
}

// located is the tree of the template's source, and the path of the template in it.
func (j *job) located() (fs.FS, string, error) {
	tree, err := j.tree()
	if err != nil {
		return nil, "", err
	}
	path, err := j.path(tree)
	return tree, path, err
}

// path of the template inside its source; its root when the template names none.
func (j *job) path(tree fs.FS) (string, error) {
	p := j.tmpl.Path
	if p == "" {
		p = "."
	}
	clean, err := manifest.CleanPath(j.field+".path", ".", p)
	if err != nil {
		return "", inProject(err)
	}
	if _, err := fs.Stat(tree, clean); err != nil {
		return "", j.problem("path", fmt.Sprintf("%q is not in source %s at commit %s: %v", p, j.source.Name, short(j.commit("")), err),
			"correct the path, or commit the file")
	}
	return clean, nil
}

// inProject names project.yaml as the file of a problem that has none.
func inProject(err error) error {
	if p, ok := err.(*manifest.Problem); ok && p.File == "" {
		p.File = "project.yaml"
	}
	return err
}

func short(sha string) string {
	if len(sha) > 7 {
		return sha[:7]
	}
	return sha
}

// mergedConfig lays the environment's config over the template's: field by field, variables by name.
func (j *job) mergedConfig() (v1alpha1.Config, error) {
	below, err := toMap(j.tmpl.Config)
	if err != nil {
		return v1alpha1.Config{}, err
	}
	above, err := toMap(j.in.Environment.Spec.Config)
	if err != nil {
		return v1alpha1.Config{}, err
	}
	env := mergeNamed(below["env"], above["env"])
	for k, v := range above {
		below[k] = v
	}
	if env != nil {
		below["env"] = env
	}
	expanded, err := expand(below, j.variables, j.field+".config")
	if err != nil {
		return v1alpha1.Config{}, err
	}
	data, err := json.Marshal(expanded)
	if err != nil {
		return v1alpha1.Config{}, fmt.Errorf("merging config: %w", err)
	}
	var config v1alpha1.Config
	if err := json.Unmarshal(data, &config); err != nil {
		return v1alpha1.Config{}, fmt.Errorf("merging config: %w", err)
	}
	return config, nil
}

// mergeNamed lays one list of named things over another, keeping the order of the one below.
func mergeNamed(below, above any) any {
	low, _ := below.([]any)
	high, ok := above.([]any)
	if !ok {
		return below
	}
	merged := append([]any{}, low...)
	at := map[any]int{}
	for i, item := range merged {
		at[nameOf(item)] = i
	}
	for _, item := range high {
		if i, known := at[nameOf(item)]; known {
			merged[i] = item
			continue
		}
		merged = append(merged, item)
	}
	return merged
}

func nameOf(item any) any {
	m, _ := item.(map[string]any)
	return m["name"]
}

// mergedValues lays the environment's values over the template's, maps deeply, anything else whole.
func (j *job) mergedValues() (map[string]any, error) {
	below, err := rawMap(j.tmpl.Values, "project.yaml", j.field+".values")
	if err != nil {
		return nil, err
	}
	above, err := rawMap(j.in.Environment.Spec.Values, "environment.yaml", "spec.values")
	if err != nil {
		return nil, err
	}
	return expand(mergeMaps(below, above), j.variables, j.field+".values")
}

func mergeMaps(below, above map[string]any) map[string]any {
	for k, v := range above {
		low, lowIsMap := below[k].(map[string]any)
		high, highIsMap := v.(map[string]any)
		if lowIsMap && highIsMap {
			v = mergeMaps(low, high)
		}
		below[k] = v
	}
	return below
}

func rawMap(raw *runtime.RawExtension, file, field string) (map[string]any, error) {
	m := map[string]any{}
	if raw == nil || len(raw.Raw) == 0 {
		return m, nil
	}
	if err := json.Unmarshal(raw.Raw, &m); err != nil {
		return nil, &manifest.Problem{File: file, Field: field, Message: "not a mapping: " + err.Error(), Remedy: "write it as key: value"}
	}
	if m == nil {
		m = map[string]any{}
	}
	return m, nil
}

func toMap(v any) (map[string]any, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("reading %T: %w", v, err)
	}
	m := map[string]any{}
	if err := json.Unmarshal(data, &m); err != nil {
		return nil, fmt.Errorf("reading %T: %w", v, err)
	}
	dropEmpty(m)
	return m, nil
}

// dropEmpty removes the empty objects that unset struct fields leave (resources: {}), so that they override nothing.
func dropEmpty(m map[string]any) {
	for k, v := range m {
		if child, ok := v.(map[string]any); ok && len(child) == 0 {
			delete(m, k)
		}
	}
}
