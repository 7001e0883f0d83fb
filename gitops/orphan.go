package gitops

import (
	"context"
	"errors"
	"path"

	"catalyst.dev/catalyst/api/v1alpha1"
	"catalyst.dev/catalyst/gitops/repository"
	"catalyst.dev/catalyst/render/manifest"
)

// orphans are the environments whose folder a person deleted, and whose Application is still there: Argo CD would keep what
// it deployed for ever.
func (v *View) orphans(ctx context.Context, all []v1alpha1.EnvironmentKey) ([]v1alpha1.EnvironmentKey, error) {
	known := make(map[string]bool, len(all))
	for _, key := range all {
		known[applicationFile(key)] = true
	}
	teams, err := v.names(ctx, argocdDir, true)
	if err != nil {
		return nil, err
	}
	var keys []v1alpha1.EnvironmentKey
	for _, team := range teams {
		files, err := v.names(ctx, path.Join(argocdDir, team), false)
		if err != nil {
			return nil, err
		}
		for _, name := range files {
			file := path.Join(argocdDir, team, name)
			if known[file] || file == appProjectFile(team) {
				continue
			}
			if key, ok := v.applicationOf(ctx, file); ok && applicationFile(key) == file && v.orphaned(key) {
				keys = append(keys, key)
			}
		}
	}
	return keys, nil
}

// applicationOf is the environment that an Application was written for; false for what Catalyst did not write.
func (v *View) applicationOf(ctx context.Context, file string) (v1alpha1.EnvironmentKey, bool) {
	data, err := v.snapshot.ReadFile(ctx, file)
	if err != nil {
		return v1alpha1.EnvironmentKey{}, false
	}
	objs, err := manifest.Decode(file, data)
	if err != nil || len(objs) != 1 || objs[0].GetKind() != "Application" {
		return v1alpha1.EnvironmentKey{}, false
	}
	labels := objs[0].GetLabels()
	if labels["app.kubernetes.io/managed-by"] != "catalyst" {
		return v1alpha1.EnvironmentKey{}, false
	}
	return v1alpha1.ParseEnvironmentKey(path.Join(labels[v1alpha1.LabelTeam], labels[v1alpha1.LabelProject], labels[v1alpha1.LabelEnvironment]))
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
