package gitops

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"catalyst.dev/catalyst/api/v1alpha1"
	"catalyst.dev/catalyst/gitops/forge"
)

// Decision is what a pull request's environment should be.
type Decision string

// The decisions.
const (
	// Want means that the environment should exist as planned.
	Want Decision = "want"
	// RenderOnly means that it is rendered and reported, never committed: the code comes from a fork.
	RenderOnly Decision = "render-only"
	// Unwanted means that it should not exist.
	Unwanted Decision = "unwanted"
)

// Plan is the environment that a pull request should have now.
type Plan struct {
	Decision Decision
	Key      v1alpha1.EnvironmentKey
	// Source is the project's source that the pull request belongs to.
	Source v1alpha1.EnvironmentSource
	// Type is the key of the project's templates.
	Type string
	// Reason says in one sentence why the decision is not Want.
	Reason string
}

// planPullRequest works out the environment of a pull request in one source of a project. files are the paths that
// the pull request touches; they are looked at only when the project filters by path.
func planPullRequest(project *v1alpha1.Project, src v1alpha1.Source, pr forge.PullRequest, files []string) Plan {
	previews := project.Spec.Previews
	plan := Plan{
		Decision: Want,
		Key: v1alpha1.EnvironmentKey{Team: project.Namespace, Project: project.Name,
			Environment: previewName(project, src.Name, pr.Number)},
		Source: v1alpha1.EnvironmentSource{Name: src.Name, Branch: pr.Head.Ref, CommitSHA: pr.Head.SHA, PRNumber: pr.Number},
		Type:   previews.Template,
	}
	decline := func(reason string) Plan {
		plan.Decision, plan.Reason = Unwanted, reason
		return plan
	}
	switch {
	case pr.State != "open":
		return decline("the pull request is closed")
	case !previews.Enabled:
		return decline("previews are not enabled in the project")
	case pr.Draft && !previews.Drafts:
		return decline("the pull request is a draft")
	case len(previews.Labels) > 0 && !slices.ContainsFunc(pr.Labels, func(l string) bool { return slices.Contains(previews.Labels, l) }):
		return decline("the pull request has none of the labels " + strings.Join(previews.Labels, ", "))
	case len(previews.Paths) > 0 && !touches(files, previews.Paths):
		return decline("the pull request touches none of the paths " + strings.Join(previews.Paths, ", "))
	case pr.Fork() && previews.Forks == v1alpha1.ForksDeny:
		return decline("the pull request comes from a fork, and the project denies forks")
	case pr.Fork():
		plan.Decision, plan.Reason = RenderOnly, "the pull request comes from a fork: it is rendered, never committed"
	}
	return plan
}

// previewName is the environment's name: by number, since titles and branches are the author's to choose. The first
// source has the short form; the others carry their name, as two repositories number their pull requests alike.
func previewName(project *v1alpha1.Project, source string, number int) string {
	name := "pr-" + strconv.Itoa(number)
	if project.Spec.Sources[0].Name != source {
		name = source + "-" + name
	}
	return name
}

// touches reports whether one of the files matches one of the patterns: a path.Match pattern, or a folder.
func touches(files, patterns []string) bool {
	for _, pattern := range patterns {
		folder := strings.TrimSuffix(strings.TrimSuffix(pattern, "**"), "/") + "/"
		for _, file := range files {
			if ok, err := path.Match(pattern, file); (ok && err == nil) || strings.HasPrefix(file, folder) {
				return true
			}
		}
	}
	return false
}

// environment is the document of a plan: the existing one moved to the planned source, or a new one. others are the
// project's other sources for a new environment, at their branches' heads.
func (p Plan) environment(existing *v1alpha1.Environment, others []v1alpha1.EnvironmentSource) *v1alpha1.Environment {
	if existing != nil {
		env := existing.DeepCopy()
		env.Spec.Sources = setSource(env.Spec.Sources, p.Source)
		for _, o := range others {
			if env.Source(o.Name).CommitSHA == "" {
				env.Spec.Sources = setSource(env.Spec.Sources, o)
			}
		}
		return env
	}
	env := &v1alpha1.Environment{
		TypeMeta: metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion.String(), Kind: v1alpha1.KindEnvironment},
		ObjectMeta: metav1.ObjectMeta{
			Name:      p.Key.Environment,
			Namespace: p.Key.Team + "-" + p.Key.Project,
		},
		Spec: v1alpha1.EnvironmentSpec{
			ProjectRef: v1alpha1.ProjectRef{Name: p.Key.Project},
			Type:       p.Type,
			Sources:    append([]v1alpha1.EnvironmentSource{p.Source}, others...),
		},
	}
	env.SetDefaults()
	return env
}

// setSource replaces the source of that name, or appends it.
func setSource(sources []v1alpha1.EnvironmentSource, src v1alpha1.EnvironmentSource) []v1alpha1.EnvironmentSource {
	for i := range sources {
		if sources[i].Name == src.Name {
			sources[i] = src
			return sources
		}
	}
	return append(sources, src)
}

// conflict is the refusal of two environments that meet in one namespace.
func conflict(key, other v1alpha1.EnvironmentKey) error {
	return fmt.Errorf("%w: environments %s and %s would both get the namespace %s (rename one of them)",
		ErrConflict, key, other, key.Namespace())
}
