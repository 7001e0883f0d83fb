package gitops

import (
	"context"
	"errors"
	"fmt"
	"time"

	"catalyst.dev/catalyst/api/v1alpha1"
	"catalyst.dev/catalyst/gitops/repository"
)

// maxDated bounds the environments whose last change is looked up in one sweep: a look-up reads the history back to it.
const maxDated = 50

// expired deletes the previews that nobody changed for their project's time to live.
func (s *sweep) expired(ctx context.Context) error {
	var errs []error
	due := map[v1alpha1.EnvironmentKey]time.Time{}
	looked := 0
	for _, p := range s.projects {
		ttl := p.Spec.Previews.TTL
		if ttl == nil || ttl.Duration <= 0 {
			continue
		}
		for _, env := range p.environments {
			key := env.Key()
			if !isPreview(env) {
				continue
			}
			at, known := s.loop.sweeper.due[key]
			if known {
				due[key] = at
			}
			if known && at.After(s.now) || looked == maxDated {
				continue
			}
			looked++
			changed, err := s.changed(ctx, key)
			if err != nil {
				return err
			}
			if due[key] = changed.Add(ttl.Duration); !due[key].After(s.now) {
				errs = append(errs, s.loop.expire(ctx, s.view, env, ttl.Duration))
			}
		}
	}
	s.loop.sweeper.due = due
	return errors.Join(errs...)
}

// changed is when an environment's folder was last committed to.
func (s *sweep) changed(ctx context.Context, key v1alpha1.EnvironmentKey) (time.Time, error) {
	commits, err := s.loop.config.Repository.Log(ctx, EnvironmentDir(key), repository.LogOptions{Limit: 1})
	if err != nil {
		return time.Time{}, fmt.Errorf("finding the last change of %s: %w", key, err)
	}
	if len(commits) == 0 {
		return s.now, nil // changed a moment ago, by somebody else
	}
	return commits[0].When, nil
}

// expire deletes a preview whose time to live is over, unless it changed since it was looked at.
func (l *Loop) expire(ctx context.Context, seen *View, env *v1alpha1.Environment, ttl time.Duration) error {
	key := env.Key()
	defer l.environments.lock(key.String())()
	o := Outcome{Key: key, State: StateExpired, Message: fmt.Sprintf(
		"nothing changed for %s, the time to live of the project's previews (spec.previews.ttl); the next change of the pull request brings it back", ttl)}
	for _, src := range env.Spec.Sources {
		if src.PRNumber > 0 {
			o.PRNumber, o.SourceSHA = src.PRNumber, src.CommitSHA
		}
	}
	dir := EnvironmentDir(key)
	was, _ := seen.snapshot.Tree(dir)
	reason := sourceCommit{}
	reason.commit.Subject = fmt.Sprintf("Nothing changed for %s (spec.previews.ttl)", ttl)
	revision, err := l.config.Repository.Commit(ctx, repository.Change{
		Author: Cause{}.author(),
		Edit: func(_ context.Context, tip *repository.Snapshot) (repository.Edit, error) {
			if is, exists := tip.Tree(dir); !exists || is != was {
				return repository.Edit{}, repository.ErrUnchanged
			}
			return repository.Edit{
				Message: commitMessage(env, ActionDelete, Cause{}, reason),
				Replace: map[string]map[string][]byte{dir: nil},
				Delete:  []string{applicationFile(key)},
			}, nil
		},
	})
	if errors.Is(err, repository.ErrUnchanged) {
		return nil
	}
	if err != nil {
		return l.fail(ctx, o, err)
	}
	o.Revision = revision
	return l.record(ctx, o)
}
