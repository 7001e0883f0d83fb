package gitops

import (
	"context"
	"net/url"
	"slices"
	"strings"

	"catalyst.dev/catalyst/api/v1alpha1"
	"catalyst.dev/catalyst/gitops/source"
)

// personalToken stands for the server's own token where a project could name an installation.
const personalToken = "pat"

// sameRepository reports whether two URLs name one repository, whatever their scheme, user, port or ending.
func sameRepository(a, b string) bool { return repositoryID(a) == repositoryID(b) }

// repositoryID is host/path in lower case, as forges treat them: https://github.com/acme/shop.git,
// ssh://git@github.com/acme/shop and git@github.com:acme/shop are one.
func repositoryID(raw string) string {
	raw = strings.TrimSpace(raw)
	host, p := "", raw
	if u, err := url.Parse(raw); err == nil && u.Scheme != "" {
		host, p = u.Hostname(), u.Path
	} else if before, after, ok := strings.Cut(raw, ":"); ok && !strings.Contains(before, "/") {
		host, p = before[strings.LastIndex(before, "@")+1:], after
	}
	p = strings.TrimSuffix(strings.Trim(p, "/"), ".git")
	return strings.ToLower(host + "/" + p)
}

// installationOf is the GitHub App installation that a project's sources are read with; empty for the server's own token.
func installationOf(p *v1alpha1.Project) string {
	if id := p.Spec.GitHubInstallationID; id != personalToken {
		return id
	}
	return ""
}

// sources are the commits that a project may read.
func (l *Loop) sources(p *v1alpha1.Project) (*source.Cache, error) {
	return l.sourcesOf(installationOf(p))
}

func (l *Loop) sourcesOf(installation string) (*source.Cache, error) {
	if installation == "" || l.config.Installed == nil {
		return l.config.Sources, nil
	}
	return l.config.Installed(installation)
}

// InstallationOf is the GitHub App installation that the forge is asked with about owner/name, by the projects that have it
// as a source; empty for the server's own token.
func (l *Loop) InstallationOf(ctx context.Context, fullName string) (string, error) {
	projects, _, err := l.View().Projects(ctx)
	if err != nil {
		return "", err
	}
	for _, p := range projects {
		id := installationOf(p)
		is := func(src v1alpha1.Source) bool {
			name, ok := forgeName(src.RepositoryURL)
			return ok && strings.EqualFold(name, fullName)
		}
		if id != "" && slices.ContainsFunc(p.Spec.Sources, is) {
			return id, nil
		}
	}
	return "", nil
}

// forgeName is owner/name of a repository's URL: the last two parts of its path.
func forgeName(raw string) (string, bool) {
	raw = strings.TrimSuffix(strings.TrimRight(strings.TrimSpace(raw), "/"), ".git")
	if i := strings.LastIndexByte(raw, ':'); i >= 0 && !strings.Contains(raw, "://") {
		raw = raw[i+1:]
	}
	parts := strings.Split(raw, "/")
	if len(parts) < 2 || parts[len(parts)-1] == "" || parts[len(parts)-2] == "" {
		return "", false
	}
	return strings.Join(parts[len(parts)-2:], "/"), true
}
