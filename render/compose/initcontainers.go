package compose

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// helper is a small init container of Catalyst's own.
func (t *translation) helper(name, script string, security *corev1.SecurityContext) corev1.Container {
	return corev1.Container{
		Name: name, Image: t.in.WaitImage, Command: []string{"/bin/sh", "-c", script}, SecurityContext: security,
		Resources: corev1.ResourceRequirements{
			Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("10m"), corev1.ResourceMemory: resource.MustParse("16Mi")},
			Limits:   corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("100m"), corev1.ResourceMemory: resource.MustParse("32Mi")},
		},
	}
}

// nonRoot is the security context of a helper that needs nothing of its node.
func nonRoot() *corev1.SecurityContext {
	user, yes, no := int64(65534), true, false
	return &corev1.SecurityContext{RunAsUser: &user, RunAsNonRoot: &yes, AllowPrivilegeEscalation: &no, ReadOnlyRootFilesystem: &yes,
		Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}}}
}
