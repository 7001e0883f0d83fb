package repository

import (
	"fmt"
	"io/fs"
	"strings"
	"unicode"
)

// split gives the parts of a path, none for the root. It refuses what may not stand in the repository: paths that are
// not plain, and every spelling of .git that some file system takes for it.
func split(file string) ([]string, error) {
	if file == "." {
		return nil, nil
	}
	if !fs.ValidPath(file) {
		return nil, fmt.Errorf("%w %q: want a relative slash-separated path without . and .. elements", ErrInvalidPath, file)
	}
	names := strings.Split(file, "/")
	for _, name := range names {
		if err := checkName(name); err != nil {
			return nil, fmt.Errorf("%w %q: %w", ErrInvalidPath, file, err)
		}
	}
	return names, nil
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
