package repository

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"
)

// Snapshot is the branch at one commit. It is immutable and safe for concurrent use.
type Snapshot struct {
	repository *Repository
	objects    *objects
	commit     plumbing.Hash
	tree       plumbing.Hash
}

// Entry of a folder.
type Entry struct {
	Name string
	Dir  bool
	// Hash of the content: equal hashes mean equal content.
	Hash string
}

// Revision is the commit, as hex; empty while the branch does not exist.
func (s *Snapshot) Revision() string {
	if s.commit.IsZero() {
		return ""
	}
	return s.commit.String()
}

// Tree returns the hash of a file or folder, which equals another's exactly when their content does.
func (s *Snapshot) Tree(p string) (hash string, ok bool) {
	e, err := s.find("stat", p)
	if err != nil {
		return "", false
	}
	return e.Hash.String(), true
}

// find walks to a path. fs.ErrNotExist where there is nothing.
func (s *Snapshot) find(op, p string) (object.TreeEntry, error) {
	parts, err := split(p)
	if err != nil {
		return object.TreeEntry{}, err
	}
	e, ok, err := s.objects.find(s.tree, parts)
	if err == nil && !ok {
		err = &fs.PathError{Op: op, Path: p, Err: fs.ErrNotExist}
	}
	return e, err
}

// folder walks to a folder.
func (s *Snapshot) folder(p string) (plumbing.Hash, error) {
	e, err := s.find("readdir", p)
	if err == nil && e.Mode != filemode.Dir {
		err = &fs.PathError{Op: "readdir", Path: p, Err: fs.ErrNotExist}
	}
	return e.Hash, err
}

// ReadDir lists a folder by name. fs.ErrNotExist where there is none.
func (s *Snapshot) ReadDir(_ context.Context, dir string) ([]Entry, error) {
	h, err := s.folder(dir)
	if err != nil {
		return nil, err
	}
	tree, err := s.objects.tree(h)
	if err != nil {
		return nil, err
	}
	entries := make([]Entry, 0, len(tree))
	for _, t := range tree {
		entries = append(entries, Entry{Name: t.Name, Dir: t.Mode == filemode.Dir, Hash: t.Hash.String()})
	}
	return entries, nil
}

// ReadFile reads a file. fs.ErrNotExist where there is none. A symlink is not followed: its content is its target.
func (s *Snapshot) ReadFile(ctx context.Context, file string) ([]byte, error) {
	e, err := s.find("read", file)
	if err != nil {
		return nil, err
	}
	if e.Mode == filemode.Dir || e.Mode == filemode.Submodule {
		return nil, &fs.PathError{Op: "read", Path: file, Err: fs.ErrNotExist}
	}
	files, err := s.contents(ctx, map[string]plumbing.Hash{file: e.Hash})
	return files[file], err
}

// Files reads a folder with all below it, by path inside it. fs.ErrNotExist where there is none.
func (s *Snapshot) Files(ctx context.Context, dir string) (map[string][]byte, error) {
	h, err := s.folder(dir)
	if err != nil {
		return nil, err
	}
	blobs := map[string]plumbing.Hash{}
	if err := s.blobs(h, "", blobs); err != nil {
		return nil, err
	}
	return s.contents(ctx, blobs)
}

// blobs collects the files below a tree.
func (s *Snapshot) blobs(tree plumbing.Hash, prefix string, into map[string]plumbing.Hash) error {
	entries, err := s.objects.tree(tree)
	if err != nil {
		return err
	}
	for _, e := range entries {
		name := path.Join(prefix, e.Name)
		switch e.Mode {
		case filemode.Dir:
			if err := s.blobs(e.Hash, name, into); err != nil {
				return err
			}
		case filemode.Submodule:
		default:
			into[name] = e.Hash
		}
	}
	return nil
}

// Prefetch asks the remote for those of the files that were left out, in few exchanges, so that reading them one by one costs
// nothing. Paths where there is no file are passed over.
func (s *Snapshot) Prefetch(ctx context.Context, files []string) error {
	blobs := map[string]plumbing.Hash{}
	for _, file := range files {
		e, err := s.find("read", file)
		if err == nil && e.Mode.IsFile() {
			blobs[file] = e.Hash
		}
	}
	return s.fetchMissing(ctx, blobs)
}

// maxWants bounds what one exchange asks for.
const maxWants = 5000

func (s *Snapshot) fetchMissing(ctx context.Context, blobs map[string]plumbing.Hash) error {
	missing := map[plumbing.Hash]bool{}
	for _, h := range blobs {
		if _, known := s.objects.get(h); !known {
			missing[h] = true
		}
	}
	for wants := range slices.Chunk(slices.Collect(maps.Keys(missing)), maxWants) {
		pack, err := s.repository.remote.fetch(ctx, request{wants: wants, blobs: true})
		if err != nil {
			return err
		}
		s.objects.putAll(pack)
	}
	return nil
}

// contents reads blobs, asking the remote for those that were left out.
func (s *Snapshot) contents(ctx context.Context, blobs map[string]plumbing.Hash) (map[string][]byte, error) {
	if err := s.fetchMissing(ctx, blobs); err != nil {
		return nil, err
	}
	files := make(map[string][]byte, len(blobs))
	for name, h := range blobs {
		data, ok, err := s.objects.read(h)
		if err != nil {
			return nil, err
		}
		if !ok {
			return nil, fmt.Errorf("reading %s: the remote did not send it", name)
		}
		files[name] = data
	}
	return files, nil
}

// split checks a path and parts it; "." is the root.
func split(p string) ([]string, error) {
	if p == "." {
		return nil, nil
	}
	if !fs.ValidPath(p) || strings.ContainsAny(p, "\x00\\") {
		return nil, fmt.Errorf("path %q is not a path inside the repository", p)
	}
	parts := strings.Split(p, "/")
	for _, part := range parts {
		if strings.EqualFold(part, ".git") {
			return nil, fmt.Errorf("path %q names Git's own folder", p)
		}
	}
	return parts, nil
}
