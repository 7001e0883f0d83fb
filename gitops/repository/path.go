package repository

import (
	"fmt"
	"io/fs"
	"path"
	"strings"
	"unicode"
)

// checkPath refuses what may not be written: paths that are not plain, and every spelling of .git that some file
// system takes for it.
func checkPath(file string) error {
	if !fs.ValidPath(file) || file == "." {
		return fmt.Errorf("%w %q: want a relative slash-separated path without . and .. elements", ErrInvalidPath, file)
	}
	for part := range strings.SplitSeq(file, "/") {
		if err := checkName(part); err != nil {
			return fmt.Errorf("%w %q: %w", ErrInvalidPath, file, err)
		}
	}
	return nil
}

func checkName(name string) error {
	if len(name) > 255 {
		return fmt.Errorf("%q is longer than 255 bytes", name)
	}
	for _, r := range name {
		if unicode.IsControl(r) || r == '\\' || r == ':' || r == unicode.ReplacementChar {
			return fmt.Errorf("%q has a character that is not allowed", name)
		}
	}
	// HFS+ ignores format characters; NTFS ignores trailing dots and spaces and has short names.
	visible := strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Cf, r) {
			return -1
		}
		return unicode.ToLower(r)
	}, name)
	visible = strings.TrimRight(visible, ". ")
	if visible == ".git" || strings.HasPrefix(visible, "git~") {
		return fmt.Errorf("%q is Git's own", name)
	}
	return nil
}

// parts of a path for reading; nil for the root.
func parts(file string) ([]string, bool) {
	if file == "" || file == "." {
		return nil, true
	}
	if !fs.ValidPath(file) {
		return nil, false
	}
	return strings.Split(path.Clean(file), "/"), true
}
