package repository

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"
)

const maxEntries = 50_000

// rawObject is a Git object as it goes into a pack.
type rawObject struct {
	hash plumbing.Hash
	kind plumbing.ObjectType
	data []byte
}

func newObject(kind plumbing.ObjectType, data []byte) rawObject {
	return rawObject{hash: plumbing.ComputeHash(kind, data), kind: kind, data: data}
}

type treeEntry struct {
	name string
	mode filemode.FileMode
	hash plumbing.Hash
}

func (e treeEntry) dir() bool { return e.mode == filemode.Dir }

// file tells regular files from links, submodules and folders.
func (e treeEntry) file() bool {
	return e.mode == filemode.Regular || e.mode == filemode.Executable || e.mode == filemode.Deprecated
}

// key orders entries as Git does: folders as if their names ended in a slash.
func (e treeEntry) key() string {
	if e.dir() {
		return e.name + "/"
	}
	return e.name
}

// tree is the entries of a folder in Git's order. It is shared and never changed.
type tree []treeEntry

func (t tree) find(name string) (treeEntry, bool) {
	for _, dir := range []filemode.FileMode{filemode.Regular, filemode.Dir} {
		want := treeEntry{name: name, mode: dir}.key()
		i, ok := slices.BinarySearchFunc(t, want, func(e treeEntry, k string) int { return cmp.Compare(e.key(), k) })
		if ok {
			return t[i], true
		}
	}
	return treeEntry{}, false
}

// decodeTree reads a tree object. Its order and names are checked, so that find is right and nothing hides.
func decodeTree(data []byte) (tree, error) {
	var t tree
	// One string for all names: a large repository holds many thousand of them.
	text := string(data)
	for at := 0; at < len(text); {
		space := strings.IndexByte(text[at:], ' ')
		if space < 1 {
			return nil, fmt.Errorf("tree entry %d: no mode", len(t))
		}
		mode, err := strconv.ParseUint(text[at:at+space], 8, 32)
		if err != nil {
			return nil, fmt.Errorf("tree entry %d: mode %q", len(t), text[at:at+space])
		}
		at += space + 1
		end := strings.IndexByte(text[at:], 0)
		if end < 1 || at+end+1+20 > len(text) {
			return nil, fmt.Errorf("tree entry %d: cut short", len(t))
		}
		e := treeEntry{name: text[at : at+end], mode: filemode.FileMode(mode)}
		at += end + 1
		copy(e.hash[:], data[at:at+20])
		at += 20
		if strings.Contains(e.name, "/") || e.name == "." || e.name == ".." {
			return nil, fmt.Errorf("tree entry %q: not a name", e.name)
		}
		if len(t) > 0 && t[len(t)-1].key() >= e.key() {
			return nil, fmt.Errorf("tree entry %q: out of order", e.name)
		}
		if t = append(t, e); len(t) > maxEntries {
			return nil, fmt.Errorf("tree with more than %d entries: %w", maxEntries, ErrTooLarge)
		}
	}
	return t, nil
}

func (t tree) encode() rawObject {
	var b bytes.Buffer
	for _, e := range t {
		b.WriteString(strconv.FormatUint(uint64(e.mode), 8))
		b.WriteByte(' ')
		b.WriteString(e.name)
		b.WriteByte(0)
		b.Write(e.hash[:])
	}
	return newObject(plumbing.TreeObject, b.Bytes())
}

// commitObject is what is kept of a commit.
type commitObject struct {
	hash      plumbing.Hash
	tree      plumbing.Hash
	parents   []plumbing.Hash
	author    Signature
	committer Signature
	when      time.Time
	message   string
}

func decodeCommit(o rawObject) (*commitObject, error) {
	mem := &plumbing.MemoryObject{}
	mem.SetType(plumbing.CommitObject)
	if _, err := mem.Write(o.data); err != nil {
		return nil, err
	}
	var c object.Commit
	if err := c.Decode(mem); err != nil {
		return nil, fmt.Errorf("decoding commit %s: %w", o.hash, err)
	}
	return &commitObject{
		hash: o.hash, tree: c.TreeHash, parents: c.ParentHashes,
		author:    Signature{Name: c.Author.Name, Email: c.Author.Email},
		committer: Signature{Name: c.Committer.Name, Email: c.Committer.Email},
		when:      c.Committer.When, message: c.Message,
	}, nil
}

// encodeCommit makes the object; hash is filled in.
func encodeCommit(c *commitObject) (rawObject, error) {
	signature := func(s Signature) object.Signature {
		return object.Signature{Name: identity(s.Name), Email: identity(s.Email), When: c.when}
	}
	message := strings.ReplaceAll(c.message, "\x00", "")
	if !strings.HasSuffix(message, "\n") {
		message += "\n"
	}
	gc := object.Commit{
		Author: signature(c.author), Committer: signature(c.committer),
		Message: message, TreeHash: c.tree, ParentHashes: c.parents,
	}
	mem := &plumbing.MemoryObject{}
	if err := gc.Encode(mem); err != nil {
		return rawObject{}, fmt.Errorf("encoding a commit: %w", err)
	}
	r, err := mem.Reader()
	if err != nil {
		return rawObject{}, err
	}
	data, err := io.ReadAll(r)
	if err != nil {
		return rawObject{}, err
	}
	o := newObject(plumbing.CommitObject, data)
	c.hash, c.message = o.hash, message
	return o, nil
}

// identity cleans a name or address; Git allows neither to be empty nor to hold brackets.
func identity(s string) string {
	s = strings.Trim(singleLine(strings.NewReplacer("<", "", ">", "").Replace(s)), " .,;:\"'\\")
	if s == "" {
		return "unknown"
	}
	return truncate(s, 200)
}
