package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// Environment belongs to a project (metadata.namespace is <team>-<project>). It holds the desired state only and
// stands in environments/<team>/<project>/<environment>/environment.yaml.
//
// +kubebuilder:object:root=true
// +kubebuilder:printcolumn:name="Project",type=string,JSONPath=`.spec.projectRef.name`
// +kubebuilder:printcolumn:name="Type",type=string,JSONPath=`.spec.type`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type Environment struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec EnvironmentSpec `json:"spec"`
}

// EnvironmentSpec is the desired state of an environment.
type EnvironmentSpec struct {
	// ProjectRef names the project, in the same team.
	ProjectRef ProjectRef `json:"projectRef"`
	// Type is a key of the project's templates; "development" when empty.
	// +kubebuilder:default=development
	// +optional
	Type string `json:"type,omitempty"`
	// DeploymentMode says how it runs; "production" when Type is "deployment", else "development".
	// +optional
	DeploymentMode DeploymentMode `json:"deploymentMode,omitempty"`
	// Sources say which branch and commit of each source runs. A source that is not named follows the project's branch.
	// +optional
	// +listType=map
	// +listMapKey=name
	Sources []EnvironmentSource `json:"sources,omitempty"`
	// Config overrides the template's.
	// +optional
	Config Config `json:"config,omitempty"`
	// Values are merged over the template's.
	// +optional
	// +kubebuilder:pruning:PreserveUnknownFields
	// +kubebuilder:validation:Schemaless
	// +kubebuilder:validation:Type=object
	Values *runtime.RawExtension `json:"values,omitempty"`
}

// ProjectRef names a project.
type ProjectRef struct {
	// Name of the project.
	Name string `json:"name"`
}

// DeploymentMode says how an environment runs.
// +kubebuilder:validation:Enum=production;development;workspace
type DeploymentMode string

// The deployment modes.
const (
	ModeProduction  DeploymentMode = "production"
	ModeDevelopment DeploymentMode = "development"
	ModeWorkspace   DeploymentMode = "workspace"
)

// EnvironmentSource is a source at one commit.
type EnvironmentSource struct {
	// Name of the project's source.
	Name string `json:"name"`
	// Branch that is followed.
	// +optional
	Branch string `json:"branch,omitempty"`
	// CommitSHA is the source revision: 40 or 64 lower-case hex digits. Catalyst writes it.
	// +kubebuilder:validation:Pattern=`^([0-9a-f]{40}|[0-9a-f]{64})$`
	// +optional
	CommitSHA string `json:"commitSha,omitempty"`
	// PRNumber is the pull request that this environment previews.
	// +kubebuilder:validation:Minimum=0
	// +optional
	PRNumber int `json:"prNumber,omitempty"`
}

// EnvironmentList is a list of environments.
//
// +kubebuilder:object:root=true
type EnvironmentList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Environment `json:"items"`
}
