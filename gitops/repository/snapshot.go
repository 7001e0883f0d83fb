package repository

import (
	"context"
	"fmt"
	"io/fs"
	"path"
	"slices"

	"github.com/go-git/go-git/v5/plumbing"
)

// Entry is one name in a folder.
type Entry struct {
	Name string
	// Dir says that it is a folder.
	Dir bool
	// Hash of the content, in hex.
	Hash string
}

// Snapshot is the repository at one commit. It is immutable and safe for concurrent use. Paths are relative and
// slash-separated; "." is the root. What is not there is fs.ErrNotExist.
type Snapshot struct {
	store  *store
	commit plumbing.Hash
	root   plumbing.Hash
	// fresh holds the objects of commits that are not pushed yet; nil when there are none.
	fresh *overlay
	// base is the pushed commit that fresh builds on.
	base plumbing.Hash
}

// Revision is the commit in hex; empty for a branch without commits.
func (s *Snapshot) Revision() string {
	if s.commit.IsZero() {
		return ""
	}
	return s.commit.String()
}

func (s *Snapshot) remoteCommit() plumbing.Hash {
	if s.fresh != nil {
		return s.base
	}
	return s.commit
}

func (s *Snapshot) tree(ctx context.Context, h plumbing.Hash) (tree, error) {
	if h.IsZero() {
		return nil, nil
	}
	if s.fresh != nil {
		if t, ok := s.fresh.trees[h]; ok {
			return t, nil
		}
	}
	return s.store.tree(ctx, s.remoteCommit(), h)
}

func (s *Snapshot) find(ctx context.Context, file string) (treeEntry, error) {
	names, ok := parts(file)
	if !ok {
		return treeEntry{}, &fs.PathError{Op: "open", Path: file, Err: fs.ErrInvalid}
	}
	e := treeEntry{mode: 0o40000, hash: s.root}
	for _, name := range names {
		if !e.dir() {
			return treeEntry{}, &fs.PathError{Op: "open", Path: file, Err: fs.ErrNotExist}
		}
		t, err := s.tree(ctx, e.hash)
		if err != nil {
			return treeEntry{}, fmt.Errorf("reading %s: %w", file, err)
		}
		if e, ok = t.find(name); !ok {
			return treeEntry{}, &fs.PathError{Op: "open", Path: file, Err: fs.ErrNotExist}
		}
	}
	return e, nil
}

// Tree gives the hash of a folder or file, and whether it is there. Equal hashes are equal contents. In the newest
// snapshot, and in those handed to an Edit, it never needs the network. In an older one it may, and a remote that cannot
// be reached then looks like a path that is not there: use ReadDir where that matters.
func (s *Snapshot) Tree(file string) (hash string, ok bool) {
	e, err := s.find(context.Background(), file)
	if err != nil || e.hash.IsZero() {
		return "", false
	}
	return e.hash.String(), true
}

// ReadFile reads one file. Links and submodules are not followed but refused.
func (s *Snapshot) ReadFile(ctx context.Context, file string) ([]byte, error) {
	e, err := s.find(ctx, file)
	if err != nil {
		return nil, err
	}
	if !e.file() {
		return nil, &fs.PathError{Op: "read", Path: file, Err: fmt.Errorf("not a regular file (mode %s)", e.mode)}
	}
	contents, err := s.contents(ctx, []plumbing.Hash{e.hash})
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", file, err)
	}
	return slices.Clone(contents[e.hash]), nil
}

func (s *Snapshot) contents(ctx context.Context, hashes []plumbing.Hash) (map[plumbing.Hash][]byte, error) {
	found := map[plumbing.Hash][]byte{}
	var pushed []plumbing.Hash
	for _, h := range hashes {
		if s.fresh != nil {
			if data, ok := s.fresh.blobs[h]; ok {
				found[h] = data
				continue
			}
		}
		pushed = append(pushed, h)
	}
	more, err := s.store.files(ctx, s.remoteCommit(), pushed)
	for h, data := range more {
		found[h] = data
	}
	return found, err
}

