package source

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
)

const (
	maxLinks = 40  // symbolic links in one path
	maxBatch = 512 // files fetched ahead with one that is read
)

// Tree is the files of one commit. Contents that did not come with the commit are fetched when read, with their
// folder's. It is safe for concurrent use. Names that differ in case only are different files.
type Tree struct{ state *state }

var (
	_ fs.ReadDirFS  = (*Tree)(nil)
	_ fs.ReadFileFS = (*Tree)(nil)
	_ fs.StatFS     = (*Tree)(nil)
	_ fs.ReadLinkFS = (*Tree)(nil)
)

// Submodules lists the paths of submodules. They are not followed: opening one is a *SubmoduleError.
func (t *Tree) Submodules() []string {
	return t.state.submodules(t.state.folders[t.state.root], "")
}

// node is where a path leads after its links.
type node struct {
	entry entry
	path  string
	// parent holds the entry.
	parent *folder
}

// walk resolves a path. The last name is followed when it is a link only with follow.
func (t *Tree) walk(ctx context.Context, name string, follow bool) (node, error) {
	if !fs.ValidPath(name) {
		return node{}, fs.ErrInvalid
	}
	root := node{entry: entry{name: ".", mode: filemode.Dir, hash: t.state.root}, path: "."}
	stack := []node{root}
	rest := strings.Split(name, "/")
	for links := 0; len(rest) > 0; {
		part, here := rest[0], stack[len(stack)-1]
		rest = rest[1:]
		if !here.entry.isDir() {
			return node{}, fs.ErrNotExist
		}
		if part == "." || part == "" {
			continue
		}
		if part == ".." { // from a link: a valid path has none, and resolve keeps links inside
			if len(stack) == 1 { // a folder on the way was itself a link to higher up
				return node{}, &LinkError{Path: name, Target: "..", Reason: "leads out of the repository"}
			}
			stack = stack[:len(stack)-1]
			continue
		}
		dir := t.state.folders[here.entry.hash]
		e, ok := dir.find(part)
		if !ok {
			return node{}, fs.ErrNotExist
		}
		n := node{entry: e, path: path.Join(here.path, part), parent: dir}
		switch {
		case e.mode == filemode.Submodule:
			return node{}, &SubmoduleError{Path: n.path}
		case e.mode == filemode.Symlink && (follow || len(rest) > 0):
			target, err := t.target(ctx, n, len(stack)-1)
			if err != nil {
				return node{}, err
			}
			if links++; links > maxLinks {
				return node{}, &LinkError{Path: n.path, Target: target, Reason: fmt.Sprintf("is the %dth link in one path", links)}
			}
			rest = append(strings.Split(target, "/"), rest...)
		default:
			stack = append(stack, n)
		}
	}
	return stack[len(stack)-1], nil
}

// target reads a link, depth folders below the root, and refuses what leads out of the tree.
func (t *Tree) target(ctx context.Context, n node, depth int) (string, error) {
	data, err := t.content(ctx, n)
	if err != nil {
		return "", err
	}
	target := string(data)
	switch {
	case target == "" || len(target) > 4096 || strings.ContainsRune(target, 0):
		return "", &LinkError{Path: n.path, Target: target[:min(len(target), 80)], Reason: "is not a path"}
	case path.IsAbs(target):
		return "", &LinkError{Path: n.path, Target: target, Reason: "is absolute (use a relative link inside the repository)"}
	}
	for part := range strings.SplitSeq(target, "/") {
		switch part {
		case "", ".":
		case "..":
			depth--
		default:
			depth++
		}
		if depth < 0 {
			return "", &LinkError{Path: n.path, Target: target, Reason: "leads out of the repository"}
		}
	}
	return target, nil
}

// content reads a blob, and with it the missing ones of its folder.
func (t *Tree) content(ctx context.Context, n node) ([]byte, error) {
	o, err := t.blob(ctx, n)
	if err != nil {
		return nil, err
	}
	if o.size > t.state.limits.file {
		return nil, &LimitError{What: n.path, Limit: t.state.limits.file}
	}
	return o.data, nil
}

