package v1alpha1

import (
	"fmt"
	"net/netip"
	"net/url"
	"path"
	"regexp"
	"strings"
	"unicode"

	"github.com/distribution/reference"
	"k8s.io/apimachinery/pkg/util/validation"
)

// Each function here returns why a value is unfit, "" when it is fit.

var (
	commitSHA  = regexp.MustCompile(`^([0-9a-f]{40}|[0-9a-f]{64})$`)
	scpLikeURL = regexp.MustCompile(`^([A-Za-z0-9_][A-Za-z0-9_.-]*@)?[A-Za-z0-9][A-Za-z0-9.-]*:[^:/][^:]*$`)
	kubeSemver = regexp.MustCompile(`^v\d+\.\d+\.\d+([-+][0-9A-Za-z.+-]+)?$`)
)

// badName says why s is no DNS label.
func badName(s string) string {
	switch {
	case s == "":
		return "is missing"
	case len(s) > maxNamespace:
		return fmt.Sprintf("is %d characters long, more than %d", len(s), maxNamespace)
	case !isName(s):
		return fmt.Sprintf("%q is no DNS label: lower-case letters, digits and inner hyphens", s)
	}
	return ""
}

// badDomain says why s is no DNS name.
func badDomain(s string) string {
	if s == "" {
		return "is missing"
	}
	if why := validation.IsDNS1123Subdomain(s); len(why) > 0 {
		return fmt.Sprintf("%q is no DNS name", s)
	}
	return ""
}

// badRepositoryURL says why s is no address that Git may be pointed at.
func badRepositoryURL(s string) string {
	switch {
	case s == "":
		return "is missing"
	case strings.HasPrefix(s, "-"):
		return "starts with a hyphen"
	case strings.ContainsFunc(s, func(r rune) bool { return unicode.IsControl(r) || unicode.IsSpace(r) }):
		return "holds a space or a control character"
	case strings.Contains(s, "::"):
		return "names a remote helper (\"::\"), which would run a program"
	case !strings.Contains(s, "://"):
		if !scpLikeURL.MatchString(s) {
			return fmt.Sprintf("%q is no https, http, ssh, file or scp-like address", s)
		}
		return ""
	}
	u, err := url.Parse(s)
	if err != nil {
		return "is no URL" // the parser's error repeats the text, which may hold a password
	}
	return badGitURL(u)
}

// badGitURL says why a parsed URL is none that Git may be pointed at.
func badGitURL(u *url.URL) string {
	_, hasPassword := u.User.Password()
	switch {
	case u.Scheme != "https" && u.Scheme != "http" && u.Scheme != "ssh" && u.Scheme != "file":
		return fmt.Sprintf("has the scheme %q; only https, http, ssh and file are allowed", u.Scheme)
	case hasPassword || u.User != nil && u.Scheme != "ssh":
		return "holds credentials; give them to the server, not to a document in Git"
	case strings.HasPrefix(u.Host, "-") || strings.HasPrefix(u.User.Username(), "-"):
		return "has a host or user that starts with a hyphen"
	case u.Scheme != "file" && u.Hostname() == "":
		return "has no host"
	case strings.Trim(u.Path, "/") == "":
		return "has no path"
	case u.RawQuery != "" || u.Fragment != "":
		return "has a query or a fragment"
	}
	return ""
}

// badPath says why s is no relative path inside a source. The empty path is fit.
func badPath(s string) string {
	switch {
	case strings.ContainsFunc(s, unicode.IsControl) || strings.Contains(s, `\`):
		return fmt.Sprintf("path %q holds a backslash or a control character", s)
	case strings.Contains(s, "://") || strings.HasPrefix(s, "git@"):
		return fmt.Sprintf("path %q is remote", s)
	case path.IsAbs(s) || strings.HasPrefix(s, "~"):
		return fmt.Sprintf("path %q is absolute", s)
	}
	for part := range strings.SplitSeq(s, "/") {
		if part == ".." {
			return fmt.Sprintf("path %q holds \"..\"", s)
		}
	}
	return ""
}

// badBranch says why s is no branch name, by the rules of git check-ref-format.
func badBranch(s string) string {
	bad := func(r rune) bool {
		return unicode.IsControl(r) || strings.ContainsRune(" ~^:?*[\\", r)
	}
	switch {
	case s == "":
		return "is missing"
	case len(s) > 244:
		return "is longer than 244 bytes"
	case s == "@" || s == "HEAD" || strings.HasPrefix(s, "-"),
		strings.Contains(s, "..") || strings.Contains(s, "@{") || strings.HasSuffix(s, "."),
		strings.ContainsFunc(s, bad):
		return fmt.Sprintf("%q is no branch name in Git", s)
	}
	for part := range strings.SplitSeq(s, "/") {
		if part == "" || part[0] == '.' || strings.HasSuffix(part, ".lock") {
			return fmt.Sprintf("%q is no branch name in Git", s)
		}
	}
	return ""
}

// badImage says why s is no image reference.
func badImage(s string) string {
	if _, err := reference.ParseNormalizedNamed(s); err != nil {
		return fmt.Sprintf("%q is no image reference", s)
	}
	return ""
}

// badCIDR says why s is no network in its canonical form.
func badCIDR(s string) string {
	prefix, err := netip.ParsePrefix(s)
	switch {
	case err != nil:
		return fmt.Sprintf("%q is no CIDR", s)
	case prefix.Masked() != prefix:
		return fmt.Sprintf("%q has bits set behind its mask; the network is %s", s, prefix.Masked())
	}
	return ""
}

// oneLine says why s holds control characters.
func oneLine(s string) string {
	if strings.ContainsFunc(s, unicode.IsControl) {
		return "holds a line break or a control character"
	}
	return ""
}
