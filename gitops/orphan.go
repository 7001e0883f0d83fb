package gitops

import (
	"context"
	"errors"

	"catalyst.dev/catalyst/api/v1alpha1"
	"catalyst.dev/catalyst/gitops/repository"
)

// orphans are the environments whose folder a person deleted between two views, and whose Application is still there: Argo
// CD would keep what it deployed for ever.
func orphans(ctx context.Context, seen, now *View) ([]v1alpha1.EnvironmentKey, error) {
	before, err := seen.Keys(ctx, "", "")
	if err != nil {
		return nil, err
	}
	var keys []v1alpha1.EnvironmentKey
	for _, key := range before {
		if now.orphaned(key) {
			keys = append(keys, key)
		}
	}
	return keys, nil
}

// orphaned reports whether an environment's Application stands without the environment's folder.
func (v *View) orphaned(key v1alpha1.EnvironmentKey) bool {
	_, folder := v.snapshot.Tree(EnvironmentDir(key))
	_, application := v.snapshot.Tree(applicationFile(key))
	return application && !folder
}

// deleteOrphan removes the Application of an environment that a person deleted, unless the environment is back.
func (l *Loop) deleteOrphan(ctx context.Context, key v1alpha1.EnvironmentKey, cause Cause) error {
	defer l.environments.lock(key.String())()
	env := &v1alpha1.Environment{}
	env.Name, env.Namespace, env.Spec.ProjectRef.Name = key.Environment, key.Team+"-"+key.Project, key.Project
	o := Outcome{Key: key, State: StateDeleted, Message: "its folder was deleted by hand"}
	reason := sourceCommit{}
	reason.commit.Subject = "Its folder was deleted by hand"
	revision, err := l.config.Repository.Commit(ctx, repository.Change{
		Author: cause.author(),
		Edit: func(_ context.Context, tip *repository.Snapshot) (repository.Edit, error) {
			if !(&View{snapshot: tip, cache: l.cache}).orphaned(key) {
				return repository.Edit{}, repository.ErrUnchanged
			}
			return repository.Edit{Message: commitMessage(env, ActionDelete, cause, reason), Delete: []string{applicationFile(key)}}, nil
		},
	})
	switch {
	case errors.Is(err, repository.ErrUnchanged):
		return nil
	case err != nil:
		return l.fail(ctx, o, err)
	}
	o.Revision = revision
	return l.record(ctx, o)
}
