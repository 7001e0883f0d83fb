// Package v1alpha1 provides Catalyst's kinds: Platform, Team, Project and Environment.
//
// They are Kubernetes-style documents kept as YAML in the environments repository. Decode reads one strictly,
// SetDefaults fills what was left out, and Validate reports every problem with its field path.
//
// +kubebuilder:object:generate=true
// +groupName=catalyst.catalyst.dev
package v1alpha1
