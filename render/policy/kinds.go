package policy

import (
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"catalyst.dev/catalyst/api/v1alpha1"
)

// permission says whether a known kind is allowed.
type permission int

const (
	always permission = iota + 1
	byException
	unsealed
)

// known are the kinds that the gate understands, as "<apiVersion>/<Kind>". Case and version count: there is no other
// way to write an allowed kind.
var known = map[string]permission{
	"v1/Namespace":             always,
	"v1/ResourceQuota":         always,
	"v1/LimitRange":            always,
	"v1/Pod":                   always,
	"v1/Service":               always,
	"v1/ConfigMap":             always,
	"v1/PersistentVolumeClaim": always,
	"v1/ServiceAccount":        always,
	"v1/Secret":                unsealed,
	"apps/v1/Deployment":       always,
	"apps/v1/StatefulSet":      always,
	"apps/v1/ReplicaSet":       always,
	"apps/v1/DaemonSet":        byException,
	"batch/v1/Job":             always,
	"batch/v1/CronJob":         always,

	"networking.k8s.io/v1/Ingress":       always,
	"networking.k8s.io/v1/NetworkPolicy": always,
	"policy/v1/PodDisruptionBudget":      always,

	"autoscaling/v1/HorizontalPodAutoscaler":   always,
	"autoscaling/v2/HorizontalPodAutoscaler":   always,
	"rbac.authorization.k8s.io/v1/Role":        byException,
	"rbac.authorization.k8s.io/v1/RoleBinding": byException,
	"bitnami.com/v1alpha1/SealedSecret":        always,
	"gateway.networking.k8s.io/v1/HTTPRoute":   always,
}

// AllowsKind reports whether the policy lets a project have a kind that needs an exception, such as "DaemonSet.apps". The
// project is "<team>/<project>".
func AllowsKind(platform *v1alpha1.Platform, project, kind string) bool {
	return slices.Contains(newChecker(Scope{Platform: platform, Project: project}).kinds, kind)
}

// allowed decides on the kind.
func (c *checker) allowed(obj *unstructured.Unstructured, p permission) bool {
	name := obj.GroupVersionKind().GroupKind().String()
	switch {
	case p == always:
		return true
	case p == unsealed:
		if !c.scope.AllowPlainSecrets {
			c.refuse(rulePlainSecret, "kind", "a plain Secret never reaches Git", "seal it")
		}
		return c.scope.AllowPlainSecrets
	case p == 0 && neverAllowed(obj.GroupVersionKind().Group, obj.GetKind()):
	case slices.Contains(c.kinds, name):
		return true
	}
	c.refuse(ruleKinds, "kind", name+" in "+obj.GetAPIVersion()+" is not allowed",
		"remove the object, or allow the kind in spec.policy.exceptions of catalyst.yaml")
	return false
}

// neverAllowed are groups and kinds that no exception lifts: another version or spelling of what the gate checks, and what
// would let a template deploy past it.
func neverAllowed(group, kind string) bool {
	if group == "argoproj.io" && (kind == "Application" || kind == "ApplicationSet" || kind == "AppProject") {
		return true
	}
	switch group {
	case "", "apps", "extensions", "batch", "bitnami.com", "networking.k8s.io", "autoscaling", "policy":
		return true
	case "rbac.authorization.k8s.io":
		return kind == "Role" || kind == "RoleBinding"
	case "gateway.networking.k8s.io":
		return kind == "HTTPRoute"
	}
	return false
}
