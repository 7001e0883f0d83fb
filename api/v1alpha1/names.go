package v1alpha1

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// Label and annotation keys on everything that Catalyst renders.
const (
	LabelTeam        = "catalyst.dev/team"
	LabelProject     = "catalyst.dev/project"
	LabelEnvironment = "catalyst.dev/environment"
	LabelBranch      = "catalyst.dev/branch"

	// AnnotationRenderDigest on the Namespace tells which render runs: SHA-256 over the other manifests.
	AnnotationRenderDigest = "catalyst.dev/render-digest"
)

// maxNamespace is the longest name that Kubernetes gives a namespace: a DNS label.
const maxNamespace = 63

// EnvironmentKey identifies an environment: three DNS labels.
type EnvironmentKey struct {
	Team, Project, Environment string
}

// String is the key as people write it: team/project/environment.
func (k EnvironmentKey) String() string { return k.Team + "/" + k.Project + "/" + k.Environment }

// ParseEnvironmentKey reads what String wrote. It reports false for anything else than three DNS labels.
func ParseEnvironmentKey(s string) (EnvironmentKey, bool) {
	parts := strings.Split(s, "/")
	if len(parts) != 3 {
		return EnvironmentKey{}, false
	}
	for _, p := range parts {
		if !isName(p) {
			return EnvironmentKey{}, false
		}
	}
	return EnvironmentKey{Team: parts[0], Project: parts[1], Environment: parts[2]}, true
}

// Namespace is the environment's namespace and the name of its Argo CD Application: <team>-<project>-<environment>,
// or, where that is over 63 characters, its first 57, "-", and the first 5 hex digits of its SHA-256.
func (k EnvironmentKey) Namespace() string {
	full := k.Team + "-" + k.Project + "-" + k.Environment
	if len(full) <= maxNamespace {
		return full
	}
	sum := sha256.Sum256([]byte(full))
	return full[:57] + "-" + hex.EncodeToString(sum[:])[:5]
}

// Key of an environment, from its namespace (<team>-<project>) and its project reference.
func (e *Environment) Key() EnvironmentKey {
	return EnvironmentKey{
		Team:        strings.TrimSuffix(e.Namespace, "-"+e.Spec.ProjectRef.Name),
		Project:     e.Spec.ProjectRef.Name,
		Environment: e.Name,
	}
}

// Source returns the environment's source of that name, or a zero one.
func (e *Environment) Source(name string) EnvironmentSource {
	for _, s := range e.Spec.Sources {
		if s.Name == name {
			return s
		}
	}
	return EnvironmentSource{Name: name}
}

// Source returns the project's source of that name; the first one when the name is empty.
func (p *Project) Source(name string) (Source, bool) {
	for _, s := range p.Spec.Sources {
		if name == "" || s.Name == name {
			return s, true
		}
	}
	return Source{}, false
}

// isName reports whether s is a DNS label, as team, project and environment names must be.
func isName(s string) bool {
	if s == "" || len(s) > maxNamespace || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	return strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}
