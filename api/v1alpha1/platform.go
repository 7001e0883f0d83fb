package v1alpha1

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Platform is what holds for every environment: domain, ingress class, registry, limits, policies. It stands in
// catalyst.yaml at the root of the environments repository.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:scope=Cluster
type Platform struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec PlatformSpec `json:"spec"`
}

// PlatformSpec is the platform team's settings.
type PlatformSpec struct {
	// Domain under which every environment gets its host, <namespace>.<domain>.
	Domain string `json:"domain"`
	// Ingress says which controller makes environments reachable.
	// +optional
	Ingress PlatformIngress `json:"ingress,omitempty"`
	// Registry that built images are pushed to and pulled from, such as "registry.example.com/catalyst".
	// +optional
	Registry string `json:"registry,omitempty"`
	// WaitImage runs the init containers that wait for a Compose service's dependencies and prepare its volumes. It needs a
	// shell and an nc that knows -z, pinned by a tag; "docker.io/library/busybox:1.37.0" when empty.
	// +optional
	WaitImage string `json:"waitImage,omitempty"`
	// Cluster says what Helm and the pod security checks may assume of the cluster.
	// +optional
	Cluster PlatformCluster `json:"cluster,omitempty"`
	// Storage holds the defaults of PersistentVolumeClaims.
	// +optional
	Storage PlatformStorage `json:"storage,omitempty"`
	// Quota is the ResourceQuota of each namespace, unless its project has one.
	// +optional
	Quota corev1.ResourceList `json:"quota,omitempty"`
	// ContainerDefaults are what the LimitRange gives a container that asks for nothing.
	// +optional
	ContainerDefaults corev1.ResourceRequirements `json:"containerDefaults,omitempty"`
	// Network says what environments may reach.
	// +optional
	Network PlatformNetwork `json:"network,omitempty"`
	// Policy says what rendered objects may be.
	// +optional
	Policy PlatformPolicy `json:"policy,omitempty"`
	// Render bounds each render.
	// +optional
	Render RenderLimits `json:"render,omitempty"`
	// ArgoCD says where Argo CD is and what it reads.
	// +optional
	ArgoCD PlatformArgoCD `json:"argocd,omitempty"`
}

// PlatformIngress describes the ingress controller.
type PlatformIngress struct {
	// ClassName of the Ingress objects; the cluster's default class when empty.
	// +optional
	ClassName string `json:"className,omitempty"`
	// Namespace that the controller runs in; traffic from it is allowed into every environment. "ingress-nginx" when empty.
	// +optional
	Namespace string `json:"namespace,omitempty"`
	// TLS makes Ingresses serve https and URLs start with it.
	// +optional
	TLS bool `json:"tls,omitempty"`
	// ClusterIssuer of cert-manager that signs each host's certificate. Empty: the controller's default certificate.
	// +optional
	ClusterIssuer string `json:"clusterIssuer,omitempty"`
}

// PlatformCluster describes the cluster.
type PlatformCluster struct {
	// Server is the cluster as Argo CD knows it; "https://kubernetes.default.svc" when empty.
	// +optional
	Server string `json:"server,omitempty"`
	// KubeVersion that charts see, such as "v1.36.0".
	// +optional
	KubeVersion string `json:"kubeVersion,omitempty"`
	// APIVersions that charts see beside Kubernetes' own, such as "monitoring.coreos.com/v1/ServiceMonitor".
	// +optional
	APIVersions []string `json:"apiVersions,omitempty"`
}

// PlatformStorage holds the defaults of PersistentVolumeClaims.
type PlatformStorage struct {
	// ClassName of claims; the cluster's default class when empty.
	// +optional
	ClassName string `json:"className,omitempty"`
	// Size of a claim that names none; 1Gi when nil.
	// +optional
	Size *resource.Quantity `json:"size,omitempty"`
	// SeedImage brings the shell that fills a Compose service's empty volumes from the service's own image, which may have none:
	// it needs a static /bin/busybox; "docker.io/library/busybox:1.37.0-musl" when empty.
	// +optional
	SeedImage string `json:"seedImage,omitempty"`
	// GitImage clones source code into the volumes of Compose services in development. It needs git and a shell with flock;
	// "docker.io/alpine/git:v2.49.1" when empty.
	// +optional
	GitImage string `json:"gitImage,omitempty"`
}

// EgressPolicy says what pods may reach outside their namespace, DNS aside.
// +kubebuilder:validation:Enum=all;internet;none
type EgressPolicy string

// The egress policies.
const (
	// EgressAll allows everything.
	EgressAll EgressPolicy = "all"
	// EgressInternet allows public addresses, not private ranges nor link-local ones (cloud metadata).
	EgressInternet EgressPolicy = "internet"
	// EgressNone allows nothing.
	EgressNone EgressPolicy = "none"
)