// ReadDir lists a folder, sorted by name.
func (s *Snapshot) ReadDir(ctx context.Context, dir string) ([]Entry, error) {
	t, err := s.folder(ctx, dir)
	if err != nil {
		return nil, err
	}
	entries := make([]Entry, 0, len(t))
	for _, e := range t {
		entries = append(entries, Entry{Name: e.name, Dir: e.dir(), Hash: e.hash.String()})
	}
	slices.SortFunc(entries, func(a, b Entry) int {
		switch {
		case a.Name < b.Name:
			return -1
		case a.Name > b.Name:
			return 1
		}
		return 0
	})
	return entries, nil
}

func (s *Snapshot) folder(ctx context.Context, dir string) (tree, error) {
	e, err := s.find(ctx, dir)
	if err != nil {
		return nil, err
	}
	if !e.dir() {
		return nil, &fs.PathError{Op: "readdir", Path: dir, Err: fmt.Errorf("not a folder: %w", fs.ErrInvalid)}
	}
	return s.tree(ctx, e.hash)
}

// Files reads all regular files below a folder, by path inside it, in one exchange with the remote at most.
func (s *Snapshot) Files(ctx context.Context, dir string) (map[string][]byte, error) {
	t, err := s.folder(ctx, dir)
	if err != nil {
		return nil, err
	}
	names := map[string]plumbing.Hash{}
	if err := s.collect(ctx, "", t, names); err != nil {
		return nil, fmt.Errorf("reading %s: %w", dir, err)
	}
	hashes := make([]plumbing.Hash, 0, len(names))
	for _, h := range names {
		hashes = append(hashes, h)
	}
	plumbing.HashesSort(hashes)
	contents, err := s.contents(ctx, hashes)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", dir, err)
	}
	files := make(map[string][]byte, len(names))
	for name, h := range names {
		files[name] = slices.Clone(contents[h])
	}
	return files, nil
}

func (s *Snapshot) collect(ctx context.Context, dir string, t tree, into map[string]plumbing.Hash) error {
	for _, e := range t {
		name := path.Join(dir, e.name)
		switch {
		case e.file():
			into[name] = e.hash
		case e.dir():
			sub, err := s.tree(ctx, e.hash)
			if err != nil {
				return err
			}
			if err := s.collect(ctx, name, sub, into); err != nil {
				return err
			}
		}
		if len(into) > maxEntries {
			return fmt.Errorf("more than %d files: %w", maxEntries, ErrTooLarge)
		}
	}
	return nil
}

// Changed lists the paths, depth levels below dir, whose contents differ from those of an earlier snapshot, sorted;
// ("environments", 3) gives the environments. It reads only what differs. A nil from is an empty repository.
func (s *Snapshot) Changed(ctx context.Context, from *Snapshot, dir string, depth int) ([]string, error) {
	if from == nil {
		from = &Snapshot{store: s.store}
	}
	var changed []string
	err := s.compare(ctx, from, dir, depth, &changed)
	slices.Sort(changed)
	return changed, err
}

func (s *Snapshot) compare(ctx context.Context, from *Snapshot, dir string, depth int, changed *[]string) error {
	before, err := from.find(ctx, dir)
	if err != nil && !notExist(err) {
		return err
	}
	after, err := s.find(ctx, dir)
	if err != nil && !notExist(err) {
		return err
	}
	if before == after {
		return nil
	}
	if depth == 0 {
		*changed = append(*changed, dir)
		return nil
	}
	names := map[string]bool{}
	for _, side := range []struct {
		snapshot *Snapshot
		entry    treeEntry
	}{{from, before}, {s, after}} {
		if !side.entry.dir() {
			continue
		}
		t, err := side.snapshot.tree(ctx, side.entry.hash)
		if err != nil {
			return err
		}
		for _, e := range t {
			names[e.name] = true
		}
	}
	for name := range names {
		if err := s.compare(ctx, from, path.Join(dir, name), depth-1, changed); err != nil {
			return err
		}
	}
	return nil
}
