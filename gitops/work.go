package gitops

import (
	"context"
	"errors"
	"fmt"

	"catalyst.dev/catalyst/api/v1alpha1"
	"catalyst.dev/catalyst/gitops/forge"
)

// PullRequest brings the environments of a pull request to what the forge says of it now. fullName is "owner/name".
// ErrInvalid and ErrConflict in the error mean that trying again is of no use.
func (l *Loop) PullRequest(ctx context.Context, fullName string, number int, cause Cause) error {
	pr, err := l.config.Forge.PullRequest(ctx, fullName, number)
	if errors.Is(err, forge.ErrNotFound) {
		// It may be gone, or the token may not see it; deleting on that word would be rash.
		return fmt.Errorf("%w: pull request %s#%d is not visible to the server's token", ErrInvalid, fullName, number)
	}
	if err != nil {
		return fmt.Errorf("asking for %s#%d: %w", fullName, number, err)
	}
	view := l.View()
	matches, err := projectsOf(ctx, view, pr.Repository.CloneURL)
	if err != nil {
		return err
	}
	if len(matches) == 0 {
		// The project may have been pushed a moment ago.
		if view, err = l.fresh(ctx); err != nil {
			return err
		}
		if matches, err = projectsOf(ctx, view, pr.Repository.CloneURL); err != nil {
			return err
		}
	}
	if len(matches) == 0 {
		return fmt.Errorf("%w: no project has %s as a source (add it to spec.sources of one)", ErrInvalid, pr.Repository.CloneURL)
	}
	var errs []error
	for _, m := range matches {
		errs = append(errs, l.previewOf(ctx, view, m, pr, cause))
	}
	return errors.Join(errs...)
}

// match is a project with the source that a repository is.
type match struct {
	project *v1alpha1.Project
	source  v1alpha1.Source
}

// projectsOf finds the projects that have the repository as a source. Broken projects match nothing:
// Follow reports them.
func projectsOf(ctx context.Context, view *View, cloneURL string) ([]match, error) {
	projects, _, err := view.Projects(ctx)
	if err != nil {
		return nil, err
	}
	var matches []match
	for _, p := range projects {
		for _, s := range p.Spec.Sources {
			if sameRepository(s.RepositoryURL, cloneURL) {
				matches = append(matches, match{project: p, source: s})
			}
		}
	}
	return matches, nil
}

// previewOf brings one project's environment of a pull request to what it should be.
func (l *Loop) previewOf(ctx context.Context, view *View, m match, pr forge.PullRequest, cause Cause) error {
	var files []string
	if len(m.project.Spec.Previews.Paths) > 0 && pr.State == "open" {
		var err error
		if files, err = l.config.Forge.Files(ctx, pr.Repository.FullName, pr.Number); err != nil {
			return fmt.Errorf("listing the files of %s#%d: %w", pr.Repository.FullName, pr.Number, err)
		}
	}
	plan := planPullRequest(m.project, m.source, pr, files)
	o := Outcome{Key: plan.Key, PRNumber: pr.Number, SourceSHA: pr.Head.SHA, Message: plan.Reason}
	existing, err := view.Environment(ctx, plan.Key)
	switch {
	case errors.Is(err, ErrNotFound):
		existing = nil
	case errors.Is(err, ErrInvalid) && plan.Decision == Unwanted:
		existing = nil
	case err != nil:
		return l.fail(ctx, o, err)
	}
	if plan.Decision == Unwanted {
		return l.deleteEnvironment(ctx, plan.environment(existing, nil), cause, o)
	}
	others, err := l.otherSources(ctx, m, existing)
	if err != nil {
		return l.fail(ctx, o, err)
	}
	return deployment{
		loop: l, key: plan.Key, cause: cause, action: ActionUpdate,
		desire: func(existing *v1alpha1.Environment) *v1alpha1.Environment {
			return plan.environment(existing, others)
		},
		renderOnly: plan.Decision == RenderOnly, preview: true, outcome: o,
	}.run(ctx)
}

// otherSources are the project's other sources at their branches' heads, where the environment has no commit of them yet.
func (l *Loop) otherSources(ctx context.Context, m match, existing *v1alpha1.Environment) ([]v1alpha1.EnvironmentSource, error) {
	var others []v1alpha1.EnvironmentSource
	for _, s := range m.project.Spec.Sources {
		if s.Name == m.source.Name || existing != nil && existing.Source(s.Name).CommitSHA != "" {
			continue
		}
		resolved, err := l.head(ctx, m.project, s, "")
		if err != nil {
			return nil, err
		}
		others = append(others, resolved)
	}
	return others, nil
}

