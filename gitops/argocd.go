package gitops

import (
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"catalyst.dev/catalyst/api/v1alpha1"
)

// application is the Argo CD Application that syncs one environment. repositoryURL is the environments repository as
// Argo CD reaches it.
//
// The target revision is fully qualified and manifest-generate-paths is set because both keep a large environments
// repository cheap for Argo CD: it needs no list of references, and a commit elsewhere costs no manifest generation.
func application(key v1alpha1.EnvironmentKey, p *v1alpha1.Platform, repositoryURL, branch string) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "argoproj.io/v1alpha1",
		"kind":       "Application",
		"metadata": map[string]any{
			"name":      key.Namespace(),
			"namespace": p.Spec.ArgoCD.Namespace,
			"labels": map[string]any{
				v1alpha1.LabelTeam:             key.Team,
				v1alpha1.LabelProject:          key.Project,
				v1alpha1.LabelEnvironment:      key.Environment,
				"app.kubernetes.io/managed-by": "catalyst",
			},
			"annotations": map[string]any{"argocd.argoproj.io/manifest-generate-paths": "."},
			"finalizers":  []any{"resources-finalizer.argocd.argoproj.io"},
		},
		"spec": map[string]any{
			"project": key.Team,
			"source": map[string]any{
				"repoURL":        repositoryURL,
				"path":           EnvironmentDir(key) + "/" + manifestsDir,
				"targetRevision": "refs/heads/" + branch,
			},
			"destination": map[string]any{
				"server":    p.Spec.Cluster.Server,
				"namespace": key.Namespace(),
			},
			"syncPolicy": map[string]any{
				"automated":   map[string]any{"prune": true, "selfHeal": true},
				"syncOptions": []any{"ApplyOutOfSyncOnly=true"},
				"retry": map[string]any{
					"limit":   int64(5),
					"backoff": map[string]any{"duration": "5s", "factor": int64(2), "maxDuration": "3m"},
				},
			},
		},
	}}
}

// appProject confines a team: its namespaces, this repository, and no cluster-scoped kind but the Namespace. teams are
// all teams: acme must not reach into acme-labs only because its pattern matches, so that one is excluded by name.
func appProject(team string, teams []string, p *v1alpha1.Platform, repositoryURL string) *unstructured.Unstructured {
	destinations := []any{map[string]any{"server": p.Spec.Cluster.Server, "namespace": team + "-*"}}
	for _, other := range teams {
		if strings.HasPrefix(other, team+"-") {
			destinations = append(destinations, map[string]any{"server": p.Spec.Cluster.Server, "namespace": "!" + other + "-*"})
		}
	}
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "argoproj.io/v1alpha1",
		"kind":       "AppProject",
		"metadata": map[string]any{
			"name":      team,
			"namespace": p.Spec.ArgoCD.Namespace,
			"labels": map[string]any{
				v1alpha1.LabelTeam:             team,
				"app.kubernetes.io/managed-by": "catalyst",
			},
		},
		"spec": map[string]any{
			"description":              "Environments of team " + team + ", written by Catalyst.",
			"sourceRepos":              []any{repositoryURL},
			"destinations":             destinations,
			"clusterResourceWhitelist": []any{map[string]any{"group": "", "kind": "Namespace"}},
		},
	}}
}
