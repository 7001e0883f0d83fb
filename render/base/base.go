// Package base provides the objects that every environment gets whatever its template: Namespace, quota, limits and
// network policies.
package base

import (
	"fmt"
	"maps"
	"net/netip"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"catalyst.dev/catalyst/api/v1alpha1"
	"catalyst.dev/catalyst/render/manifest"
)

// Input is all that the common objects depend on.
type Input struct {
	// Platform and Project, defaulted and valid.
	Platform *v1alpha1.Platform
	Project  *v1alpha1.Project
	// Namespace of the environment.
	Namespace string
}

// Objects are the Namespace, a ResourceQuota where the platform or the project sets one, the LimitRange, and the
// NetworkPolicies. Their names start with "catalyst". Bad input gives *manifest.Problem.
func Objects(in Input) ([]*unstructured.Unstructured, error) {
	network, err := policies(in.Platform.Spec.Ingress, in.Platform.Spec.Network)
	if err != nil {
		return nil, err
	}
	typed := []runtime.Object{namespace(in)}
	if quota := resourceQuota(Quota(in.Platform, in.Project)); quota != nil {
		typed = append(typed, quota)
	}
	typed = append(typed, limitRange(ContainerDefaults(in.Platform, in.Project)))
	for _, p := range network {
		typed = append(typed, p)
	}
	objs := make([]*unstructured.Unstructured, len(typed))
	for i, obj := range typed {
		if objs[i], err = manifest.FromTyped(obj); err != nil {
			return nil, err
		}
		if objs[i].GetKind() != "Namespace" {
			objs[i].SetNamespace(in.Namespace)
		}
	}
	return objs, nil
}

// namespace carries the Pod Security level, so that the API server holds it too.
func namespace(in Input) *corev1.Namespace {
	level := string(in.Platform.Spec.Policy.Level(in.Project.Namespace + "/" + in.Project.Name))
	return &corev1.Namespace{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Namespace"},
		ObjectMeta: metav1.ObjectMeta{Name: in.Namespace, Labels: map[string]string{
			"pod-security.kubernetes.io/enforce":         level,
			"pod-security.kubernetes.io/enforce-version": "latest",
		}},
	}
}

// Quota is what a namespace may use: the project's over the platform's. A bare cpu or memory bounds requests: a quota on
// limits would refuse every pod that sets none.
func Quota(platform *v1alpha1.Platform, project *v1alpha1.Project) corev1.ResourceList {
	hard := corev1.ResourceList{}
	for _, list := range []corev1.ResourceList{platform.Spec.Quota, project.Spec.Resources.DefaultQuota} {
		for name, quantity := range list {
			switch name {
			case corev1.ResourceCPU, corev1.ResourceMemory, corev1.ResourceEphemeralStorage:
				name = "requests." + name
			case corev1.ResourceStorage:
				name = corev1.ResourceRequestsStorage
			}
			hard[name] = quantity
		}
	}
	return hard
}

func resourceQuota(hard corev1.ResourceList) *corev1.ResourceQuota {
	if len(hard) == 0 {
		return nil
	}
	return &corev1.ResourceQuota{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "ResourceQuota"},
		ObjectMeta: metav1.ObjectMeta{Name: "catalyst"},
		Spec:       corev1.ResourceQuotaSpec{Hard: hard},
	}
}

// ContainerDefaults are what a container gets that asks for nothing: the platform's, or small requests. A quota refuses
// pods that say nothing of what it counts, so there is a default for all of that.
func ContainerDefaults(platform *v1alpha1.Platform, project *v1alpha1.Project) corev1.ResourceRequirements {
	requests := corev1.ResourceList{corev1.ResourceCPU: *quantity("50m"), corev1.ResourceMemory: *quantity("128Mi")}
	limits := corev1.ResourceList{}
	quota := Quota(platform, project)
	for name, usual := range map[corev1.ResourceName]struct{ request, limit string }{
		corev1.ResourceCPU: {"50m", "1"}, corev1.ResourceMemory: {"128Mi", "512Mi"}, corev1.ResourceEphemeralStorage: {"128Mi", "2Gi"},
	} {
		if _, counted := quota["requests."+name]; counted {
			requests[name] = *quantity(usual.request)
		}
		if _, counted := quota["limits."+name]; counted {
			limits[name] = *quantity(usual.limit)
		}
	}
	maps.Copy(requests, platform.Spec.ContainerDefaults.Requests)
	maps.Copy(limits, platform.Spec.ContainerDefaults.Limits)
	for name, limit := range limits { // a request above its limit is invalid
		if request, ok := requests[name]; ok && request.Cmp(limit) > 0 {
			requests[name] = limit
		}
	}
	return corev1.ResourceRequirements{Requests: requests, Limits: limits}
}

func limitRange(defaults corev1.ResourceRequirements) *corev1.LimitRange {
	item := corev1.LimitRangeItem{Type: corev1.LimitTypeContainer, DefaultRequest: defaults.Requests}
	if len(defaults.Limits) > 0 {
		item.Default = defaults.Limits
	}
	return &corev1.LimitRange{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "LimitRange"},
		ObjectMeta: metav1.ObjectMeta{Name: "catalyst"},
		Spec:       corev1.LimitRangeSpec{Limits: []corev1.LimitRangeItem{item}},
	}
}

// cidr checks one entry of the Platform's list.
func cidr(i int, s string) (string, error) {
	prefix, err := netip.ParsePrefix(strings.TrimSpace(s))
	if err != nil {
		return "", &manifest.Problem{File: "catalyst.yaml", Field: fmt.Sprintf("spec.network.allowCIDRs[%d]", i),
			Message: fmt.Sprintf("%q is no address range", s), Remedy: "write it as 10.1.0.0/16"}
	}
	return prefix.Masked().String(), nil
}
