package main

import (
	"context"
	"errors"
	"io/fs"

	"catalyst.dev/catalyst/api/v1alpha1"
	"catalyst.dev/catalyst/gitops"
	"catalyst.dev/catalyst/gitops/queue"
	"catalyst.dev/catalyst/gitops/repository"
	"catalyst.dev/catalyst/server"
)

// apiData answers the API from the environments repository as last seen, and the outcomes of jobs.
type apiData struct {
	loop       *gitops.Loop
	repository *repository.Repository
	queue      *queue.Queue
}

func (d apiData) functions() server.Data {
	return server.Data{
		Teams: func(ctx context.Context) ([]*v1alpha1.Team, error) {
			teams, _, err := d.loop.View().Teams(ctx)
			return teams, err
		},
		Projects: func(ctx context.Context) ([]*v1alpha1.Project, error) {
			projects, _, err := d.loop.View().Projects(ctx)
			return projects, err
		},
		Keys: func(ctx context.Context, team, project string) ([]v1alpha1.EnvironmentKey, error) {
			return d.loop.View().Keys(ctx, team, project)
		},
		Environment: d.environment,
		Manifests: func(ctx context.Context, key v1alpha1.EnvironmentKey) (map[string][]byte, error) {
			return d.loop.View().Manifests(ctx, key)
		},
		History: d.history,
		Broken:  d.loop.BrokenFiles, BrokenOf: d.loop.BrokenFilesOf,
	}
}

// environment reads one. What was only rendered, such as a fork's pull request, has an outcome and no document.
func (d apiData) environment(ctx context.Context, key v1alpha1.EnvironmentKey) (server.Environment, error) {
	view := d.loop.View()
	var e server.Environment
	o, err := d.queue.Outcome(ctx, key.String())
	switch {
	case err == nil:
		e.Outcome = &server.Outcome{State: o.State, Message: o.Message, SourceSHA: o.SourceSHA, Revision: o.Revision, Report: o.Report, At: o.At}
	case !errors.Is(err, queue.ErrNotFound):
		return e, err
	}
	env, err := view.Environment(ctx, key)
	if errors.Is(err, gitops.ErrNotFound) && e.Outcome != nil && (o.State == queue.StateRenderOnly || o.State == queue.StateFailed) {
		return e, nil
	}
	if err != nil {
		return e, err
	}
	e.Spec, e.Revision = env.Spec, view.Revision()
	e.URL, err = view.URL(ctx, key)
	return e, err
}

func (d apiData) history(ctx context.Context, key v1alpha1.EnvironmentKey, limit int) ([]server.Change, error) {
	commits, err := d.repository.Log(ctx, gitops.EnvironmentDir(key), repository.LogOptions{Limit: limit})
	if errors.Is(err, fs.ErrNotExist) {
		return nil, gitops.ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	changes := make([]server.Change, 0, len(commits))
	for _, c := range commits {
		trailers := map[string]string{}
		for _, t := range c.Trailers {
			trailers[t.Key] = t.Value
		}
		changes = append(changes, server.Change{Revision: c.Revision, Subject: c.Subject, Author: c.Author.Name, At: c.When,
			Action: trailers["Catalyst-Action"], Actor: trailers["Catalyst-Actor"], Delivery: trailers["Catalyst-Delivery"],
			SourceSHA: trailers["Argocd-reference-commit-sha"]})
	}
	return changes, nil
}
