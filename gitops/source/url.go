package source

import (
	"fmt"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
)

var (
	scpLike = regexp.MustCompile(`^(?:([A-Za-z0-9_.][A-Za-z0-9_.-]*)@)?([A-Za-z0-9][A-Za-z0-9.-]*):([^/:][^:]*)$`)
	commit  = regexp.MustCompile(`^([0-9a-f]{40}|[0-9a-f]{64})$`)
)

// remote is a parsed repository URL.
type remote struct {
	// scheme is https, http, ssh or file.
	scheme string
	// text is the URL as Git takes it; for file the folder.
	text string
}

// parseURL accepts https, http, ssh and scp-like URLs, and with local also file URLs and paths.
func parseURL(raw string, local bool) (remote, error) {
	refuse := func(why string) (remote, error) {
		// The URL is not repeated: it may hold credentials.
		return remote{}, fmt.Errorf("%w: %s", ErrURL, why)
	}
	switch {
	case raw == "" || len(raw) > 2048:
		return refuse("it must have 1 to 2,048 characters")
	case strings.HasPrefix(raw, "-"):
		return refuse("it must not begin with a dash")
	case strings.ContainsFunc(raw, func(r rune) bool { return r <= ' ' && r != ' ' || r == 0x7f }):
		return refuse("it holds control characters")
	case strings.Contains(raw, "::"):
		return refuse("remote helpers (such as ext::) are not supported; use https or ssh")
	case strings.Contains(raw, "://"):
		return parseSchemeURL(raw, local)
	case filepath.IsAbs(raw) || strings.HasPrefix(raw, "./") || strings.HasPrefix(raw, "../"):
		return parseLocal(raw, local)
	}
	m := scpLike.FindStringSubmatch(raw)
	if m == nil || strings.HasPrefix(m[3], "-") || strings.Contains(raw, " ") {
		return refuse("use https://HOST/PATH, ssh://USER@HOST/PATH or USER@HOST:PATH")
	}
	return remote{scheme: "ssh", text: raw}, nil
}

func parseSchemeURL(raw string, local bool) (remote, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return remote{}, fmt.Errorf("%w: it does not parse as a URL", ErrURL)
	}
	if u.Scheme == "file" {
		if u.Host != "" && u.Host != "localhost" {
			return remote{}, fmt.Errorf("%w: a file URL has no host", ErrURL)
		}
		return parseLocal(u.Path, local)
	}
	_, password := u.User.Password()
	host := u.Hostname()
	switch {
	case u.Scheme != "https" && u.Scheme != "http" && u.Scheme != "ssh":
		return remote{}, fmt.Errorf("%w: scheme %q is not supported; use https or ssh", ErrURL, u.Scheme)
	case host == "" || strings.HasPrefix(host, "-"):
		return remote{}, fmt.Errorf("%w: host %q is not a host name", ErrURL, host)
	case password || (u.User != nil && u.Scheme != "ssh"):
		return remote{}, fmt.Errorf("%w: it holds credentials; configure them apart from the URL", ErrURL)
	case u.RawQuery != "" || u.Fragment != "":
		return remote{}, fmt.Errorf("%w: it holds a query or fragment", ErrURL)
	case strings.HasPrefix(strings.TrimLeft(u.Path, "/"), "-") || strings.HasPrefix(u.User.Username(), "-"):
		return remote{}, fmt.Errorf("%w: path and user must not begin with a dash", ErrURL)
	case strings.Trim(u.Path, "/") == "":
		return remote{}, fmt.Errorf("%w: it names no repository on %s", ErrURL, u.Host)
	}
	return remote{scheme: u.Scheme, text: strings.TrimSuffix(u.String(), "/")}, nil
}

func parseLocal(path string, local bool) (remote, error) {
	if !local {
		return remote{}, fmt.Errorf("%w: local repositories are not read by this server; use https or ssh", ErrURL)
	}
	folder, err := filepath.Abs(path)
	if err != nil {
		return remote{}, fmt.Errorf("resolving the repository's folder: %w", err)
	}
	return remote{scheme: "file", text: folder}, nil
}

// checkSHA accepts a full commit name only: names and abbreviations move.
func checkSHA(sha string) error {
	if !commit.MatchString(sha) {
		return fmt.Errorf("commit %q must be 40 (or 64) lower-case hex digits", sha)
	}
	if len(sha) == 64 {
		return fmt.Errorf("commit %s: repositories with SHA-256 names are not supported yet", sha)
	}
	return nil
}
