package gitops

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"catalyst.dev/catalyst/api/v1alpha1"
	"catalyst.dev/catalyst/secrets"
)

// BrokenFile is a hand-written file that cannot be used. It breaks only what it describes.
type BrokenFile struct {
	// Path in the environments repository.
	Path string `json:"path"`
	// Error names the field or the line, and the remedy; a fault a line.
	Error string `json:"error"`
}

// Affects reports whether an environment cannot be rendered because of the file.
func (b BrokenFile) Affects(key v1alpha1.EnvironmentKey) bool {
	return slices.Contains([]string{platformFile, certificateFile, projectFile(key.Team, key.Project),
		path.Join(EnvironmentDir(key), environmentFile)}, b.Path)
}

// Team whose file it is; empty when it is everybody's.
func (b BrokenFile) Team() string {
	parts := strings.Split(b.Path, "/")
	switch {
	case len(parts) < 2:
		return ""
	case parts[0] == teamsDir:
		return strings.TrimSuffix(parts[1], path.Ext(parts[1]))
	}
	return parts[1]
}

// brokenFiles of one revision.
type brokenFiles struct {
	revision string
	files    []BrokenFile
}

// BrokenFiles lists the hand-written files that cannot be used, as last seen, by path.
func (l *Loop) BrokenFiles(ctx context.Context) ([]BrokenFile, error) {
	view := l.View()
	if known := l.broken.Load(); known != nil && known.revision == view.Revision() {
		return known.files, nil
	}
	files, err := view.BrokenFiles(ctx)
	if err != nil {
		return nil, err
	}
	l.broken.Store(&brokenFiles{revision: view.Revision(), files: files})
	return files, nil
}

// tellBroken logs the hand-written files that cannot be used, each once for as long as it is broken in the same way.
func (l *Loop) tellBroken(ctx context.Context, view *View, told map[string]string) error {
	broken, err := view.BrokenFiles(ctx)
	if err != nil {
		return err
	}
	l.broken.Store(&brokenFiles{revision: view.Revision(), files: broken})
	now := map[string]string{}
	for _, b := range broken {
		now[b.Path] = b.Error
		if told[b.Path] != b.Error {
			l.config.Logger.Error("a file of the environments repository cannot be used; all others go on", "path", b.Path, "error", b.Error)
		}
	}
	clear(told)
	maps.Copy(told, now)
	return nil
}

// BrokenFiles lists the hand-written files that cannot be used, of all kinds, by path.
func (v *View) BrokenFiles(ctx context.Context) ([]BrokenFile, error) {
	broken := v.brokenShared(ctx)
	for _, find := range []func(context.Context) ([]BrokenFile, error){v.brokenTeams, v.brokenProjects, v.brokenEnvironments} {
		found, err := find(ctx)
		if err != nil {
			return nil, err
		}
		broken = append(broken, found...)
	}
	slices.SortFunc(broken, func(a, b BrokenFile) int { return strings.Compare(a.Path, b.Path) })
	return broken, nil
}

// brokenShared are the broken files that every environment is rendered from.
func (v *View) brokenShared(ctx context.Context) []BrokenFile {
	var broken []BrokenFile
	if _, err := v.Platform(ctx); err != nil {
		broken = append(broken, brokenFile(platformFile, err))
	}
	if certificate, err := v.Certificate(ctx); err == nil && certificate != nil {
		if _, err := secrets.ParseCertificate(certificate); err != nil {
			broken = append(broken, brokenFile(certificateFile, err))
		}
	}
	return broken
}

// BrokenFilesOf lists the broken files that keep one environment from being rendered, reading no others.
func (l *Loop) BrokenFilesOf(ctx context.Context, key v1alpha1.EnvironmentKey) ([]BrokenFile, error) {
	v := l.View()
	broken := v.brokenShared(ctx)
	if _, err := v.Project(ctx, key.Team, key.Project); err != nil && !errors.Is(err, ErrNotFound) {
		broken = append(broken, brokenFile(projectFile(key.Team, key.Project), err))
	}
	file := path.Join(EnvironmentDir(key), environmentFile)
	if _, exists := v.snapshot.Tree(file); !exists {
		return broken, nil // only rendered, such as a fork's
	}
	if err := v.checkEnvironment(ctx, key); err != nil {
		broken = append(broken, brokenFile(file, err))
	}
	return broken, nil
}

