package source

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
)

// maxDepth of folders in folders.
const maxDepth = 256

// entry is one name in a folder.
type entry struct {
	name string
	mode filemode.FileMode
	hash plumbing.Hash
}

func (e entry) isDir() bool { return e.mode == filemode.Dir }

// fsMode is the entry's mode as io/fs sees it.
func (e entry) fsMode() fs.FileMode {
	switch e.mode {
	case filemode.Dir:
		return fs.ModeDir | 0o755
	case filemode.Executable:
		return 0o755
	case filemode.Symlink:
		return fs.ModeSymlink | 0o777
	case filemode.Submodule:
		return fs.ModeIrregular
	}
	return 0o644
}

// folder is a parsed tree object with what is known of all below it.
type folder struct {
	entries []entry // by name
	// count of entries below, submodules among them, and height in folders; each as if every path were written out.
	count, submodules int64
	height            int
}

func (f *folder) find(name string) (entry, bool) {
	i, ok := slices.BinarySearchFunc(f.entries, name, func(e entry, name string) int { return cmp.Compare(e.name, name) })
	if !ok {
		return entry{}, false
	}
	return f.entries[i], true
}

// parseTree reads a tree object. Names that Git itself refuses are errors; names that are not UTF-8 are left out, since
// io/fs cannot say them.
func parseTree(data []byte) ([]entry, error) {
	var entries []entry
	for len(data) > 0 {
		space := bytes.IndexByte(data, ' ')
		zero := bytes.IndexByte(data, 0)
		if space < 0 || zero < space || len(data) < zero+21 {
			return nil, fmt.Errorf("%w: tree object cut short", ErrInvalid)
		}
		mode, err := filemode.New(string(data[:space]))
		if err != nil {
			return nil, fmt.Errorf("%w: tree entry with mode %q", ErrInvalid, data[:space])
		}
		e := entry{name: string(data[space+1 : zero]), mode: mode}
		copy(e.hash[:], data[zero+1:])
		data = data[zero+21:]
		if !plainName(e.name) {
			return nil, fmt.Errorf("%w: tree entry named %q", ErrInvalid, e.name)
		}
		if utf8.ValidString(e.name) {
			entries = append(entries, e)
		}
	}
	slices.SortFunc(entries, func(a, b entry) int { return cmp.Compare(a.name, b.name) })
	for i := 1; i < len(entries); i++ {
		if entries[i].name == entries[i-1].name {
			return nil, fmt.Errorf("%w: tree holds %q twice", ErrInvalid, entries[i].name)
		}
	}
	return entries, nil
}

func plainName(name string) bool {
	return name != "" && name != "." && name != ".." && !strings.EqualFold(name, ".git") && !strings.Contains(name, "/")
}

// survey parses all trees below hash and counts what they hold. Each tree object is looked at once, so that a few
// objects which name each other many times over cost no more than they are large.
func (s *state) survey(ctx context.Context, hash plumbing.Hash, depth int) (*folder, error) {
	if f, ok := s.folders[hash]; ok {
		return f, nil
	}
	if depth > maxDepth {
		return nil, &LimitError{What: "depth of folders", Limit: maxDepth}
	}
	o, err := s.object(ctx, hash, plumbing.TreeObject)
	if err != nil {
		return nil, err
	}
	f := &folder{height: 1}
	if f.entries, err = parseTree(o.data); err != nil {
		return nil, err
	}
	for _, e := range f.entries {
		f.count++
		switch e.mode {
		case filemode.Submodule:
			f.submodules++
		case filemode.Dir:
			below, err := s.survey(ctx, e.hash, depth+1)
			if err != nil {
				return nil, err
			}
			f.count += below.count
			f.submodules += below.submodules
			f.height = max(f.height, below.height+1)
		}
		if f.count > s.limits.entries {
			return nil, &LimitError{What: "tree", Limit: s.limits.entries}
		}
		if f.height > maxDepth {
			return nil, &LimitError{What: "depth of folders", Limit: maxDepth}
		}
	}
	s.folders[hash] = f
	return f, nil
}

// submodules lists the paths of submodule entries below a folder, going only where there are some.
func (s *state) submodules(f *folder, dir string) []string {
	var paths []string
	for _, e := range f.entries {
		switch {
		case e.mode == filemode.Submodule:
			paths = append(paths, path.Join(dir, e.name))
		case e.isDir() && s.folders[e.hash].submodules > 0:
			paths = append(paths, s.submodules(s.folders[e.hash], path.Join(dir, e.name))...)
		}
	}
	return paths
}
