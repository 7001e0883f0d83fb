package v1alpha1

import corev1 "k8s.io/api/core/v1"

// Config holds the container fields of a template or an environment: Kubernetes' own types, curated. What an
// environment sets replaces the template's field whole, except Env, which is merged by name.
type Config struct {
	// Image reference. Without a tag or digest it is the image repository and gets the source's commit as tag.
	// +optional
	Image string `json:"image,omitempty"`
	// Command replaces the image's entrypoint.
	// +optional
	Command []string `json:"command,omitempty"`
	// Args replace the image's command.
	// +optional
	Args []string `json:"args,omitempty"`
	// WorkingDir of the process.
	// +optional
	WorkingDir string `json:"workingDir,omitempty"`
	// Ports that the container listens on; each becomes a port of the Service.
	// +optional
	Ports []corev1.ContainerPort `json:"ports,omitempty"`
	// Env variables.
	// +optional
	Env []corev1.EnvVar `json:"env,omitempty"`
	// EnvFrom takes variables from ConfigMaps and Secrets.
	// +optional
	EnvFrom []corev1.EnvFromSource `json:"envFrom,omitempty"`
	// Resources of the container.
	// +optional
	Resources corev1.ResourceRequirements `json:"resources,omitempty"`
	// LivenessProbe restarts the container when it fails.
	// +optional
	LivenessProbe *corev1.Probe `json:"livenessProbe,omitempty"`
	// ReadinessProbe takes the pod out of the Service when it fails.
	// +optional
	ReadinessProbe *corev1.Probe `json:"readinessProbe,omitempty"`
	// StartupProbe holds the other probes back until it succeeds.
	// +optional
	StartupProbe *corev1.Probe `json:"startupProbe,omitempty"`
	// SecurityContext of the container.
	// +optional
	SecurityContext *corev1.SecurityContext `json:"securityContext,omitempty"`
	// VolumeMounts refer to Volumes by name.
	// +optional
	VolumeMounts []corev1.VolumeMount `json:"volumeMounts,omitempty"`
	// InitContainers run before the container, in order. An empty image is the container's own.
	// +optional
	InitContainers []corev1.Container `json:"initContainers,omitempty"`
	// Volumes become PersistentVolumeClaims.
	// +optional
	// +listType=map
	// +listMapKey=name
	Volumes []Volume `json:"volumes,omitempty"`
	// Replicas of the Deployment; 1 when nil.
	// +kubebuilder:validation:Minimum=0
	// +optional
	Replicas *int32 `json:"replicas,omitempty"`
	// Ingress makes one port reachable at the environment's host; the first port when nil.
	// +optional
	Ingress *Ingress `json:"ingress,omitempty"`
}

// Volume is a PersistentVolumeClaim of the environment.
type Volume struct {
	// Name that volumeMounts refer to, and of the claim.
	Name string `json:"name"`
	// PersistentVolumeClaim is the claim's spec. An empty one is ReadWriteOnce with the Platform's size.
	// +optional
	PersistentVolumeClaim corev1.PersistentVolumeClaimSpec `json:"persistentVolumeClaim,omitempty"`
}

// Ingress says how an environment is reached over HTTP.
type Ingress struct {
	// Disabled keeps the environment inside the cluster.
	// +optional
	Disabled bool `json:"disabled,omitempty"`
	// Port is the container port, by number.
	// +optional
	Port int32 `json:"port,omitempty"`
	// Path prefix; "/" when empty.
	// +optional
	Path string `json:"path,omitempty"`
}
