package gitops

import (
	"context"
	"slices"
	"time"

	"catalyst.dev/catalyst/api/v1alpha1"
)

// Follow watches the environments repository for what people push to it, and asks for the environments that this
// touches to be rendered again. It blocks until ctx ends.
func (l *Loop) Follow(ctx context.Context) error {
	ticker := time.NewTicker(l.config.PollInterval)
	defer ticker.Stop()
	seen := (*View)(nil)
	broken := map[string]string{}
	for {
		view, err := l.fresh(ctx)
		if err == nil {
			err = view.prefetch(ctx)
		}
		if err == nil && (seen == nil || seen.Revision() != view.Revision()) {
			err = l.tellBroken(ctx, view, broken)
		}
		if err == nil {
			err = l.noticed(ctx, seen, view)
		}
		if err == nil {
			seen = view
		} else if ctx.Err() == nil {
			l.config.Logger.Error("following the environments repository", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// noticed asks for the environments whose input differs from what they were rendered from. seen is the view before;
// nil looks at all of them.
func (l *Loop) noticed(ctx context.Context, seen, now *View) error {
	if l.config.Enqueue == nil || seen != nil && seen.Revision() == now.Revision() {
		return nil
	}
	keys, err := touched(ctx, seen, now)
	if err != nil {
		return err
	}
	var outdated []v1alpha1.EnvironmentKey
	for _, key := range keys {
		is, err := l.outdated(ctx, now, key)
		if err != nil {
			return err
		}
		if is {
			outdated = append(outdated, key)
		}
	}
	if len(outdated) == 0 {
		return nil
	}
	return l.config.Enqueue(ctx, EnvironmentJobs(outdated))
}

// touched are the environments that a change between two revisions may concern: all of them when the platform changed,
// a project's when the project did, else those whose own folder did. Those that a person deleted are among them.
func touched(ctx context.Context, seen, now *View) ([]v1alpha1.EnvironmentKey, error) {
	all, err := now.Keys(ctx, "", "")
	if err != nil {
		return nil, err
	}
	keys, err := now.orphans(ctx, all)
	if err != nil {
		return nil, err
	}
	if seen == nil {
		return append(keys, all...), nil
	}
	same := func(p string) bool {
		before, was := seen.snapshot.Tree(p)
		after, is := now.snapshot.Tree(p)
		return was == is && before == after
	}
	if !same(platformFile) || !same(certificateFile) {
		return append(keys, all...), nil
	}
	for _, key := range all {
		if !same(EnvironmentDir(key)) || !same(projectFile(key.Team, key.Project)) {
			keys = append(keys, key)
		}
	}
	return keys, nil
}

// outdated reports whether an environment was rendered from other input than it has now, or failed since with the commit
// that it has: its input was broken, and is mended again. What cannot be read is left to its own job, which says so.
func (l *Loop) outdated(ctx context.Context, view *View, key v1alpha1.EnvironmentKey) (bool, error) {
	env, err := view.Environment(ctx, key)
	if err != nil {
		return true, nil
	}
	docs, err := view.documents(ctx, env)
	if err != nil {
		return true, nil
	}
	want, err := InputDigest(docs, l.config.Version)
	if err != nil {
		return false, err
	}
	last, err := view.metadata(ctx, key)
	if err != nil {
		return false, err
	}
	if last.Catalyst.InputDigest != want || l.config.Last == nil {
		return last.Catalyst.InputDigest != want, nil
	}
	outcome, known, err := l.config.Last(ctx, key)
	// A failure at another commit is a pull request's newer one: that it failed stays to be seen.
	at := func(src v1alpha1.EnvironmentSource) bool {
		return outcome.SourceSHA == "" || src.CommitSHA == outcome.SourceSHA
	}
	return known && outcome.State == StateFailed && slices.ContainsFunc(env.Spec.Sources, at), err
}
