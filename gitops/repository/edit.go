package repository

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
)

// Edit is what a change does to one tip.
type Edit struct {
	// Message overrides the change's, when not empty.
	Message string
	// Replace gives folders their whole content, by path inside them: files that are not named go. A nil or empty
	// content deletes the folder.
	Replace map[string]map[string][]byte
	// Put writes single files.
	Put map[string][]byte
	// Delete removes single files or whole folders; one that is not there is no error.
	Delete []string
}

func notExist(err error) bool { return errors.Is(err, fs.ErrNotExist) }

// node is an edit as a tree.
type node struct {
	replace  bool
	content  []byte
	file     bool
	remove   bool
	children map[string]*node
}

// at gives the node of a path, making those on the way.
func (n *node) at(file string) (*node, error) {
	if err := checkPath(file); err != nil {
		return nil, err
	}
	names, _ := parts(file)
	for _, name := range names {
		if n.file || n.remove {
			return nil, fmt.Errorf("%w %q: below a path that is itself edited", ErrInvalidPath, file)
		}
		if n.children == nil {
			n.children = map[string]*node{}
		}
		if n.children[name] == nil {
			n.children[name] = &node{}
		}
		n = n.children[name]
	}
	return n, nil
}

// leaf gives the untouched node of a path.
func (n *node) leaf(file string) (*node, error) {
	at, err := n.at(file)
	if err != nil {
		return nil, err
	}
	if at.file || at.remove || at.replace || len(at.children) > 0 {
		return nil, fmt.Errorf("%w %q: edited twice", ErrInvalidPath, file)
	}
	return at, nil
}

func (e Edit) tree(maxFile int64) (*node, error) {
	root := &node{}
	put := func(file string, data []byte) error {
		if int64(len(data)) > maxFile {
			return fmt.Errorf("writing %s: %d bytes: %w", file, len(data), ErrTooLarge)
		}
		n, err := root.leaf(file)
		if err == nil {
			n.file, n.content = true, data
		}
		return err
	}
	for _, dir := range slices.Sorted(maps.Keys(e.Replace)) {
		n, err := root.leaf(dir)
		if err != nil {
			return nil, err
		}
		n.replace = true
		files := e.Replace[dir]
		for _, name := range slices.Sorted(maps.Keys(files)) {
			// Checked alone too: joined, a name with .. could leave the folder.
			if err := checkPath(name); err != nil {
				return nil, err
			}
			if err := put(path.Join(dir, name), files[name]); err != nil {
				return nil, err
			}
		}
	}
	for _, file := range slices.Sorted(maps.Keys(e.Put)) {
		if err := put(file, e.Put[file]); err != nil {
			return nil, err
		}
	}
	for _, file := range e.Delete {
		n, err := root.leaf(file)
		if err != nil {
			return nil, err
		}
		n.remove = true
	}
	return root, nil
}

// overlay holds new objects in the order in which they were made.
type overlay struct {
	objects []rawObject
	known   map[plumbing.Hash]bool
	trees   map[plumbing.Hash]tree
	blobs   map[plumbing.Hash][]byte
}

func newOverlay() *overlay {
	return &overlay{known: map[plumbing.Hash]bool{}, trees: map[plumbing.Hash]tree{}, blobs: map[plumbing.Hash][]byte{}}
}

func (o *overlay) add(object rawObject) {
	if !o.known[object.hash] {
		o.known[object.hash] = true
		o.objects = append(o.objects, object)
	}
}

// editor rewrites the trees on the changed paths, and no others.
type editor struct {
	on  *Snapshot
	new *overlay
}

// apply rewrites one folder: its new hash, or the zero hash when nothing is left in it.
func (d editor) apply(ctx context.Context, dir string, was plumbing.Hash, n *node) (plumbing.Hash, error) {
	before, err := d.on.tree(ctx, was)
	if err != nil {
		return plumbing.ZeroHash, err
	}
	entries := map[string]treeEntry{}
	if !n.replace {
		for _, e := range before {
			entries[e.name] = e
		}
	}
	for _, name := range slices.Sorted(maps.Keys(n.children)) {
		old, existed := before.find(name)
		e, err := d.child(ctx, path.Join(dir, name), old, existed, n.children[name])
		if err != nil {
			return plumbing.ZeroHash, err
		}
		delete(entries, name)
		if !e.hash.IsZero() {
			e.name = name
			entries[name] = e
		}
	}
	if len(entries) == 0 {
		return plumbing.ZeroHash, nil
	}
	after := tree(slices.SortedFunc(maps.Values(entries), func(a, b treeEntry) int {
		if a.key() < b.key() {
			return -1
		}
		return 1
	}))
	o := after.encode()
	if o.hash != was {
		d.new.add(o)
		d.new.trees[o.hash] = after
	}
	return o.hash, nil
}

// child is the entry that an edit makes of an old one; one without a hash is removed.
func (d editor) child(ctx context.Context, file string, old treeEntry, existed bool, n *node) (treeEntry, error) {
	switch {
	case n.remove:
		return treeEntry{}, nil
	case n.file:
		if existed && old.dir() && !n.replace {
			return treeEntry{}, fmt.Errorf("%w %q: a folder of that name is there", ErrInvalidPath, file)
		}
		o := newObject(plumbing.BlobObject, n.content)
		if existed && old.file() && o.hash == old.hash {
			return old, nil
		}
		d.new.add(o)
		d.new.blobs[o.hash] = o.data
		return treeEntry{mode: filemode.Regular, hash: o.hash}, nil
	}
	was := plumbing.ZeroHash
	if existed && old.dir() {
		was = old.hash
	} else if existed {
		// A file where a folder must be: deletions below it have nothing to do, anything else would lose it.
		if !n.writes() {
			return old, nil
		}
		return treeEntry{}, fmt.Errorf("%w %q: a file of that name is there", ErrInvalidPath, file)
	}
	h, err := d.apply(ctx, file, was, n)
	return treeEntry{mode: filemode.Dir, hash: h}, err
}

func (n *node) writes() bool {
	if n.file {
		return true
	}
	for _, c := range n.children {
		if c.writes() {
			return true
		}
	}
	return false
}
