package repository

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"
)

// maxEntries is the most files that are read at once.
const maxEntries = 50_000

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
	repository *Repository
	objects    *objects
	commit     plumbing.Hash
	tree       plumbing.Hash
}

// Revision is the commit in hex; empty for a branch without commits.
func (s *Snapshot) Revision() string {
	if s.commit.IsZero() {
		return ""
	}
	return s.commit.String()
}

func (s *Snapshot) find(file string) (object.TreeEntry, error) {
	names, err := split(file)
	if err != nil {
		return object.TreeEntry{}, &fs.PathError{Op: "open", Path: file, Err: fs.ErrInvalid}
	}
	e, ok, err := s.objects.find(s.tree, names)
	if err != nil {
		return e, fmt.Errorf("reading %s: %w", file, err)
	}
	if !ok {
		return e, &fs.PathError{Op: "open", Path: file, Err: fs.ErrNotExist}
	}
	return e, nil
}

// Tree gives the hash of a folder or file, and whether it is there. Equal hashes are equal contents. It needs no network.
func (s *Snapshot) Tree(file string) (hash string, ok bool) {
	e, err := s.find(file)
	if err != nil || e.Hash.IsZero() {
		return "", false
	}
	return e.Hash.String(), true
}

// ReadFile reads one file. Links and submodules are not followed but refused.
func (s *Snapshot) ReadFile(ctx context.Context, file string) ([]byte, error) {
	e, err := s.find(file)
	if err != nil {
		return nil, err
	}
	if !regular(e) {
		return nil, &fs.PathError{Op: "read", Path: file, Err: fmt.Errorf("not a regular file (mode %s)", e.Mode)}
	}
	contents, err := s.contents(ctx, []plumbing.Hash{e.Hash})
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", file, err)
	}
	return contents[e.Hash], nil
}

func regular(e object.TreeEntry) bool {
	return e.Mode == filemode.Regular || e.Mode == filemode.Executable || e.Mode == filemode.Deprecated
}

// contents reads files by hash, fetching all that are missing in one exchange.
func (s *Snapshot) contents(ctx context.Context, hashes []plumbing.Hash) (map[plumbing.Hash][]byte, error) {
	var missing []plumbing.Hash
	for _, h := range hashes {
		if _, ok := s.objects.get(h); !ok {
			missing = append(missing, h)
		}
	}
	if len(missing) > 0 {
		if err := s.fetch(ctx, missing); err != nil {
			return nil, err
		}
	}
	found := make(map[plumbing.Hash][]byte, len(hashes))
	for _, h := range hashes {
		data, ok, err := s.objects.read(h)
		switch {
		case err != nil:
			return nil, err
		case !ok:
			return nil, fmt.Errorf("file %s is not on the remote", h)
		case int64(len(data)) > s.repository.options.MaxFile:
			return nil, fmt.Errorf("file of %d bytes: %w", len(data), ErrTooLarge)
		}
		found[h] = data
	}
	return found, nil
}

// fetch gets files by hash or, from a server that does not serve them singly, with the whole commit.
func (s *Snapshot) fetch(ctx context.Context, hashes []plumbing.Hash) error {
	remote := s.repository.remote
	var single error
	if remote.anyObject() {
		pack, err := remote.fetch(ctx, request{wants: hashes, contents: true})
		if err == nil {
			s.objects.putAll(pack)
			return nil
		}
		single = err
	}
	pack, err := remote.fetch(ctx, request{wants: []plumbing.Hash{s.commit}, depth: 1, contents: true})
	if err != nil {
		return errors.Join(err, single)
	}
	s.objects.putAll(pack)
	return nil
}

// ReadDir lists a folder, sorted by name.
func (s *Snapshot) ReadDir(_ context.Context, dir string) ([]Entry, error) {
	t, err := s.folder(dir)
	if err != nil {
		return nil, err
	}
	entries := make([]Entry, 0, len(t))
	for _, e := range t {
		entries = append(entries, Entry{Name: e.Name, Dir: e.Mode == filemode.Dir, Hash: e.Hash.String()})
	}
	slices.SortFunc(entries, func(a, b Entry) int { return strings.Compare(a.Name, b.Name) })
	return entries, nil
}

func (s *Snapshot) folder(dir string) ([]object.TreeEntry, error) {
	e, err := s.find(dir)
	if err != nil {
		return nil, err
	}
	if e.Mode != filemode.Dir {
		return nil, &fs.PathError{Op: "readdir", Path: dir, Err: fmt.Errorf("not a folder: %w", fs.ErrInvalid)}
	}
	return s.objects.tree(e.Hash)
}

// Files reads all regular files below a folder, by path inside it, in one exchange with the remote at most.
func (s *Snapshot) Files(ctx context.Context, dir string) (map[string][]byte, error) {
	t, err := s.folder(dir)
	if err != nil {
		return nil, err
	}
	names := map[string]plumbing.Hash{}
	if err := s.collect("", t, names); err != nil {
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
		files[name] = contents[h]
	}
	return files, nil
}

func (s *Snapshot) collect(dir string, t []object.TreeEntry, into map[string]plumbing.Hash) error {
	for _, e := range t {
		name := path.Join(dir, e.Name)
		switch {
		case regular(e):
			into[name] = e.Hash
		case e.Mode == filemode.Dir:
			sub, err := s.objects.tree(e.Hash)
			if err != nil {
				return err
			}
			if err := s.collect(name, sub, into); err != nil {
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
// ("environments", 3) gives the environments. It reads only the folders that differ. A nil from is an empty repository.
func (s *Snapshot) Changed(from *Snapshot, dir string, depth int) ([]string, error) {
	if from == nil {
		from = &Snapshot{repository: s.repository, objects: s.objects}
	}
	var changed []string
	err := s.compare(from, dir, depth, &changed)
	slices.Sort(changed)
	return changed, err
}

func (s *Snapshot) compare(from *Snapshot, dir string, depth int, changed *[]string) error {
	before, err := from.find(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	after, err := s.find(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if before.Hash == after.Hash && before.Mode == after.Mode {
		return nil
	}
	if depth == 0 {
		*changed = append(*changed, dir)
		return nil
	}
	names := map[string]bool{}
	for o, e := range map[*Snapshot]object.TreeEntry{from: before, s: after} {
		if e.Mode != filemode.Dir {
			continue
		}
		t, err := o.objects.tree(e.Hash)
		if err != nil {
			return err
		}
		for _, e := range t {
			names[e.Name] = true
		}
	}
	for name := range names {
		if err := s.compare(from, path.Join(dir, name), depth-1, changed); err != nil {
			return err
		}
	}
	return nil
}
