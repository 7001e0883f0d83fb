package gitops

import (
	"path"

	"catalyst.dev/catalyst/api/v1alpha1"
)

// Paths of the environments repository. They are a contract with Argo CD and with people.
const (
	platformFile    = "catalyst.yaml"
	certificateFile = "sealed-secrets.pem"
	teamsDir        = "teams"
	projectsDir     = "projects"
	environmentsDir = "environments"
	argocdDir       = "argocd"
	rootFile        = "argocd/root.yaml"
	environmentFile = "environment.yaml"
	metadataFile    = "hydrator.metadata"
	translationFile = "translation.md"
	manifestsDir    = "manifests"
	yamlSuffix      = ".yaml"
)

// EnvironmentDir is the folder that holds all of one environment.
func EnvironmentDir(key v1alpha1.EnvironmentKey) string {
	return path.Join(environmentsDir, key.Team, key.Project, key.Environment)
}

// applicationFile is the Argo CD Application of one environment.
func applicationFile(key v1alpha1.EnvironmentKey) string {
	return path.Join(argocdDir, key.Team, key.Project+"-"+key.Environment+yamlSuffix)
}

// appProjectFile is the Argo CD AppProject of a team.
func appProjectFile(team string) string { return path.Join(argocdDir, team, "project.yaml") }

func projectFile(team, project string) string {
	return path.Join(projectsDir, team, project+yamlSuffix)
}

func teamFile(team string) string { return path.Join(teamsDir, team+yamlSuffix) }