// head is a source at the tip of a branch; of its own branch when that is empty.
func (l *Loop) head(ctx context.Context, p *v1alpha1.Project, s v1alpha1.Source, branch string) (v1alpha1.EnvironmentSource, error) {
	if branch == "" {
		branch = s.Branch
	}
	sources, err := l.sources(p)
	if err != nil {
		return v1alpha1.EnvironmentSource{}, err
	}
	sha, err := sources.Resolve(ctx, s.RepositoryURL, branch)
	if err != nil {
		return v1alpha1.EnvironmentSource{}, fmt.Errorf("finding the head of %s of source %s: %w", branch, s.Name, err)
	}
	return v1alpha1.EnvironmentSource{Name: s.Name, Branch: branch, CommitSHA: sha}, nil
}

// Push moves the environments that follow a branch to its head. cloneURL is the repository's.
func (l *Loop) Push(ctx context.Context, cloneURL, branch string, cause Cause) error {
	return l.push(ctx, cloneURL, branch, cause, func(v1alpha1.EnvironmentKey) bool { return true })
}

// PushTo is Push for one environment.
func (l *Loop) PushTo(ctx context.Context, key v1alpha1.EnvironmentKey, cloneURL, branch string, cause Cause) error {
	return l.push(ctx, cloneURL, branch, cause, func(k v1alpha1.EnvironmentKey) bool { return k == key })
}

func (l *Loop) push(ctx context.Context, cloneURL, branch string, cause Cause, selected func(v1alpha1.EnvironmentKey) bool) error {
	view, err := l.fresh(ctx)
	if err != nil {
		return err
	}
	matches, err := projectsOf(ctx, view, cloneURL)
	if err != nil {
		return err
	}
	var errs []error
	for _, m := range matches {
		keys, err := view.Keys(ctx, m.project.Namespace, m.project.Name)
		if err != nil {
			return err
		}
		for _, key := range keys {
			if !selected(key) {
				continue
			}
			env, err := view.Environment(ctx, key)
			if err != nil || !follows(env, m.source, branch) {
				continue // a broken environment is reported where environments are listed
			}
			errs = append(errs, l.moveTo(ctx, env, m, branch, cause))
		}
	}
	return errors.Join(errs...)
}

// follows reports whether an environment runs a source's branch: a pull request's commit is not its branch's business.
func follows(env *v1alpha1.Environment, src v1alpha1.Source, branch string) bool {
	at := env.Source(src.Name)
	followed := at.Branch
	if followed == "" {
		followed = src.Branch
	}
	return at.PRNumber == 0 && followed == branch
}

func (l *Loop) moveTo(ctx context.Context, env *v1alpha1.Environment, m match, branch string, cause Cause) error {
	at, err := l.head(ctx, m.project, m.source, branch)
	if err != nil {
		return err
	}
	return deployment{
		loop: l, key: env.Key(), cause: cause, action: ActionUpdate, outcome: Outcome{SourceSHA: at.CommitSHA},
		desire: func(existing *v1alpha1.Environment) *v1alpha1.Environment {
			if existing == nil || !follows(existing, m.source, branch) {
				return nil
			}
			moved := existing.DeepCopy()
			moved.Spec.Sources = setSource(moved.Spec.Sources, at)
			return moved
		},
	}.run(ctx)
}

// Environment renders one environment from what the environments repository says of it: after a hand edit of its
// document, its project or the platform.
func (l *Loop) Environment(ctx context.Context, key v1alpha1.EnvironmentKey, cause Cause) error {
	view := l.View()
	env, err := view.Environment(ctx, key)
	if errors.Is(err, ErrNotFound) { // deleted meanwhile, perhaps by a person
		return l.deleteOrphan(ctx, key, cause)
	}
	if err != nil {
		return l.fail(ctx, Outcome{Key: key}, err)
	}
	project, err := view.Project(ctx, key.Team, key.Project)
	if err != nil {
		return l.fail(ctx, Outcome{Key: key}, err)
	}
	var heads []v1alpha1.EnvironmentSource
	for _, s := range project.Spec.Sources {
		if at := env.Source(s.Name); at.CommitSHA == "" {
			resolved, err := l.head(ctx, project, s, at.Branch)
			if err != nil {
				return l.fail(ctx, Outcome{Key: key}, err)
			}
			heads = append(heads, resolved)
		}
	}
	return deployment{
		loop: l, key: key, cause: cause, action: ActionRerender,
		desire: func(existing *v1alpha1.Environment) *v1alpha1.Environment {
			if existing == nil {
				return nil
			}
			pinned := existing.DeepCopy()
			for _, h := range heads {
				if pinned.Source(h.Name).CommitSHA == "" {
					pinned.Spec.Sources = setSource(pinned.Spec.Sources, h)
				}
			}
			return pinned
		},
	}.run(ctx)
}
