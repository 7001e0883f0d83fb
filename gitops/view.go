package gitops

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	lru "github.com/hashicorp/golang-lru/v2"
	"k8s.io/apimachinery/pkg/util/validation"

	"catalyst.dev/catalyst/api/v1alpha1"
	"catalyst.dev/catalyst/gitops/repository"
)

// documentCache holds decoded documents by their file's blob hash and path, so that following the branch costs only
// what changed. Cached documents are shared: readers copy before they change one.
type documentCache struct {
	documents *lru.Cache[string, decoded]
}

type decoded struct {
	object v1alpha1.Object
	err    error
}

func newDocumentCache() (*documentCache, error) {
	const most = 50_000 // documents of 10,000 environments with room; a few KiB each
	c, err := lru.New[string, decoded](most)
	if err != nil {
		return nil, fmt.Errorf("making the document cache: %w", err)
	}
	return &documentCache{documents: c}, nil
}

// View is the environments repository at one revision: its teams, projects and environments. It is immutable.
type View struct {
	snapshot *repository.Snapshot
	cache    *documentCache
}

// Revision of the environments repository.
func (v *View) Revision() string { return v.snapshot.Revision() }

// document reads and decodes one file into a fresh object of its kind, or takes it from the cache.
func (v *View) document(ctx context.Context, file string, into v1alpha1.Object) (v1alpha1.Object, error) {
	hash, ok := v.snapshot.Tree(file)
	if !ok {
		return nil, fmt.Errorf("%s: %w", file, ErrNotFound)
	}
	if d, known := v.cache.documents.Get(file + "@" + hash); known {
		return d.object, d.err
	}
	data, err := v.snapshot.ReadFile(ctx, file)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", file, err)
	}
	d := decoded{object: into}
	if err := v1alpha1.Decode(file, data, into); err != nil {
		d = decoded{err: fmt.Errorf("%w: %w", ErrInvalid, err)}
	} else if err := placed(file, into); err != nil {
		d = decoded{err: fmt.Errorf("%w: %w", ErrInvalid, err)}
	}
	v.cache.documents.Add(file+"@"+hash, d)
	return d.object, d.err
}

// placed checks that a document says of itself what its path says.
func placed(file string, obj v1alpha1.Object) error {
	name := strings.TrimSuffix(path.Base(file), yamlSuffix)
	dir := path.Dir(file)
	namespace := ""
	switch obj.(type) {
	case *v1alpha1.Platform:
		return nil
	case *v1alpha1.Project:
		namespace = path.Base(dir)
	case *v1alpha1.Environment:
		name = path.Base(dir)
		parts := strings.Split(dir, "/")
		namespace = parts[1] + "-" + parts[2]
	}
	if obj.GetName() != name {
		return fmt.Errorf("%s: metadata.name: %q does not match the path (use %q)", file, obj.GetName(), name)
	}
	if namespace != "" && obj.GetNamespace() != namespace {
		return fmt.Errorf("%s: metadata.namespace: %q does not match the path (use %q)", file, obj.GetNamespace(), namespace)
	}
	return nil
}

// Platform of the repository.
func (v *View) Platform(ctx context.Context) (*v1alpha1.Platform, error) {
	obj, err := v.document(ctx, platformFile, &v1alpha1.Platform{})
	if err != nil {
		return nil, err
	}
	return obj.(*v1alpha1.Platform).DeepCopy(), nil
}

