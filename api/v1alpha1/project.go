package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// Project belongs to a team (its metadata.namespace) and says where its sources are and how its
// environments are rendered. It stands in projects/<team>/<project>.yaml.
//
// +kubebuilder:object:root=true
type Project struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec ProjectSpec `json:"spec"`
}

// ProjectSpec is the desired state of a project.
type ProjectSpec struct {
	// GitHubInstallationID is the GitHub App installation that may read the sources, or "pat" for the
	// server's own token.
	// +optional
	GitHubInstallationID string `json:"githubInstallationId,omitempty"`
	// Sources are the application repositories, each under a name.
	// +kubebuilder:validation:MinItems=1
	// +listType=map
	// +listMapKey=name
	Sources []Source `json:"sources"`
	// Templates say how each type of environment is rendered; the standard keys are "development"
	// (previews) and "deployment" (staging, production).
	// +kubebuilder:validation:MinProperties=1
	Templates map[string]Template `json:"templates"`
	// Previews says which pull requests get an environment.
	// +optional
	Previews Previews `json:"previews,omitempty"`
	// Resources bounds what each environment of the project may use.
	// +optional
	Resources ProjectResources `json:"resources,omitempty"`
}

// Source is an application repository.
type Source struct {
	// Name is what templates and environments call this source.
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	// +kubebuilder:validation:MaxLength=63
	Name string `json:"name"`
	// RepositoryURL is an https, ssh, scp-like or file URL without credentials.
	RepositoryURL string `json:"repositoryUrl"`
	// Branch is followed where an environment names none; "main" when empty.
	// +kubebuilder:default=main
	// +optional
	Branch string `json:"branch,omitempty"`
}

// TemplateType is the kind of input that a template holds.
// +kubebuilder:validation:Enum=docker-compose;helm;kustomize;manifest;prebuilt;build;nix-flake
type TemplateType string

// The template types.
const (
	TemplateDockerCompose TemplateType = "docker-compose"
	TemplateHelm          TemplateType = "helm"
	TemplateKustomize     TemplateType = "kustomize"
	TemplateManifest      TemplateType = "manifest"
	TemplatePrebuilt      TemplateType = "prebuilt"
	TemplateBuild         TemplateType = "build"
	TemplateNixFlake      TemplateType = "nix-flake"
)

// The standard keys of ProjectSpec.Templates.
const (
	TemplateKeyDevelopment = "development"
	TemplateKeyDeployment  = "deployment"
)

// Template is how one type of environment is rendered.
type Template struct {
	// Type of input.
	Type TemplateType `json:"type"`
	// SourceRef names the source that Path lies in; the first source when empty.
	// +optional
	SourceRef string `json:"sourceRef,omitempty"`
	// Path inside the source: a Compose file, a chart's or kustomization's folder, a manifest or a folder
	// of them. Relative, with forward slashes, without "..".
	// +optional
	Path string `json:"path,omitempty"`
	// Values are Helm's values; for Compose, overrides per service and variables. Strings in them may hold
	// ${CATALYST_HOST} and the other variables that Catalyst provides.
	// +optional
	// +kubebuilder:pruning:PreserveUnknownFields
	// +kubebuilder:validation:Schemaless
	// +kubebuilder:validation:Type=object
	Values *runtime.RawExtension `json:"values,omitempty"`
	// ValuesFiles are Helm values files in the source of this template, merged in order below Values.
	// Relative to the source's root.
	// +optional
	ValuesFiles []string `json:"valuesFiles,omitempty"`
	// Builds are the images that are built from the sources.
	// +optional
	// +listType=map
	// +listMapKey=name
	Builds []Build `json:"builds,omitempty"`
	// Images says where the image rule applies in Helm values, kustomize images and Compose services.
	// +optional
	Images []TemplateImage `json:"images,omitempty"`
	// Config holds container fields, ports and volumes, for prebuilt and build.
	// +optional
	Config Config `json:"config,omitempty"`
}

// Build is an image that is built from a source.
type Build struct {
	// Name of the build: a Compose service, or what a template's image refers to.
	Name string `json:"name"`
	// SourceRef names the source that Path lies in; the template's when empty.
	// +optional
	SourceRef string `json:"sourceRef,omitempty"`
	// Path is the build context; the source's root when empty.
	// +optional
	Path string `json:"path,omitempty"`
	// Dockerfile relative to Path; "Dockerfile" when empty.
	// +optional
	Dockerfile string `json:"dockerfile,omitempty"`
}

// TemplateImage applies the image rule in one place: Repository, tagged with the commit of SourceRef.
type TemplateImage struct {
	// Name is the kustomize image or the Compose service whose image is set. Empty for Helm.
	// +optional
	Name string `json:"name,omitempty"`
	// SourceRef names the source whose commit is the tag; the template's when empty.
	// +optional
	SourceRef string `json:"sourceRef,omitempty"`
	// Repository of the image, without a tag; config.image of the environment or template when empty.
	// +optional
	Repository string `json:"repository,omitempty"`
	// RepositoryPath is the Helm value that takes the repository; "image.repository" when empty.
	// +optional
	RepositoryPath string `json:"repositoryPath,omitempty"`
	// TagPath is the Helm value that takes the tag; "image.tag" when empty.
	// +optional
	TagPath string `json:"tagPath,omitempty"`
}

// ForkPolicy says what a pull request from a fork gets.
// +kubebuilder:validation:Enum=approve;deny
type ForkPolicy string

// The fork policies.
const (
	// ForksApprove renders and reports a fork's pull request, and waits for a maintainer before it commits.
	ForksApprove ForkPolicy = "approve"
	// ForksDeny ignores pull requests from forks.
	ForksDeny ForkPolicy = "deny"
)

// Previews says which pull requests get an environment.
type Previews struct {
	// Enabled turns previews on.
	// +optional
	Enabled bool `json:"enabled,omitempty"`
	// Template is the key of Templates that previews use; "development" when empty.
	// +optional
	Template string `json:"template,omitempty"`
	// Labels that a pull request must carry, one at least; any pull request when empty.
	// +optional
	Labels []string `json:"labels,omitempty"`
	// Paths of which a pull request must touch one at least, as path.Match patterns or folders; any when empty.
	// +optional
	Paths []string `json:"paths,omitempty"`
	// Drafts also get an environment.
	// +optional
	Drafts bool `json:"drafts,omitempty"`
	// Forks says what a pull request from a fork gets; "approve" when empty.
	// +kubebuilder:default=approve
	// +optional
	Forks ForkPolicy `json:"forks,omitempty"`
	// TTL after which an environment without a change is deleted; never when zero.
	// +optional
	TTL *metav1.Duration `json:"ttl,omitempty"`
	// Max is how many previews the project may have at once; 20 when zero.
	// +kubebuilder:validation:Minimum=0
	// +optional
	Max int32 `json:"max,omitempty"`
}

// ProjectResources bounds what each environment may use.
type ProjectResources struct {
	// DefaultQuota is the ResourceQuota of each environment's namespace, over the Platform's.
	// +optional
	DefaultQuota corev1.ResourceList `json:"defaultQuota,omitempty"`
}

// ProjectList is a list of projects.
//
// +kubebuilder:object:root=true
type ProjectList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Project `json:"items"`
}
