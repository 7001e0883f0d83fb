package gitops

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"catalyst.dev/catalyst/api/v1alpha1"
	"catalyst.dev/catalyst/gitops/repository"
	"catalyst.dev/catalyst/render"
	"catalyst.dev/catalyst/render/manifest"
)

// maxStale is how often an environment is rendered again because its documents changed while it was rendered.
const maxStale = 5

// deployment is one environment on its way into Git.
type deployment struct {
	loop *Loop
	key  v1alpha1.EnvironmentKey
	// desire makes the environment that should be from the one that a revision holds, nil when it holds none. It is asked
	// again on every new tip, so that an edit by hand in between is never overwritten. Nil means: nothing to do any more.
	desire func(existing *v1alpha1.Environment) *v1alpha1.Environment
	cause  Cause
	// action of the commit where the environment exists already.
	action Action
	// renderOnly renders and checks, and commits nothing.
	renderOnly bool
	// preview counts against the project's maximum.
	preview bool
	// outcome that is completed and recorded.
	outcome Outcome
}

// rendered is one render with what it was made from.
type rendered struct {
	docs     Documents
	digest   string
	output   *render.Output
	source   sourceCommit
	metadata Metadata
}

// run brings the environment into Git and records the outcome.
func (d deployment) run(ctx context.Context) error {
	defer d.loop.environments.lock(d.key.String())()
	o := d.outcome
	o.Key = d.key
	for range maxStale {
		err := d.once(ctx, &o)
		if errors.Is(err, errStale) {
			if _, err := d.loop.fresh(ctx); err != nil {
				return err
			}
			continue
		}
		if err != nil {
			return d.loop.fail(ctx, o, err)
		}
		return d.loop.record(ctx, o)
	}
	return d.loop.fail(ctx, o, fmt.Errorf("rendering %s: %w", d.key, errStale))
}

// once renders from the tip as it is known and commits.
func (d deployment) once(ctx context.Context, o *Outcome) error {
	view := d.loop.View()
	docs, err := d.documents(ctx, view)
	if errors.Is(err, errGone) {
		o.State, o.Message = StateSkipped, err.Error()
		return nil
	}
	if err != nil {
		return err
	}
	if sources := docs.Environment.Spec.Sources; o.SourceSHA == "" && len(sources) > 0 {
		o.SourceSHA = sources[0].CommitSHA
	}
	digest, err := InputDigest(docs, d.loop.config.Version)
	if err != nil {
		return err
	}
	last, err := view.metadata(ctx, o.Key)
	if err != nil {
		return err
	}
	if last.Catalyst.InputDigest == digest && !d.renderOnly {
		o.State, o.URL = StateUnchanged, last.Catalyst.URL
		return nil
	}
	r, err := d.render(ctx, docs, digest)
	if err != nil {
		return err
	}
	o.URL = r.output.URL
	if o.Report, err = json.Marshal(r.output.Report); err != nil {
		return fmt.Errorf("encoding the report: %w", err)
	}
	if d.renderOnly {
		o.State = StateRenderOnly
		_, err := d.folder(ctx, view, r)
		return err
	}
	return d.commit(ctx, r, o)
}

// documents that the environment is rendered from, checked against each other.
func (d deployment) documents(ctx context.Context, view *View) (Documents, error) {
	existing, err := view.Environment(ctx, d.key)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return Documents{}, err
	}
	environment := d.desire(existing)
	if environment == nil {
		return Documents{}, errGone
	}
	return view.documents(ctx, environment)
}

// documents of the repository that an environment is rendered from.
func (v *View) documents(ctx context.Context, environment *v1alpha1.Environment) (Documents, error) {
	key := environment.Key()
	platform, err := v.Platform(ctx)
	if err != nil {
		return Documents{}, err
	}
	project, err := v.Project(ctx, key.Team, key.Project)
	if err != nil {
		return Documents{}, err
	}
	certificate, err := v.Certificate(ctx)
	if err != nil {
		return Documents{}, err
	}
	if err := errors.Join(environment.Validate(), environment.ValidateAgainst(project)); err != nil {
		return Documents{}, fmt.Errorf("%w: environment %s: %w", ErrInvalid, key, err)
	}
	return Documents{Platform: platform, Project: project, Environment: environment, Certificate: certificate}, nil
}

