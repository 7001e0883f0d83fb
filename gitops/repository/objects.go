package repository

import (
	"bytes"
	"fmt"
	"io"
	"sort"
	"sync"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/format/packfile"
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

// putTree keeps a tree and returns its hash; the zero hash for an empty one, as Git has no empty folders.
func (o *objects) putTree(entries []object.TreeEntry) (plumbing.Hash, error) {
	if len(entries) == 0 {
		return plumbing.ZeroHash, nil
	}
	t := object.Tree{Entries: entries}
	sort.Sort(object.TreeEntrySorter(t.Entries))
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
	for _, key := range []string{name, name + "/"} {
		i := sort.Search(len(entries), func(i int) bool { return sortName(entries[i]) >= key })
		if i < len(entries) && entries[i].Name == name {
			return i
		}
	}
	return -1
}

func sortName(e object.TreeEntry) string {
	if e.Mode == filemode.Dir {
		return e.Name + "/"
	}
	return e.Name
}

// set returns the tree with one entry put at a path, or removed when its hash is zero. Only the trees along the path are
// made anew.
func (o *objects) set(tree plumbing.Hash, parts []string, entry object.TreeEntry) (plumbing.Hash, error) {
	old, err := o.tree(tree)
	if err != nil {
		return plumbing.ZeroHash, err
	}
	i := indexOf(old, parts[0])
	if len(parts) > 1 {
		below := plumbing.ZeroHash
		if i >= 0 && old[i].Mode == filemode.Dir {
			below = old[i].Hash
		}
		h, err := o.set(below, parts[1:], entry)
		if err != nil {
			return plumbing.ZeroHash, err
		}
		entry = object.TreeEntry{Mode: filemode.Dir, Hash: h}
	}
	entry.Name = parts[0]
	entries := make([]object.TreeEntry, 0, len(old)+1)
	for j, e := range old {
		if j != i {
			entries = append(entries, e)
		}
	}
	if !entry.Hash.IsZero() {
		entries = append(entries, entry)
	}
	return o.putTree(entries)
}

// pack encodes the named objects.
func (o *objects) pack(hashes []plumbing.Hash) ([]byte, error) {
	s := memory.NewStorage()
	for _, h := range hashes {
		obj, ok := o.get(h)
		if !ok {
			return nil, fmt.Errorf("packing: object %s is missing", h)
		}
		if _, err := s.SetEncodedObject(obj); err != nil {
			return nil, fmt.Errorf("packing: %w", err)
		}
	}
	var b bytes.Buffer
	// No deltas: the objects are few and new, and the window would compare them with each other only.
	if _, err := packfile.NewEncoder(&b, s, false).Encode(hashes, 0); err != nil {
		return nil, fmt.Errorf("packing: %w", err)
	}
	return b.Bytes(), nil
}
