package v1alpha1

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// setIfZero fills a field that was left out.
func setIfZero[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// setQuantity fills a quantity that was left out.
func setQuantity(field **resource.Quantity, value string) {
	if *field == nil {
		q := resource.MustParse(value)
		*field = &q
	}
}

// SetDefaults gives every member a role.
func (t *Team) SetDefaults() {
	for i := range t.Spec.Members {
		setIfZero(&t.Spec.Members[i].Role, RoleMember)
	}
}

// SetDefaults fills branches and the previews' template, forks and max.
func (p *Project) SetDefaults() {
	for i := range p.Spec.Sources {
		setIfZero(&p.Spec.Sources[i].Branch, "main")
	}
	setIfZero(&p.Spec.Previews.Template, TemplateKeyDevelopment)
	setIfZero(&p.Spec.Previews.Forks, ForksApprove)
	setIfZero(&p.Spec.Previews.Max, 20)
}

// SetDefaults fills the type and the deployment mode.
func (e *Environment) SetDefaults() {
	setIfZero(&e.Spec.Type, TemplateKeyDevelopment)
	if e.Spec.Type == TemplateKeyDeployment {
		setIfZero(&e.Spec.DeploymentMode, ModeProduction)
	}
	setIfZero(&e.Spec.DeploymentMode, ModeDevelopment)
}

// SetDefaults fills all but the domain, the registry and class names.
func (pl *Platform) SetDefaults() {
	s := &pl.Spec
	setIfZero(&s.Ingress.Namespace, "ingress-nginx")
	setIfZero(&s.Cluster.Server, "https://kubernetes.default.svc")
	setIfZero(&s.Cluster.KubeVersion, "v1.36.0")
	setQuantity(&s.Storage.Size, "1Gi")
	setIfZero(&s.Network.Egress, EgressInternet)
	setIfZero(&s.Policy.PodSecurity, "baseline")
	setIfZero(&s.Policy.MaxReplicas, 20)
	setIfZero(&s.ArgoCD.Namespace, "argocd")
	s.Render.setDefaults()
	if s.Quota == nil {
		s.Quota = resources("cpu", "4", "memory", "8Gi", "pods", "50", "persistentvolumeclaims", "20",
			"requests.storage", "50Gi", "services.loadbalancers", "0", "services.nodeports", "0")
	}
	if s.ContainerDefaults.Requests == nil {
		s.ContainerDefaults.Requests = resources("cpu", "50m", "memory", "64Mi")
	}
	if s.ContainerDefaults.Limits == nil {
		s.ContainerDefaults.Limits = resources("cpu", "1", "memory", "2Gi") // servers that people run on laptops need more than half a GiB
	}
}

// setDefaults fills the limits that were left out.
func (l *RenderLimits) setDefaults() {
	if l.Timeout == nil {
		l.Timeout = &metav1.Duration{Duration: 30 * time.Second}
	}
	setQuantity(&l.Memory, "2Gi")
	setQuantity(&l.Output, "64Mi")
	setIfZero(&l.Objects, 1000)
	setQuantity(&l.ObjectSize, "1Mi")
	setQuantity(&l.Source, "256Mi")
}

// resources builds a list from pairs of name and quantity.
func resources(pairs ...string) corev1.ResourceList {
	list := corev1.ResourceList{}
	for i := 0; i+1 < len(pairs); i += 2 {
		list[corev1.ResourceName(pairs[i])] = resource.MustParse(pairs[i+1])
	}
	return list
}