// Certificate is the sealing certificate as PEM; nil when the repository holds none.
func (v *View) Certificate(ctx context.Context) ([]byte, error) {
	data, err := v.snapshot.ReadFile(ctx, certificateFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return data, err
}

// Team reads one team.
func (v *View) Team(ctx context.Context, name string) (*v1alpha1.Team, error) {
	obj, err := v.document(ctx, teamFile(name), &v1alpha1.Team{})
	if err != nil {
		return nil, err
	}
	return obj.(*v1alpha1.Team), nil
}

// Project reads one project.
func (v *View) Project(ctx context.Context, team, name string) (*v1alpha1.Project, error) {
	obj, err := v.document(ctx, projectFile(team, name), &v1alpha1.Project{})
	if err != nil {
		return nil, err
	}
	return obj.(*v1alpha1.Project), nil
}

// Environment reads one environment's desired state.
func (v *View) Environment(ctx context.Context, key v1alpha1.EnvironmentKey) (*v1alpha1.Environment, error) {
	obj, err := v.document(ctx, path.Join(EnvironmentDir(key), environmentFile), &v1alpha1.Environment{})
	if err != nil {
		return nil, err
	}
	return obj.(*v1alpha1.Environment), nil
}

// Teams lists all teams by name; files that cannot be used come apart.
func (v *View) Teams(ctx context.Context) ([]*v1alpha1.Team, []BrokenFile, error) {
	files, err := v.names(ctx, teamsDir, false)
	if err != nil {
		return nil, nil, err
	}
	var teams []*v1alpha1.Team
	var broken []BrokenFile
	for _, f := range files {
		name, ok := strings.CutSuffix(f, yamlSuffix)
		if !ok {
			continue
		}
		team, err := v.Team(ctx, name)
		if err != nil {
			broken = append(broken, brokenFile(teamFile(name), err))
			continue
		}
		teams = append(teams, team)
	}
	return teams, broken, nil
}

// Projects lists all projects by team and name; files that cannot be used come apart.
func (v *View) Projects(ctx context.Context) ([]*v1alpha1.Project, []BrokenFile, error) {
	teams, err := v.names(ctx, projectsDir, true)
	if err != nil {
		return nil, nil, err
	}
	var projects []*v1alpha1.Project
	var broken []BrokenFile
	for _, team := range teams {
		files, err := v.names(ctx, path.Join(projectsDir, team), false)
		if err != nil {
			return nil, nil, err
		}
		for _, f := range files {
			name, ok := strings.CutSuffix(f, yamlSuffix)
			if !ok {
				continue
			}
			project, err := v.Project(ctx, team, name)
			if err != nil {
				broken = append(broken, brokenFile(projectFile(team, name), err))
				continue
			}
			projects = append(projects, project)
		}
	}
	return projects, broken, nil
}

// prefetch reads all documents and what environments were rendered from at once, before they are read one by one.
func (v *View) prefetch(ctx context.Context) error {
	files := []string{platformFile, certificateFile}
	keys, err := v.Keys(ctx, "", "")
	if err != nil {
		return err
	}
	for _, key := range keys {
		files = append(files, path.Join(EnvironmentDir(key), environmentFile), path.Join(EnvironmentDir(key), metadataFile))
	}
	teams, err := v.names(ctx, projectsDir, true)
	if err != nil {
		return err
	}
	dirs := []string{teamsDir}
	for _, team := range teams {
		dirs = append(dirs, path.Join(projectsDir, team))
	}
	for _, dir := range dirs {
		names, err := v.names(ctx, dir, false)
		if err != nil {
			return err
		}
		for _, name := range names {
			files = append(files, path.Join(dir, name))
		}
	}
	return v.snapshot.Prefetch(ctx, files)
}

// Keys lists the environments by name, from the tree alone: no file is read. Empty team and project mean all.
func (v *View) Keys(ctx context.Context, team, project string) ([]v1alpha1.EnvironmentKey, error) {
	teams, err := v.oneOrAll(ctx, environmentsDir, team)
	if err != nil {
		return nil, err
	}
	var keys []v1alpha1.EnvironmentKey
	for _, t := range teams {
		projects, err := v.oneOrAll(ctx, path.Join(environmentsDir, t), project)
		if err != nil {
			return nil, err
		}
		for _, p := range projects {
			names, err := v.names(ctx, path.Join(environmentsDir, t, p), true)
			if err != nil {
				return nil, err
			}
			for _, n := range names {
				if key, ok := v1alpha1.ParseEnvironmentKey(t + "/" + p + "/" + n); ok {
					keys = append(keys, key)
				}
			}
		}
	}
	return keys, nil
}

func (v *View) oneOrAll(ctx context.Context, dir, name string) ([]string, error) {
	if name != "" {
		return []string{name}, nil
	}
	return v.names(ctx, dir, true)
}

// names lists a folder: its folders or its files, sorted; nothing where there is no such folder.
func (v *View) names(ctx context.Context, dir string, dirs bool) ([]string, error) {
	entries, err := v.snapshot.ReadDir(ctx, dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("listing %s: %w", dir, err)
	}
	var names []string
	for _, e := range entries {
		if e.Dir == dirs && !strings.HasPrefix(e.Name, ".") {
			names = append(names, e.Name)
		}
	}
	return names, nil
}

// Manifests are the committed manifests of an environment by file name.
func (v *View) Manifests(ctx context.Context, key v1alpha1.EnvironmentKey) (map[string][]byte, error) {
	files, err := v.snapshot.Files(ctx, path.Join(EnvironmentDir(key), manifestsDir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("manifests of %s: %w", key, ErrNotFound)
	}
	return files, err
}

// namespaceOwner finds another environment that would get the same namespace, reading names only.
func (v *View) namespaceOwner(ctx context.Context, key v1alpha1.EnvironmentKey) (v1alpha1.EnvironmentKey, bool, error) {
	namespace := key.Namespace()
	if len(namespace) == validation.DNS1123LabelMaxLength {
		return v.shortenedOwner(ctx, key) // two full names may have one shortened form, which may be a third one's full name
	}
	// Only names that differ in where their parts end have one full name: there is no need to look at all environments.
	for i := range namespace {
		for j := i + 1; namespace[i] == '-' && j < len(namespace); j++ {
			other := v1alpha1.EnvironmentKey{Team: namespace[:i], Project: namespace[i+1 : j], Environment: namespace[j+1:]}
			if namespace[j] != '-' || other == key || other.Team == "" || other.Project == "" || other.Environment == "" {
				continue
			}
			if _, exists := v.snapshot.Tree(EnvironmentDir(other)); exists {
				return other, true, nil
			}
		}
	}
	return v1alpha1.EnvironmentKey{}, false, nil
}

func (v *View) shortenedOwner(ctx context.Context, key v1alpha1.EnvironmentKey) (v1alpha1.EnvironmentKey, bool, error) {
	keys, err := v.Keys(ctx, "", "")
	if err != nil {
		return v1alpha1.EnvironmentKey{}, false, err
	}
	for _, k := range keys {
		if k != key && k.Namespace() == key.Namespace() {
			return k, true, nil
		}
	}
	return v1alpha1.EnvironmentKey{}, false, nil
}
