package gitops

import (
	"context"
	"net/url"
	"strings"
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

// Installation is the GitHub App installation that may read a repository, by the projects that have it as a source; empty
// for the server's own token.
func (l *Loop) Installation(ctx context.Context, repositoryURL string) (string, error) {
	return l.installation(ctx, func(url string) bool { return sameRepository(url, repositoryURL) })
}

// InstallationOf is Installation by owner/name, as the forge knows the repository.
func (l *Loop) InstallationOf(ctx context.Context, fullName string) (string, error) {
	return l.installation(ctx, func(url string) bool {
		name, ok := forgeName(url)
		return ok && strings.EqualFold(name, fullName)
	})
}

func (l *Loop) installation(ctx context.Context, is func(url string) bool) (string, error) {
	projects, _, err := l.View().Projects(ctx)
	if err != nil {
		return "", err
	}
	for _, p := range projects {
		for _, src := range p.Spec.Sources {
			if id := p.Spec.GitHubInstallationID; id != "" && id != personalToken && is(src.RepositoryURL) {
				return id, nil
			}
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
