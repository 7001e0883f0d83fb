package repository

import (
	"errors"
	"maps"
	"path"
	"slices"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"
)

// Edit is what a change does to the tree.
type Edit struct {
	// Message of the commit; Change.Message when empty.
	Message string
	// Replace holds whole folders by path: what they hold now goes. A nil content removes the folder.
	Replace map[string]map[string][]byte
	// Put holds single files by path.
	Put map[string][]byte
	// Delete lists single files; one that does not exist is no error.
	Delete []string
}

// editor writes an Edit as objects.
type editor struct {
	objects *objects
	// created are the blobs and trees that the old tree has not got in their place, in no order.
	created []plumbing.Hash
}

// change of one entry of a folder: a file put there, a folder emptied, and what changes below it. The zero change deletes.
type change struct {
	file plumbing.Hash
	// kept says that a folder's other entries stay.
	kept  bool
	below map[string]*change
}

// apply returns the tree with the edit done. Every folder is written once, however much changes in it.
func (e *editor) apply(tree plumbing.Hash, edit Edit) (plumbing.Hash, error) {
	root := &change{kept: true}
	for _, dir := range slices.Sorted(maps.Keys(edit.Replace)) {
		at, err := root.descend(dir)
		if err != nil {
			return plumbing.ZeroHash, err
		}
		*at = change{}
		if err := e.put(at, edit.Replace[dir]); err != nil {
			return plumbing.ZeroHash, err
		}
	}
	for _, file := range edit.Delete {
		at, err := root.descend(file)
		if err != nil {
			return plumbing.ZeroHash, err
		}
		*at = change{}
	}
	if err := e.put(root, edit.Put); err != nil {
		return plumbing.ZeroHash, err
	}
	return e.write(tree, root)
}

// put makes blobs of files and puts them below a folder.
func (e *editor) put(dir *change, files map[string][]byte) error {
	for _, name := range slices.Sorted(maps.Keys(files)) {
		at, err := dir.descend(path.Clean(name))
		if err != nil {
			return err
		}
		h, err := e.objects.blob(files[name])
		if err != nil {
			return err
		}
		*at = change{file: h}
	}
	return nil
}

// descend returns the change at a path, making those above it. Below a folder that is replaced nothing is kept.
func (c *change) descend(p string) (*change, error) {
	parts, err := split(p)
	if err != nil {
		return nil, err
	}
	if len(parts) == 0 {
		return nil, errors.New("the root cannot be replaced")
	}
	for _, part := range parts {
		next := c.below[part]
		if next == nil {
			next = &change{kept: c.kept}
			if c.below == nil {
				c.below = map[string]*change{}
			}
			c.below[part] = next
		}
		next.file = plumbing.ZeroHash
		c = next
	}
	return c, nil
}

// write returns the tree that a change makes of an old one: the zero hash when nothing is left, as Git has no empty folders.
func (e *editor) write(old plumbing.Hash, c *change) (plumbing.Hash, error) {
	before, err := e.objects.tree(old)
	if err != nil {
		return plumbing.ZeroHash, err
	}
	var kept, changed []object.TreeEntry
	if c.kept {
		kept = make([]object.TreeEntry, 0, len(before)+len(c.below))
		for _, entry := range before {
			if c.below[entry.Name] == nil {
				kept = append(kept, entry)
			}
		}
	}
	for name, below := range c.below {
		entry, err := e.entry(before, name, below)
		if err != nil {
			return plumbing.ZeroHash, err
		}
		if !entry.Hash.IsZero() {
			changed = append(changed, entry)
		}
	}
	h, err := e.objects.putTree(merge(kept, changed))
	if h != old && !h.IsZero() {
		e.created = append(e.created, h)
	}
	return h, err
}

// entry is what a change makes of one entry of a folder.
func (e *editor) entry(before []object.TreeEntry, name string, c *change) (object.TreeEntry, error) {
	var old object.TreeEntry
	if i := indexOf(before, name); i >= 0 {
		old = before[i]
	}
	if !c.file.IsZero() {
		if old.Hash != c.file {
			e.created = append(e.created, c.file)
		}
		return object.TreeEntry{Name: name, Mode: filemode.Regular, Hash: c.file}, nil
	}
	if old.Mode != filemode.Dir {
		if c.kept && !c.puts() {
			return old, nil // a file, or nothing: there is nothing below it to delete
		}
		old.Hash = plumbing.ZeroHash
	}
	h, err := e.write(old.Hash, c)
	return object.TreeEntry{Name: name, Mode: filemode.Dir, Hash: h}, err
}

// puts reports whether a change puts a file.
func (c *change) puts() bool {
	if !c.file.IsZero() {
		return true
	}
	for _, below := range c.below {
		if below.puts() {
			return true
		}
	}
	return false
}

// merge joins the entries that stay, which are in Git's order, and those that changed.
func merge(kept, changed []object.TreeEntry) []object.TreeEntry {
	slices.SortFunc(changed, compareEntries)
	all := make([]object.TreeEntry, 0, len(kept)+len(changed))
	for len(kept) > 0 && len(changed) > 0 {
		from := &kept
		if compareEntries(kept[0], changed[0]) > 0 {
			from = &changed
		}
		all = append(all, (*from)[0])
		*from = (*from)[1:]
	}
	return append(append(all, kept...), changed...)
}