// PlatformNetwork says what environments may reach.
type PlatformNetwork struct {
	// Egress policy; "internet" when empty.
	// +kubebuilder:default=internet
	// +optional
	Egress EgressPolicy `json:"egress,omitempty"`
	// AllowCIDRs may be reached whatever Egress says.
	// +optional
	AllowCIDRs []string `json:"allowCIDRs,omitempty"`
}

// PodSecurityLevel is a level of the Pod Security Standards.
// +kubebuilder:validation:Enum=privileged;baseline;restricted
type PodSecurityLevel string

// The levels of the Pod Security Standards.
const (
	PodSecurityPrivileged PodSecurityLevel = "privileged"
	PodSecurityBaseline   PodSecurityLevel = "baseline"
	PodSecurityRestricted PodSecurityLevel = "restricted"
)

// PlatformPolicy says what rendered objects may be.
type PlatformPolicy struct {
	// PodSecurity is the Pod Security Standard that every pod must meet; "baseline" when empty.
	// +kubebuilder:default=baseline
	// +optional
	PodSecurity PodSecurityLevel `json:"podSecurity,omitempty"`
	// MaxReplicas of one workload; 20 when zero.
	// +optional
	MaxReplicas int32 `json:"maxReplicas,omitempty"`
	// IngressAnnotations that templates may set, beside the harmless ones that are always allowed. Exact keys.
	// +optional
	IngressAnnotations []string `json:"ingressAnnotations,omitempty"`
	// Exceptions allow named projects what is refused otherwise.
	// +optional
	Exceptions []PolicyException `json:"exceptions,omitempty"`
}

// PolicyException allows projects what is refused otherwise.
type PolicyException struct {
	// Projects as "<team>/<project>", or "<team>/*".
	// +kubebuilder:validation:MinItems=1
	Projects []string `json:"projects"`
	// Kinds as "<Kind>" of the core group or "<Kind>.<group>", such as "Role.rbac.authorization.k8s.io".
	// +optional
	Kinds []string `json:"kinds,omitempty"`
	// PodSecurity level of these projects.
	// +optional
	PodSecurity PodSecurityLevel `json:"podSecurity,omitempty"`
	// Rules by name, as a refusal prints them, such as "service-type".
	// +optional
	Rules []string `json:"rules,omitempty"`
	// Hosts outside the environment's own name that Ingresses may serve.
	// +optional
	Hosts []string `json:"hosts,omitempty"`
}

// Level is the Pod Security level of a project, "<team>/<project>": the first exception's that names one, else the Platform's.
func (p PlatformPolicy) Level(project string) PodSecurityLevel {
	for _, e := range p.Exceptions {
		if e.PodSecurity != "" && e.Covers(project) {
			return e.PodSecurity
		}
	}
	if p.PodSecurity == "" {
		return PodSecurityBaseline
	}
	return p.PodSecurity
}

// Covers reports whether the exception is for a project, "<team>/<project>".
func (e PolicyException) Covers(project string) bool {
	team, _, _ := strings.Cut(project, "/")
	return slices.Contains(e.Projects, project) || slices.Contains(e.Projects, team+"/*")
}

// RenderLimits bound one render.
type RenderLimits struct {
	// Timeout of a render; 30s when nil.
	// +optional
	Timeout *metav1.Duration `json:"timeout,omitempty"`
	// Memory is the address space of the render process; 2Gi when nil, 1536Mi at least.
	// +optional
	Memory *resource.Quantity `json:"memory,omitempty"`
	// Output is the size of all rendered objects; 64Mi when nil.
	// +optional
	Output *resource.Quantity `json:"output,omitempty"`
	// Objects is how many may be rendered; 1000 when zero.
	// +optional
	Objects int32 `json:"objects,omitempty"`
	// ObjectSize of one object; 1Mi when nil.
	// +optional
	ObjectSize *resource.Quantity `json:"objectSize,omitempty"`
	// Source is how much of the sources a render may read; 256Mi when nil.
	// +optional
	Source *resource.Quantity `json:"source,omitempty"`
}

// PlatformArgoCD says where Argo CD is and what it reads.
type PlatformArgoCD struct {
	// Namespace of Argo CD, where Applications and AppProjects go; "argocd" when empty.
	// +optional
	Namespace string `json:"namespace,omitempty"`
	// RepositoryURL is the environments repository as Argo CD reaches it; the server's own URL for it when empty.
	// +optional
	RepositoryURL string `json:"repositoryUrl,omitempty"`
}

// PlatformList is a list of platforms.
//
// +kubebuilder:object:root=true
type PlatformList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Platform `json:"items"`
}
