package v1alpha1

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// spec and meta are where every path starts.
func spec(name string) *field.Path { return field.NewPath("spec", name) }
func meta(name string) *field.Path { return field.NewPath("metadata", name) }

// oneOf reports a value that is none of those allowed.
func oneOf[T ~string](p *problems, at *field.Path, got T, allowed ...T) {
	names := make([]string, len(allowed))
	for i, a := range allowed {
		if got == a {
			return
		}
		names[i] = string(a)
	}
	remedy := "one of " + strings.Join(names, ", ")
	if near := Nearest(string(got), names); near != "" && got != "" {
		remedy = "did you mean \"" + near + "\"?"
	}
	p.fix(at, remedy, "%q is not allowed", string(got))
}

// unique remembers names and reports the second of a kind.
type unique map[string]bool

func (u unique) check(p *problems, at *field.Path, name string) {
	if u[name] {
		p.add(at, "%q stands twice", name)
	}
	u[name] = true
}

// resourceList reports negative quantities and names that are none.
func resourceList(p *problems, at *field.Path, list corev1.ResourceList) {
	for _, name := range sortedKeys(list) {
		q := list[name]
		if q.Sign() < 0 {
			p.add(at.Key(string(name)), "%s is negative", q.String())
		}
	}
}

// requirements reports bad quantities, and requests over their limits.
func requirements(p *problems, at *field.Path, r corev1.ResourceRequirements) {
	resourceList(p, at.Child("requests"), r.Requests)
	resourceList(p, at.Child("limits"), r.Limits)
	for _, name := range sortedKeys(r.Requests) {
		request := r.Requests[name]
		if limit, ok := r.Limits[name]; ok && request.Cmp(limit) > 0 {
			p.add(at.Child("requests").Key(string(name)), "%s is more than its limit %s", request.String(), limit.String())
		}
	}
}

// positive reports a quantity below the least.
func positive(p *problems, at *field.Path, q *resource.Quantity, least string) {
	if q != nil && q.Cmp(resource.MustParse(least)) < 0 {
		p.add(at, "%s is less than %s", q.String(), least)
	}
}

// Validate reports every fault of the team.
func (t *Team) Validate() error {
	var p problems
	p.check(meta("name"), badName(t.Name))
	p.check(spec("displayName"), oneLine(t.Spec.DisplayName))
	seen := unique{}
	for i, m := range t.Spec.Members {
		at := spec("members").Index(i)
		switch {
		case m.User == "":
			p.fix(at.Child("user"), `such as "github:octocat"`, "is missing")
		case strings.ContainsAny(m.User, " \t") || oneLine(m.User) != "":
			p.add(at.Child("user"), "holds a space or a control character")
		}
		seen.check(&p, at.Child("user"), m.User)
		oneOf(&p, at.Child("role"), m.Role, RoleOwner, RoleAdmin, RoleMember)
	}
	return p.err()
}

// Validate reports every fault of the environment that can be seen without its project.
func (e *Environment) Validate() error {
	var p problems
	p.check(meta("name"), badName(e.Name))
	p.check(spec("projectRef").Child("name"), badName(e.Spec.ProjectRef.Name))
	if why := badName(e.Namespace); why != "" {
		p.fix(meta("namespace"), "it is <team>-<project>", "%s", why)
	} else if team, ok := strings.CutSuffix(e.Namespace, "-"+e.Spec.ProjectRef.Name); !ok || !isName(team) {
		p.add(meta("namespace"), "%q is not <team>-%s", e.Namespace, e.Spec.ProjectRef.Name)
	}
	p.check(spec("type"), badName(e.Spec.Type))
	oneOf(&p, spec("deploymentMode"), e.Spec.DeploymentMode, ModeProduction, ModeDevelopment, ModeWorkspace)
	seen := unique{}
	for i, s := range e.Spec.Sources {
		at := spec("sources").Index(i)
		p.check(at.Child("name"), badName(s.Name))
		seen.check(&p, at.Child("name"), s.Name)
		if s.Branch != "" {
			p.check(at.Child("branch"), badBranch(s.Branch))
		}
		if s.CommitSHA != "" && !commitSHA.MatchString(s.CommitSHA) {
			p.fix(at.Child("commitSha"), "write all 40 lower-case hex digits", "%q is no commit", s.CommitSHA)
		}
		if s.PRNumber < 0 {
			p.add(at.Child("prNumber"), "is negative")
		}
	}
	validateValues(&p, spec("values"), e.Spec.Values)
	validateConfig(&p, spec("config"), e.Spec.Config)
	return p.err()
}

// ValidateAgainst reports what of the environment does not fit its project: the project itself, the template, the sources.
func (e *Environment) ValidateAgainst(project *Project) error {
	var p problems
	if e.Spec.ProjectRef.Name != project.Name {
		p.add(spec("projectRef").Child("name"), "is %q, but the project is %q", e.Spec.ProjectRef.Name, project.Name)
	}
	if team := e.Key().Team; team != project.Namespace {
		p.add(meta("namespace"), "is of team %q, but the project is of team %q", team, project.Namespace)
	}
	if _, ok := project.Spec.Templates[e.Spec.Type]; !ok {
		p.fix(spec("type"), "the project has "+strings.Join(sortedKeys(project.Spec.Templates), ", "),
			"%q is no template of project %s", e.Spec.Type, project.Name)
	}
	for i, s := range e.Spec.Sources {
		if _, ok := project.Source(s.Name); !ok || s.Name == "" {
			p.fix(spec("sources").Index(i).Child("name"), "the project has "+strings.Join(sourceNames(project), ", "),
				"%q is no source of project %s", s.Name, project.Name)
		}
	}
	return p.err()
}
