package policy

import (
	"fmt"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	podapi "k8s.io/pod-security-admission/api"
	podpolicy "k8s.io/pod-security-admission/policy"
)

const defaultMaxReplicas = 20

// typed checks what the kind calls for.
func (c *checker) typed(obj runtime.Object) {
	switch o := obj.(type) {
	case *corev1.Pod:
		c.pod("spec", &o.ObjectMeta, &o.Spec)
	case *appsv1.Deployment:
		c.replicas("spec.replicas", o.Spec.Replicas)
		c.template("spec.template", &o.Spec.Template)
	case *appsv1.StatefulSet:
		c.replicas("spec.replicas", o.Spec.Replicas)
		c.template("spec.template", &o.Spec.Template)
		for i, claim := range o.Spec.VolumeClaimTemplates {
			c.claim(fmt.Sprintf("spec.volumeClaimTemplates[%d].spec", i), claim.Spec)
		}
	case *appsv1.ReplicaSet:
		c.replicas("spec.replicas", o.Spec.Replicas)
		c.template("spec.template", &o.Spec.Template)
	case *appsv1.DaemonSet:
		c.template("spec.template", &o.Spec.Template)
	case *batchv1.Job:
		c.replicas("spec.parallelism", o.Spec.Parallelism)
		c.template("spec.template", &o.Spec.Template)
	case *batchv1.CronJob:
		c.replicas("spec.jobTemplate.spec.parallelism", o.Spec.JobTemplate.Spec.Parallelism)
		c.template("spec.jobTemplate.spec.template", &o.Spec.JobTemplate.Spec.Template)
	case *corev1.Service:
		c.service(o)
	case *corev1.PersistentVolumeClaim:
		c.claim("spec", o.Spec)
	case *networkingv1.Ingress:
		c.ingress(o)
	case *networkingv1.NetworkPolicy:
		c.networkPolicy(o)
	case *autoscalingv1.HorizontalPodAutoscaler:
		c.replicas("spec.maxReplicas", &o.Spec.MaxReplicas)
	case *autoscalingv2.HorizontalPodAutoscaler:
		c.replicas("spec.maxReplicas", &o.Spec.MaxReplicas)
	case *rbacv1.Role:
		c.role(o)
	case *rbacv1.RoleBinding:
		c.roleBinding(o)
	}
}

func (c *checker) template(field string, t *corev1.PodTemplateSpec) {
	c.pod(field+".spec", &t.ObjectMeta, &t.Spec)
}

// pod holds a pod against the Pod Security Standard.
func (c *checker) pod(field string, meta *metav1.ObjectMeta, spec *corev1.PodSpec) {
	level, err := podapi.ParseLevel(string(c.podSecurity))
	if err != nil {
		c.refuse(rulePodSecurity, field, fmt.Sprintf("there is no Pod Security level %q", c.podSecurity), "correct spec.policy in catalyst.yaml")
		return
	}
	c.evaluate(field, podpolicy.DefaultChecks(), podapi.LevelVersion{Level: level, Version: podapi.LatestVersion()}, meta, spec)
	if level != podapi.LevelPrivileged {
		// The newest standard trusts hostUsers: false to contain an unmasked /proc, which older clusters do not
		// implement, and no longer reads the seccomp annotations, which they do.
		older := []podpolicy.Check{podpolicy.CheckProcMountBaseline(), podpolicy.CheckSeccompBaseline()}
		c.evaluate(field, older, podapi.LevelVersion{Level: podapi.LevelBaseline, Version: podapi.MajorMinorVersion(1, 18)}, meta, spec)
	}
	if spec.NodeName != "" {
		c.refuse(rulePodSecurity, field+".nodeName", "a pod may not choose its node past the scheduler", "use nodeSelector")
	}
}

func (c *checker) evaluate(field string, checks []podpolicy.Check, level podapi.LevelVersion, meta *metav1.ObjectMeta, spec *corev1.PodSpec) {
	evaluator, err := podpolicy.NewEvaluator(checks, nil)
	if err != nil {
		c.refuse(rulePodSecurity, field, "Pod Security cannot be evaluated: "+err.Error(), "report this")
		return
	}
	for _, result := range evaluator.EvaluatePod(level, meta, spec) {
		if !result.Allowed {
			c.refuse(rulePodSecurity, field, fmt.Sprintf("violates %s: %s: %s", level, result.ForbiddenReason, result.ForbiddenDetail),
				"change the pod, or raise the project's podSecurity in spec.policy.exceptions of catalyst.yaml")
		}
	}
}