// render fetches the sources and renders.
func (d deployment) render(ctx context.Context, docs Documents, digest string) (rendered, error) {
	trees, err := d.loop.sourceTrees(ctx, docs)
	if err != nil {
		return rendered{}, err
	}
	out, err := d.loop.config.Render(ctx, render.Input{
		Platform: docs.Platform, Project: docs.Project, Environment: docs.Environment, Sources: trees,
	})
	if err != nil {
		var problem *manifest.Problem
		if errors.As(err, &problem) {
			err = fmt.Errorf("%w: %w", ErrInvalid, err)
		}
		return rendered{}, err
	}
	r := rendered{docs: docs, digest: digest, output: out}
	if r.source, err = d.sourceCommit(ctx, docs); err != nil {
		return rendered{}, err
	}
	r.metadata = Metadata{
		RepoURL: r.source.repositoryURL, DrySHA: r.source.commit.SHA, Subject: r.source.commit.Subject,
		Catalyst: RenderMetadata{Version: d.loop.config.Version, InputDigest: digest, URL: out.URL},
	}
	if r.source.commit.SHA != "" {
		r.metadata.Author = fmt.Sprintf("%s <%s>", r.source.commit.AuthorName, r.source.commit.AuthorEmail)
		r.metadata.Date = r.source.commit.When.UTC().Format("2006-01-02T15:04:05Z07:00")
	}
	return r, nil
}

// sourceCommit is the commit that the change is about: the pull request's, else the template's source's.
func (d deployment) sourceCommit(ctx context.Context, docs Documents) (sourceCommit, error) {
	tmpl := docs.Project.Spec.Templates[docs.Environment.Spec.Type]
	src, _ := docs.Project.Source(tmpl.SourceRef)
	for _, s := range docs.Environment.Spec.Sources {
		if s.PRNumber > 0 {
			src, _ = docs.Project.Source(s.Name)
		}
	}
	at := docs.Environment.Source(src.Name)
	if at.CommitSHA == "" {
		return sourceCommit{}, nil
	}
	sources, err := d.loop.sources(docs.Project)
	if err != nil {
		return sourceCommit{}, err
	}
	commit, err := sources.Commit(ctx, src.RepositoryURL, at.CommitSHA)
	if err != nil {
		return sourceCommit{}, fmt.Errorf("reading commit %s of %s: %w", at.CommitSHA, src.Name, err)
	}
	return sourceCommit{repositoryURL: src.RepositoryURL, commit: commit}, nil
}

// folder makes the environment's files against what the given revision holds.
func (d deployment) folder(ctx context.Context, view *View, r rendered) (map[string][]byte, error) {
	committed, err := view.Manifests(ctx, r.docs.Environment.Key())
	if err != nil && !errors.Is(err, ErrNotFound) {
		return nil, err
	}
	files, err := Folder(FolderInput{
		Documents: r.docs, Rendered: r.output, MACKey: d.loop.config.MACKey, Committed: committed, Metadata: r.metadata,
	})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return files, nil
}

// commit pushes the render, recomputed on every tip that somebody else pushed first.
func (d deployment) commit(ctx context.Context, r rendered, o *Outcome) error {
	revision, err := d.loop.config.Repository.Commit(ctx, repository.Change{
		Author: d.cause.author(),
		Edit: func(ctx context.Context, tip *repository.Snapshot) (repository.Edit, error) {
			return d.edit(ctx, &View{snapshot: tip, cache: d.loop.cache}, r)
		},
	})
	switch {
	case errors.Is(err, repository.ErrUnchanged):
		o.State = StateUnchanged
		return nil
	case err != nil:
		return err
	}
	o.State, o.Revision = StateCommitted, revision
	return nil
}

