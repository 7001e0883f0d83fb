package v1alpha1

import (
	"bytes"
	"maps"
	"path"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

func sortedKeys[K ~string, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }

// sourceNames of a project, in its order.
func sourceNames(p *Project) []string {
	names := make([]string, len(p.Spec.Sources))
	for i, s := range p.Spec.Sources {
		names[i] = s.Name
	}
	return names
}

// Validate reports every fault of the project.
func (p *Project) Validate() error {
	var errs problems
	errs.check(meta("name"), badName(p.Name))
	if why := badName(p.Namespace); why != "" {
		errs.fix(meta("namespace"), "it is the team's name", "%s", why)
	} else if n := len(p.Namespace) + 1 + len(p.Name); n > maxNamespace {
		errs.fix(meta("name"), "shorten one of them", "team and project make %q, which is %d characters long, more than %d",
			p.Namespace+"-"+p.Name, n, maxNamespace)
	}
	if strings.ContainsFunc(p.Spec.GitHubInstallationID, func(r rune) bool { return r < '0' || r > '9' }) &&
		p.Spec.GitHubInstallationID != "pat" {
		errs.fix(spec("githubInstallationId"), `write the number, or "pat"`, "%q is no installation", p.Spec.GitHubInstallationID)
	}
	p.validateSources(&errs)
	if len(p.Spec.Templates) == 0 {
		errs.fix(spec("templates"), `add one under the key "development"`, "is empty")
	}
	for _, key := range sortedKeys(p.Spec.Templates) {
		at := spec("templates").Key(key)
		errs.check(at, badName(key))
		p.validateTemplate(&errs, at, p.Spec.Templates[key])
	}
	p.validatePreviews(&errs)
	resourceList(&errs, spec("resources").Child("defaultQuota"), p.Spec.Resources.DefaultQuota)
	return errs.err()
}

func (p *Project) validateSources(errs *problems) {
	if len(p.Spec.Sources) == 0 {
		errs.fix(spec("sources"), "name at least one application repository", "is empty")
	}
	seen := unique{}
	for i, s := range p.Spec.Sources {
		at := spec("sources").Index(i)
		errs.check(at.Child("name"), badName(s.Name))
		seen.check(errs, at.Child("name"), s.Name)
		errs.check(at.Child("repositoryUrl"), badRepositoryURL(s.RepositoryURL))
		errs.check(at.Child("branch"), badBranch(s.Branch))
	}
}

// sourceRef reports a reference to a source that does not exist. The empty one is the first source.
func (p *Project) sourceRef(errs *problems, at *field.Path, name string) {
	if _, ok := p.Source(name); ok || name == "" {
		return
	}
	errs.fix(at.Child("sourceRef"), "spec.sources has "+strings.Join(sourceNames(p), ", "), "%q is no source", name)
}

func (p *Project) validateTemplate(errs *problems, at *field.Path, t Template) {
	oneOf(errs, at.Child("type"), t.Type, TemplateDockerCompose, TemplateHelm, TemplateKustomize, TemplateManifest,
		TemplatePrebuilt, TemplateBuild, TemplateNixFlake)
	p.sourceRef(errs, at, t.SourceRef)
	errs.check(at.Child("path"), badPath(t.Path))
	for i, file := range t.ValuesFiles {
		errs.check(at.Child("valuesFiles").Index(i), badPath(file))
	}
	if t.Type == TemplatePrebuilt && t.Config.Image == "" && !slices.ContainsFunc(t.Images,
		func(i TemplateImage) bool { return i.Repository != "" }) {
		errs.fix(at.Child("config", "image"), "name the image", "is missing: a prebuilt template is nothing without it")
	}
	seen := unique{}
	for i, b := range t.Builds {
		below := at.Child("builds").Index(i)
		errs.check(below.Child("name"), badName(b.Name))
		seen.check(errs, below.Child("name"), b.Name)
		p.sourceRef(errs, below, b.SourceRef)
		errs.check(below.Child("path"), badPath(b.Path))
		errs.check(below.Child("dockerfile"), badPath(b.Dockerfile))
	}
	for i, img := range t.Images {
		below := at.Child("images").Index(i)
		p.sourceRef(errs, below, img.SourceRef)
		if img.Repository != "" {
			errs.check(below.Child("repository"), badImage(img.Repository))
		}
	}
	validateValues(errs, at.Child("values"), t.Values)
	validateConfig(errs, at.Child("config"), t.Config)
	validateMounts(errs, at.Child("config"), t.Config)
}

func (p *Project) validatePreviews(errs *problems) {
	at, v := spec("previews"), p.Spec.Previews
	if _, ok := p.Spec.Templates[v.Template]; v.Enabled && !ok {
		errs.fix(at.Child("template"), "spec.templates has "+strings.Join(sortedKeys(p.Spec.Templates), ", "),
			"%q is no template", v.Template)
	}
	oneOf(errs, at.Child("forks"), v.Forks, ForksApprove, ForksDeny)
	for i, pattern := range v.Paths {
		below := at.Child("paths").Index(i)
		errs.check(below, badPath(pattern))
		if _, err := path.Match(pattern, ""); err != nil {
			errs.add(below, "%q is no pattern", pattern)
		}
	}
	for i, label := range v.Labels {
		if label == "" || oneLine(label) != "" {
			errs.add(at.Child("labels").Index(i), "%q is no label", label)
		}
	}
	if v.TTL != nil && v.TTL.Duration < 0 {
		errs.add(at.Child("ttl"), "is negative")
	}
	if v.Max < 0 {
		errs.add(at.Child("max"), "is negative")
	}
}

// validateValues reports values that are no mapping.
func validateValues(p *problems, at *field.Path, values *runtime.RawExtension) {
	if values == nil || len(values.Raw) == 0 || bytes.Equal(values.Raw, []byte("null")) {
		return
	}
	if !bytes.HasPrefix(bytes.TrimSpace(values.Raw), []byte("{")) {
		p.add(at, "is no mapping")
	}
}
