package manifest

import (
	"fmt"
	"io/fs"
	"path"
	"strings"
)

// CleanPath checks a path that stands in untrusted input and returns it relative to the source's root, in fs.FS
// form ("." for the root). dir is the folder, in the same form, that the path is relative to. Absolute paths, "~", URLs,
// backslashes, control characters and paths that leave the root give a Problem that names field.
func CleanPath(field, dir, p string) (string, error) {
	bad := func(why string) (string, error) {
		return "", &Problem{Field: field, Message: fmt.Sprintf("path %q %s", p, why),
			Remedy: "use a path inside the repository, relative and with forward slashes"}
	}
	switch {
	case strings.ContainsAny(p, "\x00\\\n\r"):
		return bad("holds a backslash or a control character")
	case strings.Contains(p, "://") || strings.HasPrefix(p, "git@"):
		return bad("is remote")
	case path.IsAbs(p) || strings.HasPrefix(p, "~"):
		return bad("is absolute")
	}
	clean := path.Join(dir, p)
	if !fs.ValidPath(clean) {
		return bad("leaves the repository")
	}
	return clean, nil
}