// edit is the change on one tip: the environment's folder, its Application, and its team's AppProject if that changed.
func (d deployment) edit(ctx context.Context, tip *View, r rendered) (repository.Edit, error) {
	key := r.docs.Environment.Key()
	docs, err := d.documents(ctx, tip)
	if err != nil {
		return repository.Edit{}, err
	}
	digest, err := InputDigest(docs, d.loop.config.Version)
	if err != nil {
		return repository.Edit{}, err
	}
	if digest != r.digest {
		return repository.Edit{}, errStale
	}
	other, taken, err := tip.namespaceOwner(ctx, key)
	if err != nil {
		return repository.Edit{}, err
	}
	if taken {
		return repository.Edit{}, conflict(key, other)
	}
	_, existed := tip.snapshot.Tree(applicationFile(key))
	if err := d.room(ctx, tip, docs, existed); err != nil {
		return repository.Edit{}, err
	}
	files, err := d.folder(ctx, tip, r)
	if err != nil {
		return repository.Edit{}, err
	}
	put, err := d.loop.argocdFiles(ctx, tip, key, docs.Platform)
	if err != nil {
		return repository.Edit{}, err
	}
	action := d.action
	if !existed {
		action = ActionDeploy
	}
	return repository.Edit{
		Message: commitMessage(r.docs.Environment, action, d.cause, r.source),
		Replace: map[string]map[string][]byte{EnvironmentDir(key): files},
		Put:     put,
	}, nil
}

// room refuses a new preview beyond the project's maximum.
func (d deployment) room(ctx context.Context, tip *View, docs Documents, existed bool) error {
	most := int(docs.Project.Spec.Previews.Max)
	if !d.preview || existed || most == 0 {
		return nil
	}
	key := docs.Environment.Key()
	keys, err := tip.Keys(ctx, key.Team, key.Project)
	if err != nil {
		return err
	}
	previews := 0
	for _, k := range keys {
		env, err := tip.Environment(ctx, k)
		if err == nil && isPreview(env) {
			previews++
		}
	}
	if previews >= most {
		return fmt.Errorf("%w: project %s/%s has %d previews already, its maximum (close a pull request, or raise spec.previews.max)",
			ErrConflict, key.Team, key.Project, previews)
	}
	return nil
}

// isPreview reports whether an environment belongs to a pull request.
func isPreview(env *v1alpha1.Environment) bool {
	for _, s := range env.Spec.Sources {
		if s.PRNumber > 0 {
			return true
		}
	}
	return false
}

// argocdFiles are the Application of the environment and the AppProject of its team.
func (l *Loop) argocdFiles(ctx context.Context, tip *View, key v1alpha1.EnvironmentKey, p *v1alpha1.Platform) (map[string][]byte, error) {
	repositoryURL := l.config.RepositoryURL
	if own := p.Spec.ArgoCD.RepositoryURL; own != "" {
		repositoryURL = own
	}
	app, err := manifest.Encode(application(key, p, repositoryURL, l.config.Branch))
	if err != nil {
		return nil, err
	}
	teams, err := tip.names(ctx, projectsDir, true)
	if err != nil {
		return nil, err
	}
	project, err := manifest.Encode(appProject(key.Team, teams, p, repositoryURL))
	if err != nil {
		return nil, err
	}
	return map[string][]byte{applicationFile(key): app, appProjectFile(key.Team): project}, nil
}

// deleteEnvironment removes an environment's folder and Application. One that is not there is no error.
func (l *Loop) deleteEnvironment(ctx context.Context, env *v1alpha1.Environment, cause Cause, o Outcome) error {
	key := env.Key()
	defer l.environments.lock(key.String())()
	revision, err := l.config.Repository.Commit(ctx, repository.Change{
		Author: cause.author(),
		Edit: func(_ context.Context, tip *repository.Snapshot) (repository.Edit, error) {
			if _, exists := tip.Tree(EnvironmentDir(key)); !exists {
				if _, orphan := tip.Tree(applicationFile(key)); !orphan {
					return repository.Edit{}, repository.ErrUnchanged
				}
			}
			return repository.Edit{
				Message: commitMessage(env, ActionDelete, cause, sourceCommit{}),
				Replace: map[string]map[string][]byte{EnvironmentDir(key): nil},
				Delete:  []string{applicationFile(key)},
			}, nil
		},
	})
	switch {
	case errors.Is(err, repository.ErrUnchanged):
		o.State = StateSkipped
	case err != nil:
		return l.fail(ctx, o, err)
	default:
		o.State, o.Revision = StateDeleted, revision
	}
	return l.record(ctx, o)
}
