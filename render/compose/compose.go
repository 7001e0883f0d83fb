package compose

import (
	"context"
	"io/fs"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"catalyst.dev/catalyst/render/manifest"
)

// DefaultWaitImage runs the init containers that wait for dependencies and prepare volumes.
const DefaultWaitImage = "docker.io/library/busybox:1.37.0"

// SecretsName is the Secret that holds the environment's values from the secret store, one key a name.
const SecretsName = "catalyst-secrets"

// Input is all that a translation depends on.
type Input struct {
	// Source is the source's tree; all paths are relative to its root.
	Source fs.FS
	// Path is the Compose file, or a folder that holds one under a standard name, with an override file perhaps.
	Path string
	// ProjectName is the namespace.
	ProjectName string
	// Values are the merged values of template and environment: variables, profiles and services.
	Values map[string]any
	// Variables win over .env and values.variables.
	Variables map[string]string
	// Images holds the image reference of a Compose service; a service with build gets its image here.
	Images map[string]string
	// BuildImage names the image of a service with build that Images does not know; nil refuses such services.
	BuildImage func(service string) string
	// Host of the environment; without it there is no Ingress.
	Host string
	// TLS says that the host is served over HTTPS.
	TLS bool
	// IngressClass of the Ingresses; empty for the cluster's default.
	IngressClass string
	// ClusterIssuer of cert-manager; empty for none.
	ClusterIssuer string
	// StorageClass of the claims; empty for the cluster's default.
	StorageClass string
	// StorageSize of a claim whose volume says none; 1Gi when zero.
	StorageSize resource.Quantity
	// Quota is what the namespace's ResourceQuota allows; nil for no quota.
	Quota corev1.ResourceList
	// ContainerDefaults are what the namespace's LimitRange gives containers that ask for nothing.
	ContainerDefaults corev1.ResourceRequirements
	// Privileged lifts what the Pod Security Standard baseline refuses: the Platform allows it.
	Privileged bool
	// Resolver finds the digests that images are pinned to; nil leaves them as they are written.
	Resolver ImageResolver
	// Development is set for the deployment modes development and workspace.
	Development bool
	// DaemonSets are allowed by the Platform; without them a global service has one pod.
	DaemonSets bool
	// WaitImage runs the init containers; DefaultWaitImage when empty.
	WaitImage string
	// SeedImage brings the tools that fill volumes into other images: a static /bin/busybox; DefaultSeedImage when empty.
	SeedImage string
	// GitImage runs the init containers that clone source code; DefaultGitImage when empty.
	GitImage string
	// RepositoryURL of the source, and the commit that Source is; source code is cloned by them.
	RepositoryURL, CommitSHA string
	// SecretNames are the names that the secret store knows.
	SecretNames []string
	// Report receives what was approximated or ignored.
	Report *manifest.Report
}

// Result is what a translation made.
type Result struct {
	// Objects without namespace and common labels, in a stable order.
	Objects []*unstructured.Unstructured
	// URL of the main entrance; empty when there is none.
	URL string
}

// Render translates the application. Bad input gives *manifest.Problem, several of them joined.
func Render(ctx context.Context, in Input) (Result, error) {
	if in.Report == nil {
		in.Report = &manifest.Report{}
	}
	if in.WaitImage == "" {
		in.WaitImage = DefaultWaitImage
	}
	if in.SeedImage == "" {
		in.SeedImage = DefaultSeedImage
	}
	if in.GitImage == "" {
		in.GitImage = DefaultGitImage
	}
	if in.StorageSize.IsZero() {
		in.StorageSize = resource.MustParse("1Gi")
	}
	app, err := load(ctx, in)
	if err != nil {
		return Result{}, err
	}
	t := newTranslation(in, app)
	result, err := t.run()
	t.walkKeys()
	return result, err
}
