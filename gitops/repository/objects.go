package repository

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/storage/memory"
)

// objects is the part of the object database that is known here, decoded once. It may be dropped at any time: the remote
// has it all. It is safe for concurrent use.
type objects struct {
	mu      sync.RWMutex
	raw     map[plumbing.Hash]plumbing.EncodedObject
	trees   map[plumbing.Hash][]object.TreeEntry
	commits map[plumbing.Hash]*object.Commit
	size    int64
}

func newObjects() *objects {
	return &objects{
		raw:     map[plumbing.Hash]plumbing.EncodedObject{},
		trees:   map[plumbing.Hash][]object.TreeEntry{},
		commits: map[plumbing.Hash]*object.Commit{},
	}
}

// put keeps an object and returns its hash.
func (o *objects) put(obj plumbing.EncodedObject) plumbing.Hash {
	h := obj.Hash()
	o.mu.Lock()
	defer o.mu.Unlock()
	if _, known := o.raw[h]; !known {
		o.raw[h] = obj
		o.size += obj.Size()
	}
	return h
}

func (o *objects) get(h plumbing.Hash) (plumbing.EncodedObject, bool) {
	o.mu.RLock()
	defer o.mu.RUnlock()
	obj, ok := o.raw[h]
	return obj, ok
}

func (o *objects) bytes() int64 {
	o.mu.RLock()
	defer o.mu.RUnlock()
	return o.size
}

// putAll keeps all of a pack.
func (o *objects) putAll(pack *memory.Storage) {
	for _, obj := range pack.Objects {
		o.put(obj)
	}
}

// blob keeps content as a blob.
func (o *objects) blob(content []byte) (plumbing.Hash, error) {
	obj := &plumbing.MemoryObject{}
	obj.SetType(plumbing.BlobObject)
	if _, err := obj.Write(content); err != nil {
		return plumbing.ZeroHash, fmt.Errorf("making a blob: %w", err)
	}
	return o.put(obj), nil
}

// read returns an object's content.
func (o *objects) read(h plumbing.Hash) ([]byte, bool, error) {
	obj, ok := o.get(h)
	if !ok {
		return nil, false, nil
	}
	r, err := obj.Reader()
	if err != nil {
		return nil, true, fmt.Errorf("reading object %s: %w", h, err)
	}
	data, err := io.ReadAll(r)
	if err != nil {
		return nil, true, fmt.Errorf("reading object %s: %w", h, err)
	}
	return data, true, nil
}

// tree decodes a tree. The entries are shared: callers copy before they change them. The zero hash is the empty tree.
func (o *objects) tree(h plumbing.Hash) ([]object.TreeEntry, error) {
	if h.IsZero() {
		return nil, nil
	}
	o.mu.RLock()
	entries, known := o.trees[h]
	obj, ok := o.raw[h]
	o.mu.RUnlock()
	if known {
		return entries, nil
	}
	if !ok || obj.Type() != plumbing.TreeObject {
		return nil, fmt.Errorf("tree %s is not in the repository", h)
	}
	var t object.Tree
	if err := t.Decode(obj); err != nil {
		return nil, fmt.Errorf("decoding tree %s: %w", h, err)
	}
	o.mu.Lock()
	o.trees[h] = t.Entries
	o.mu.Unlock()
	return t.Entries, nil
}

// putTree keeps a tree, whose entries are in Git's order, and returns its hash; the zero hash for an empty one, as Git has no
// empty folders.
func (o *objects) putTree(entries []object.TreeEntry) (plumbing.Hash, error) {
	if len(entries) == 0 {
		return plumbing.ZeroHash, nil
	}
	t := object.Tree{Entries: entries}
	obj := &plumbing.MemoryObject{}
	if err := t.Encode(obj); err != nil {
		return plumbing.ZeroHash, fmt.Errorf("encoding a tree: %w", err)
	}
	h := o.put(obj)
	o.mu.Lock()
	o.trees[h] = t.Entries
	o.mu.Unlock()
	return h, nil
}

// commit decodes a commit.
func (o *objects) commit(h plumbing.Hash) (*object.Commit, bool, error) {
	o.mu.RLock()
	c, known := o.commits[h]
	obj, ok := o.raw[h]
	o.mu.RUnlock()
	if known || !ok {
		return c, known, nil
	}
	c = &object.Commit{}
	if err := c.Decode(obj); err != nil {
		return nil, false, fmt.Errorf("decoding commit %s: %w", h, err)
	}
	o.mu.Lock()
	o.commits[h] = c
	o.mu.Unlock()
	return c, true, nil
}

// find walks a path from a tree.
func (o *objects) find(tree plumbing.Hash, parts []string) (object.TreeEntry, bool, error) {
	at := object.TreeEntry{Mode: filemode.Dir, Hash: tree}
	for _, part := range parts {
		if at.Mode != filemode.Dir {
			return object.TreeEntry{}, false, nil
		}
		entries, err := o.tree(at.Hash)
		if err != nil {
			return object.TreeEntry{}, false, err
		}
		i := indexOf(entries, part)
		if i < 0 {
			return object.TreeEntry{}, false, nil
		}
		at = entries[i]
	}
	return at, true, nil
}

// indexOf finds a name among a tree's entries, -1 when it is not there. Git sorts folders as if their names ended in a
// slash, so a name has two places to be looked for.
func indexOf(entries []object.TreeEntry, name string) int {
	for _, mode := range []filemode.FileMode{filemode.Regular, filemode.Dir} {
		i, _ := slices.BinarySearchFunc(entries, object.TreeEntry{Name: name, Mode: mode}, compareEntries)
		if i < len(entries) && entries[i].Name == name {
			return i
		}
	}
	return -1
}

// compareEntries is Git's order of a tree.
func compareEntries(a, b object.TreeEntry) int {
	n := min(len(a.Name), len(b.Name))
	if c := strings.Compare(a.Name[:n], b.Name[:n]); c != 0 {
		return c
	}
	return int(following(a, n)) - int(following(b, n))
}

// following is the byte of an entry's name as it is sorted, 0 behind its end.
func following(e object.TreeEntry, at int) byte {
	switch {
	case at < len(e.Name):
		return e.Name[at]
	case e.Mode == filemode.Dir:
		return '/'
	}
	return 0
}