func (c *checker) replicas(field string, n *int32) {
	most := c.policy.MaxReplicas
	if most == 0 {
		most = defaultMaxReplicas
	}
	if n != nil && *n > most {
		c.refuse(ruleReplicas, field, fmt.Sprintf("%d is more than %d", *n, most), "lower it, or raise spec.policy.maxReplicas in catalyst.yaml")
	}
}

func (c *checker) service(s *corev1.Service) {
	if s.Spec.Type != "" && s.Spec.Type != corev1.ServiceTypeClusterIP {
		c.refuse(ruleServiceType, "spec.type", fmt.Sprintf("type %s is not allowed", s.Spec.Type), "use ClusterIP and an Ingress")
	}
	if len(s.Spec.ExternalIPs) > 0 || s.Spec.ExternalName != "" || s.Spec.LoadBalancerIP != "" {
		c.refuse(ruleServiceType, "spec.externalIPs", "external addresses and names are not allowed", "remove externalIPs, externalName and loadBalancerIP")
	}
}

func (c *checker) claim(field string, spec corev1.PersistentVolumeClaimSpec) {
	if spec.VolumeName != "" {
		c.refuse(ruleVolumeName, field+".volumeName", "a claim may not choose its volume", "remove volumeName")
	}
	for _, ref := range []*string{namespaceOf(spec.DataSourceRef)} {
		if ref != nil && *ref != "" && *ref != c.scope.Namespace {
			c.refuse(ruleNamespace, field+".dataSourceRef.namespace", "data may not come from another namespace", "remove dataSourceRef")
		}
	}
}

func namespaceOf(ref *corev1.TypedObjectReference) *string {
	if ref == nil {
		return nil
	}
	return ref.Namespace
}

// networkPolicy refuses to open what the environment's own policies close: policies only ever add.
func (c *checker) networkPolicy(p *networkingv1.NetworkPolicy) {
	if slices.Contains([]string{"catalyst-ingress", "catalyst-egress", "catalyst-namespace", "catalyst-outside"}, p.Name) {
		return // Catalyst's own: file names refuse a second object of the name
	}
	opens := func(peers []networkingv1.NetworkPolicyPeer) bool {
		return len(peers) == 0 || slices.ContainsFunc(peers, func(peer networkingv1.NetworkPolicyPeer) bool {
			return peer.NamespaceSelector != nil || peer.IPBlock != nil
		})
	}
	for i, rule := range p.Spec.Ingress {
		if opens(rule.From) {
			c.refuse(ruleNetworkPolicy, fmt.Sprintf("spec.ingress[%d]", i), "opens the environment to other namespaces", "name pods of this namespace only")
		}
	}
	for i, rule := range p.Spec.Egress {
		if opens(rule.To) {
			c.refuse(ruleNetworkPolicy, fmt.Sprintf("spec.egress[%d]", i), "opens what the platform's egress policy closes", "name pods of this namespace only")
		}
	}
}

func (c *checker) role(r *rbacv1.Role) {
	for i, rule := range r.Rules {
		for _, verb := range rule.Verbs {
			if slices.Contains([]string{"*", "escalate", "bind", "impersonate"}, verb) {
				c.refuse(ruleRBAC, fmt.Sprintf("rules[%d].verbs", i), fmt.Sprintf("verb %q is not allowed", verb), "list the verbs that are needed")
			}
		}
		if slices.Contains(rule.Resources, "*") || slices.Contains(rule.APIGroups, "*") {
			c.refuse(ruleRBAC, fmt.Sprintf("rules[%d]", i), "wildcards are not allowed", "list the resources that are needed")
		}
	}
}

func (c *checker) roleBinding(b *rbacv1.RoleBinding) {
	if b.RoleRef.Kind != "Role" {
		c.refuse(ruleRBAC, "roleRef.kind", "only a Role of this namespace may be bound", "bind a Role")
	}
	for i, s := range b.Subjects {
		if s.Kind != rbacv1.ServiceAccountKind || s.Namespace != "" && s.Namespace != c.scope.Namespace {
			c.refuse(ruleRBAC, fmt.Sprintf("subjects[%d]", i), "only ServiceAccounts of this namespace may be bound", "name such a ServiceAccount")
		}
	}
}
