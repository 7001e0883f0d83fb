package gitops

import (
	"net/url"
	"strings"
)

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