func (t *Tree) blob(ctx context.Context, n node) (object, error) {
	if _, ok := t.state.has(n.entry.hash); !ok {
		wants := append([]plumbing.Hash{n.entry.hash}, t.around(n.parent, path.Dir(n.path) != ".", maxBatch)...)
		if err := t.state.need(ctx, wants); err != nil {
			return object{}, err
		}
	}
	return t.state.object(ctx, n.entry.hash, plumbing.BlobObject)
}

// around lists the missing blobs of a folder, breadth first: deep also those of the folders below.
func (t *Tree) around(dir *folder, deep bool, most int) []plumbing.Hash {
	var wants []plumbing.Hash
	for queue := []*folder{dir}; len(queue) > 0 && len(wants) < most; queue = queue[1:] {
		for _, e := range queue[0].entries {
			switch {
			case e.isDir() && deep:
				queue = append(queue, t.state.folders[e.hash])
			case e.isDir() || e.mode == filemode.Submodule:
			default:
				if _, ok := t.state.has(e.hash); !ok && len(wants) < most {
					wants = append(wants, e.hash)
				}
			}
		}
	}
	return wants
}

// Prefetch fetches the contents of everything below a folder with one request.
func (t *Tree) Prefetch(ctx context.Context, name string) error {
	n, err := t.walk(ctx, name, true)
	if err == nil && !n.entry.isDir() {
		err = fmt.Errorf("not a folder")
	}
	if err == nil {
		err = t.state.need(ctx, t.around(t.state.folders[n.entry.hash], true, int(t.state.limits.entries)))
	}
	return pathError("prefetch", name, err)
}

// deadline bounds the fetches that io/fs gives no context for.
func (t *Tree) deadline() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), t.state.timeout)
}

func pathError(op, name string, err error) error {
	if err == nil {
		return nil
	}
	return &fs.PathError{Op: op, Path: name, Err: err}
}

// Open opens a file or folder, following links inside the tree.
func (t *Tree) Open(name string) (fs.File, error) {
	ctx, cancel := t.deadline()
	defer cancel()
	n, err := t.walk(ctx, name, true)
	if err != nil {
		return nil, pathError("open", name, err)
	}
	if n.entry.isDir() {
		entries, err := t.ReadDir(name)
		return &openDir{info: fileInfo{node: n, name: path.Base(name)}, path: name, entries: entries}, err
	}
	data, err := t.file(ctx, n)
	if err != nil {
		return nil, pathError("open", name, err)
	}
	return &openFile{Reader: bytes.NewReader(data), info: fileInfo{node: n, name: path.Base(name), size: int64(len(data))}}, nil
}

// file reads a regular file's content, which a Git LFS pointer is not.
func (t *Tree) file(ctx context.Context, n node) ([]byte, error) {
	data, err := t.content(ctx, n)
	if err == nil && len(data) < 1024 && bytes.HasPrefix(data, []byte("version https://git-lfs.github.com/spec/")) {
		err = &LFSError{Path: n.path}
	}
	return data, err
}

// ReadFile reads a file.
func (t *Tree) ReadFile(name string) ([]byte, error) {
	ctx, cancel := t.deadline()
	defer cancel()
	n, err := t.walk(ctx, name, true)
	if err == nil && n.entry.isDir() {
		err = fmt.Errorf("is a folder")
	}
	if err != nil {
		return nil, pathError("read", name, err)
	}
	data, err := t.file(ctx, n)
	return bytes.Clone(data), pathError("read", name, err)
}

// ReadDir lists a folder by name. Links are listed as links, submodules as irregular files.
func (t *Tree) ReadDir(name string) ([]fs.DirEntry, error) {
	ctx, cancel := t.deadline()
	defer cancel()
	n, err := t.walk(ctx, name, true)
	if err == nil && !n.entry.isDir() {
		err = fmt.Errorf("is not a folder")
	}
	if err != nil {
		return nil, pathError("readdir", name, err)
	}
	dir := t.state.folders[n.entry.hash]
	entries := make([]fs.DirEntry, 0, len(dir.entries))
	for _, e := range dir.entries {
		entries = append(entries, &dirEntry{tree: t, node: node{entry: e, path: path.Join(n.path, e.name), parent: dir}})
	}
	return entries, nil
}

