// Package policy provides the gate that every rendered object passes before it is committed.
package policy

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/kubernetes/scheme"

	"catalyst.dev/catalyst/api/v1alpha1"
	"catalyst.dev/catalyst/render/manifest"
)

// Scope is what the objects may touch.
type Scope struct {
	// Platform whose policy holds.
	Platform *v1alpha1.Platform
	// Project as "<team>/<project>", which exceptions are matched by.
	Project string
	// Namespace and Host of the environment.
	Namespace, Host string
	// AllowPlainSecrets before sealing; never for what is committed.
	AllowPlainSecrets bool
}

// The rules, as refusals print them and exceptions name them.
const (
	ruleKinds         = "kinds"
	ruleNamespace     = "namespace"
	ruleSchema        = "schema"
	rulePodSecurity   = "pod-security"
	ruleServiceType   = "service-type"
	ruleVolumeName    = "volume-name"
	ruleIngressHost   = "ingress-host"
	ruleIngress       = "ingress"
	ruleAnnotations   = "annotations"
	ruleReplicas      = "replicas"
	rulePlainSecret   = "plain-secret"
	ruleSealedSecret  = "sealed-secret"
	ruleRBAC          = "rbac"
	ruleNetworkPolicy = "network-policy"
)

// Check holds every object against the policy. Its error joins one *manifest.Problem per refusal.
func Check(scope Scope, objs []*unstructured.Unstructured) error {
	c := newChecker(scope)
	for _, obj := range objs {
		c.object(obj)
	}
	return errors.Join(c.errs...)
}

// checker collects the refusals.
type checker struct {
	scope       Scope
	policy      v1alpha1.PlatformPolicy
	kinds       []string
	rules       []string
	hosts       []string
	podSecurity v1alpha1.PodSecurityLevel
	subject     string
	errs        []error
}

func newChecker(scope Scope) *checker {
	c := &checker{scope: scope}
	if scope.Platform != nil {
		c.policy = scope.Platform.Spec.Policy
	}
	c.podSecurity = c.policy.Level(scope.Project)
	for _, e := range c.policy.Exceptions {
		if e.Covers(scope.Project) {
			c.kinds = append(c.kinds, e.Kinds...)
			c.rules = append(c.rules, e.Rules...)
			c.hosts = append(c.hosts, e.Hosts...)
		}
	}
	return c
}

// refuse adds a refusal, unless an exception names the rule.
func (c *checker) refuse(rule, field, message, remedy string) {
	if slices.Contains(c.rules, rule) && excepted(rule) {
		return
	}
	c.errs = append(c.errs, &manifest.Problem{Subject: c.subject, Field: field,
		Message: fmt.Sprintf("%s [%s]", message, rule), Remedy: remedy})
}

// excepted tells the rules that an exception may lift. The others keep environments apart and secrets sealed, or have
// an exception field of their own.
func excepted(rule string) bool {
	switch rule {
	case ruleServiceType, ruleVolumeName, ruleReplicas, ruleNetworkPolicy, ruleAnnotations:
		return true
	}
	return false
}

func (c *checker) object(obj *unstructured.Unstructured) {
	c.subject = obj.GetKind() + "/" + obj.GetName()
	k := known[obj.GetAPIVersion()+"/"+obj.GetKind()]
	if !c.allowed(obj, k) {
		return
	}
	c.place(obj)
	c.names(obj)
	c.annotations(obj)
	c.reference(obj)
	switch obj.GroupVersionKind().GroupKind().String() {
	case "SealedSecret.bitnami.com":
		c.sealedSecret(obj)
		return
	case "HTTPRoute.gateway.networking.k8s.io":
		c.httpRoute(obj)
		return
	}
	if k == 0 {
		return // allowed by exception: a kind that this gate does not know
	}
	typed, err := scheme.Scheme.New(obj.GroupVersionKind())
	if err != nil {
		c.refuse(ruleSchema, "apiVersion", "this API version is unknown", "use a version that Kubernetes still serves")
		return
	}
	// Strict, so that a misspelt or ill-typed field cannot hide from the checks what the API server would read.
	if err := manifest.ToTyped(obj, typed); err != nil {
		c.refuse(ruleSchema, "", strings.Join(strings.Fields(err.Error()), " "), "correct or remove the field")
		return
	}
	c.typed(typed)
}

// place holds objects in the environment's namespace.
func (c *checker) place(obj *unstructured.Unstructured) {
	if obj.GroupVersionKind().GroupKind().String() == "Namespace" {
		if obj.GetName() != c.scope.Namespace {
			c.refuse(ruleNamespace, "metadata.name", fmt.Sprintf("the only Namespace is %q", c.scope.Namespace), "remove the Namespace")
		}
		return
	}
	if ns := obj.GetNamespace(); ns != c.scope.Namespace {
		c.refuse(ruleNamespace, "metadata.namespace", fmt.Sprintf("namespace %q is not the environment's, %q", ns, c.scope.Namespace), "leave the namespace out")
	}
}

// reference refuses metadata that binds an object to others or holds its deletion up.
func (c *checker) reference(obj *unstructured.Unstructured) {
	metadata, _ := obj.Object["metadata"].(map[string]any)
	for _, field := range []string{"ownerReferences", "finalizers", "managedFields", "generateName"} {
		if metadata[field] != nil {
			c.refuse(ruleSchema, "metadata."+field, "this field is set by the cluster", "remove it")
		}
	}
}