// brokenFile makes the entry of a file from its error, without the mark that is for programs, and the file's name.
func brokenFile(file string, err error) BrokenFile {
	text := strings.TrimPrefix(strings.TrimSpace(err.Error()), ErrInvalid.Error()+": ")
	return BrokenFile{Path: file, Error: strings.ReplaceAll(text, file+": ", "")}
}

func (v *View) brokenTeams(ctx context.Context) ([]BrokenFile, error) {
	_, broken, err := v.Teams(ctx)
	if err != nil {
		return nil, err
	}
	unread, err := v.unread(ctx, teamsDir)
	return append(broken, unread...), err
}

func (v *View) brokenProjects(ctx context.Context) ([]BrokenFile, error) {
	_, broken, err := v.Projects(ctx)
	if err != nil {
		return nil, err
	}
	teams, err := v.names(ctx, projectsDir, true)
	if err != nil {
		return nil, err
	}
	for _, team := range teams {
		unread, err := v.unread(ctx, path.Join(projectsDir, team))
		if err != nil {
			return nil, err
		}
		broken = append(broken, unread...)
	}
	return broken, nil
}

// unread are the files of a folder that look like documents, and are not read because of their names.
func (v *View) unread(ctx context.Context, dir string) ([]BrokenFile, error) {
	files, err := v.names(ctx, dir, false)
	if err != nil {
		return nil, err
	}
	var broken []BrokenFile
	for _, f := range files {
		switch ext := strings.ToLower(path.Ext(f)); {
		case ext == yamlSuffix && path.Ext(f) == yamlSuffix:
		case ext == ".yml", ext == ".json", ext == yamlSuffix:
			broken = append(broken, brokenFile(path.Join(dir, f), fmt.Errorf("the file is not read (name it %s%s)", strings.TrimSuffix(f, path.Ext(f)), yamlSuffix)))
		}
	}
	return broken, nil
}

func (v *View) brokenEnvironments(ctx context.Context) ([]BrokenFile, error) {
	keys, err := v.Keys(ctx, "", "")
	if err != nil {
		return nil, err
	}
	var broken []BrokenFile
	known := map[string]bool{}
	for _, key := range keys {
		known[key.String()] = true
		if err := v.checkEnvironment(ctx, key); err != nil {
			broken = append(broken, brokenFile(path.Join(EnvironmentDir(key), environmentFile), err))
		}
	}
	teams, err := v.names(ctx, environmentsDir, true)
	if err != nil {
		return nil, err
	}
	for _, team := range teams {
		misnamed, err := v.misnamed(ctx, path.Join(environmentsDir, team), known)
		if err != nil {
			return nil, err
		}
		broken = append(broken, misnamed...)
	}
	return broken, nil
}

// misnamed are a team's environment folders that are not read because of their names.
func (v *View) misnamed(ctx context.Context, dir string, known map[string]bool) ([]BrokenFile, error) {
	projects, err := v.names(ctx, dir, true)
	if err != nil {
		return nil, err
	}
	var broken []BrokenFile
	for _, project := range projects {
		names, err := v.names(ctx, path.Join(dir, project), true)
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			folder := path.Join(dir, project, name)
			if !known[strings.TrimPrefix(folder, environmentsDir+"/")] {
				broken = append(broken, brokenFile(folder, errors.New(
					"the folder is not read: team, project and environment must be lower-case letters, digits and '-', at most 63 (rename the folder)")))
			}
		}
	}
	return broken, nil
}

// checkEnvironment checks a document, and that it fits its project. A project that is broken itself is told of as such.
func (v *View) checkEnvironment(ctx context.Context, key v1alpha1.EnvironmentKey) error {
	env, err := v.Environment(ctx, key)
	if errors.Is(err, ErrNotFound) {
		return errors.New("the folder has no environment.yaml (write one, or delete the folder)")
	}
	if err != nil {
		return err
	}
	project, err := v.Project(ctx, key.Team, key.Project)
	switch {
	case errors.Is(err, ErrNotFound):
		return fmt.Errorf("there is no project %s/%s (add %s, or delete the folder)", key.Team, key.Project, projectFile(key.Team, key.Project))
	case err != nil:
		return nil
	}
	return env.ValidateAgainst(project)
}