// Stat describes what a path leads to.
func (t *Tree) Stat(name string) (fs.FileInfo, error) { return t.stat("stat", name, true) }

// Lstat describes a path without following its last name.
func (t *Tree) Lstat(name string) (fs.FileInfo, error) { return t.stat("lstat", name, false) }

func (t *Tree) stat(op, name string, follow bool) (fs.FileInfo, error) {
	ctx, cancel := t.deadline()
	defer cancel()
	n, err := t.walk(ctx, name, follow)
	if err != nil {
		return nil, pathError(op, name, err)
	}
	info, err := t.info(ctx, n, path.Base(name))
	if err != nil {
		return nil, pathError(op, name, err)
	}
	return info, nil
}

func (t *Tree) info(ctx context.Context, n node, name string) (fs.FileInfo, error) {
	info := fileInfo{node: n, name: name}
	if n.entry.isDir() || n.entry.mode == filemode.Submodule {
		return info, nil
	}
	o, err := t.blob(ctx, n)
	info.size = o.size
	return info, err
}

// ReadLink returns what a link points to.
func (t *Tree) ReadLink(name string) (string, error) {
	ctx, cancel := t.deadline()
	defer cancel()
	n, err := t.walk(ctx, name, false)
	if err == nil && n.entry.mode != filemode.Symlink {
		err = fs.ErrInvalid
	}
	if err != nil {
		return "", pathError("readlink", name, err)
	}
	data, err := t.content(ctx, n)
	return string(data), pathError("readlink", name, err)
}

type fileInfo struct {
	node node
	name string
	size int64
}

func (i fileInfo) Name() string       { return i.name }
func (i fileInfo) Size() int64        { return i.size }
func (i fileInfo) Mode() fs.FileMode  { return i.node.entry.fsMode() }
func (i fileInfo) ModTime() time.Time { return time.Time{} } // Git keeps none
func (i fileInfo) IsDir() bool        { return i.node.entry.isDir() }
func (i fileInfo) Sys() any           { return nil }

type dirEntry struct {
	tree *Tree
	node node
}

func (d *dirEntry) Name() string      { return d.node.entry.name }
func (d *dirEntry) IsDir() bool       { return d.node.entry.isDir() }
func (d *dirEntry) Type() fs.FileMode { return d.node.entry.fsMode().Type() }
func (d *dirEntry) String() string    { return fs.FormatDirEntry(d) }

// Info fetches the file if need be: Git knows a size only with the content.
func (d *dirEntry) Info() (fs.FileInfo, error) {
	ctx, cancel := d.tree.deadline()
	defer cancel()
	return d.tree.info(ctx, d.node, d.node.entry.name)
}

type openFile struct {
	*bytes.Reader
	info fileInfo
}

func (f *openFile) Stat() (fs.FileInfo, error) { return f.info, nil }
func (f *openFile) Close() error               { return nil }

type openDir struct {
	info    fileInfo
	path    string
	entries []fs.DirEntry
}

func (d *openDir) Stat() (fs.FileInfo, error) { return d.info, nil }
func (d *openDir) Close() error               { return nil }
func (d *openDir) Read([]byte) (int, error) {
	return 0, pathError("read", d.path, fmt.Errorf("is a folder"))
}

// ReadDir hands out the next n entries.
func (d *openDir) ReadDir(n int) ([]fs.DirEntry, error) {
	if n > 0 && len(d.entries) == 0 {
		return nil, io.EOF
	}
	if n <= 0 || n > len(d.entries) {
		n = len(d.entries)
	}
	out := d.entries[:n:n]
	d.entries = d.entries[n:]
	return out, nil
}
