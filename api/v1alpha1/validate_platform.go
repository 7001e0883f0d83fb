package v1alpha1

import (
	"net/url"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Validate reports every fault of the platform.
func (pl *Platform) Validate() error {
	var p problems
	s := pl.Spec
	if pl.Name != "" {
		p.check(meta("name"), badName(pl.Name))
	}
	p.check(spec("domain"), badDomain(s.Domain))
	p.check(spec("ingress").Child("namespace"), badName(s.Ingress.Namespace))
	if s.Ingress.ClassName != "" {
		p.check(spec("ingress").Child("className"), badDomain(s.Ingress.ClassName))
	}
	if s.Storage.ClassName != "" {
		p.check(spec("storage").Child("className"), badDomain(s.Storage.ClassName))
	}
	if s.Storage.SeedImage != "" {
		p.check(spec("storage").Child("seedImage"), badImage(s.Storage.SeedImage))
	}
	if s.Storage.GitImage != "" {
		p.check(spec("storage").Child("gitImage"), badImage(s.Storage.GitImage))
	}
	if s.Registry != "" {
		p.check(spec("registry"), badRegistry(s.Registry))
	}
	if s.WaitImage != "" {
		p.check(spec("waitImage"), badImage(s.WaitImage))
	}
	if u, err := url.Parse(s.Cluster.Server); err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil {
		p.add(spec("cluster").Child("server"), "is no https URL without credentials")
	}
	if !kubeSemver.MatchString(s.Cluster.KubeVersion) {
		p.fix(spec("cluster").Child("kubeVersion"), `such as "v1.36.0"`, "%q is no Kubernetes version", s.Cluster.KubeVersion)
	}
	positive(&p, spec("storage").Child("size"), s.Storage.Size, "1")
	resourceList(&p, spec("quota"), s.Quota)
	requirements(&p, spec("containerDefaults"), s.ContainerDefaults)
	oneOf(&p, spec("network").Child("egress"), s.Network.Egress, EgressAll, EgressInternet, EgressNone)
	for i, cidr := range s.Network.AllowCIDRs {
		p.check(spec("network").Child("allowCIDRs").Index(i), badCIDR(cidr))
	}
	validatePolicy(&p, spec("policy"), s.Policy)
	validateLimits(&p, spec("render"), s.Render)
	p.check(spec("argocd").Child("namespace"), badName(s.ArgoCD.Namespace))
	if s.ArgoCD.RepositoryURL != "" {
		p.check(spec("argocd").Child("repositoryUrl"), badRepositoryURL(s.ArgoCD.RepositoryURL))
	}
	return p.err()
}

// badRegistry says why s is no prefix of image references: it must hold when an image's name follows.
func badRegistry(s string) string {
	if strings.Contains(s, "://") || badImage(s+"/image") != "" {
		return "\"" + s + "\" is no registry, such as registry.example.com/catalyst"
	}
	return ""
}

func validatePolicy(p *problems, at *field.Path, policy PlatformPolicy) {
	levels := []PodSecurityLevel{"privileged", "baseline", "restricted"}
	oneOf(p, at.Child("podSecurity"), policy.PodSecurity, levels...)
	if policy.MaxReplicas < 0 {
		p.add(at.Child("maxReplicas"), "is negative")
	}
	for i, key := range policy.IngressAnnotations {
		if len(validation.IsQualifiedName(key)) > 0 {
			p.add(at.Child("ingressAnnotations").Index(i), "%q is no annotation key", key)
		}
	}
	for i, ex := range policy.Exceptions {
		below := at.Child("exceptions").Index(i)
		if len(ex.Projects) == 0 {
			p.add(below.Child("projects"), "is empty")
		}
		for j, project := range ex.Projects {
			team, name, ok := strings.Cut(project, "/")
			if !ok || !isName(team) || name != "*" && !isName(name) {
				p.add(below.Child("projects").Index(j), "%q is neither <team>/<project> nor <team>/*", project)
			}
		}
		if ex.PodSecurity != "" {
			oneOf(p, below.Child("podSecurity"), ex.PodSecurity, levels...)
		}
		for j, host := range ex.Hosts {
			p.check(below.Child("hosts").Index(j), badDomain(strings.TrimPrefix(host, "*.")))
		}
	}
}

func validateLimits(p *problems, at *field.Path, l RenderLimits) {
	if l.Timeout != nil && l.Timeout.Duration <= 0 {
		p.add(at.Child("timeout"), "is not more than zero")
	}
	positive(p, at.Child("memory"), l.Memory, "1536Mi")
	positive(p, at.Child("output"), l.Output, "1")
	positive(p, at.Child("objectSize"), l.ObjectSize, "1")
	positive(p, at.Child("source"), l.Source, "1")
	if l.Objects < 0 {
		p.add(at.Child("objects"), "is negative")
	}
}
