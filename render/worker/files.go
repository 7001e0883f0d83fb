package worker

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"
)

// exchange asks the parent and returns its answer.
type exchange func(fileRequest) (answer, [][]byte, error)

// tree is a source in the child. Folders come whole, with their small files, and stay for the render.
type tree struct {
	source  string
	ask     exchange
	folders map[string]*folder
	files   map[string][]byte
}

type folder struct {
	entries map[string]entry
	order   []fs.DirEntry
	err     error
}

var (
	_ fs.ReadDirFS  = (*tree)(nil)
	_ fs.StatFS     = (*tree)(nil)
	_ fs.ReadFileFS = (*tree)(nil)
)

func newTree(source string, ask exchange) *tree {
	return &tree{source: source, ask: ask, folders: map[string]*folder{}, files: map[string][]byte{}}
}

// request sends one and turns what the parent says into an error.
func (t *tree) request(op fileOp, name string) (answer, [][]byte, error) {
	a, data, err := t.ask(fileRequest{Op: op, Source: t.source, Path: name})
	switch {
	case err != nil:
	case a.Missing:
		err = fs.ErrNotExist
	case a.Error != "":
		err = errors.New(a.Error)
	}
	if err != nil {
		return a, nil, &fs.PathError{Op: string(op), Path: name, Err: err}
	}
	return a, data, nil
}

func (t *tree) folder(name string) *folder {
	if f, ok := t.folders[name]; ok {
		return f
	}
	f := &folder{entries: map[string]entry{}}
	t.folders[name] = f
	a, data, err := t.request(opDir, name)
	if f.err = err; err != nil {
		return f
	}
	for i, e := range a.Entries {
		f.entries[e.Name] = e
		f.order = append(f.order, info{e})
		if data[i] != nil || e.Length == 0 {
			t.files[path.Join(name, e.Name)] = data[i]
		}
	}
	return f
}

// lookup finds an entry through its folder, so that the folder's other files come along.
func (t *tree) lookup(op, name string) (entry, error) {
	if !fs.ValidPath(name) {
		return entry{}, &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	if name == "." {
		return entry{Name: ".", Mode: fs.ModeDir | 0o755, Length: -1}, nil
	}
	dir, base := path.Split(name)
	dir = path.Clean(dir)
	if dir != "." {
		if parent, err := t.lookup(op, dir); err != nil {
			return entry{}, err
		} else if !parent.Mode.IsDir() {
			return entry{}, &fs.PathError{Op: op, Path: name, Err: fs.ErrNotExist}
		}
	}
	f := t.folder(dir)
	if f.err != nil {
		return entry{}, f.err
	}
	e, ok := f.entries[base]
	if !ok {
		return entry{}, &fs.PathError{Op: op, Path: name, Err: fs.ErrNotExist}
	}
	if e.Mode.IsRegular() || e.Mode.IsDir() {
		return e, nil
	}
	a, _, err := t.request(opStat, name) // a symlink: the parent's tree knows where it leads
	if err != nil {
		return entry{}, err
	}
	if len(a.Entries) != 1 {
		return entry{}, errProtocol
	}
	a.Entries[0].Name = base
	return a.Entries[0], nil
}

func (t *tree) Stat(name string) (fs.FileInfo, error) {
	e, err := t.lookup("stat", name)
	if err != nil {
		return nil, err
	}
	return info{e}, nil
}

func (t *tree) ReadDir(name string) ([]fs.DirEntry, error) {
	e, err := t.lookup("readdir", name)
	if err != nil {
		return nil, err
	}
	if !e.Mode.IsDir() {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: errors.New("not a directory")}
	}
	f := t.folder(name)
	return slices.Clone(f.order), f.err
}

// content of a file; the caller must not change it.
func (t *tree) content(name string) (entry, []byte, error) {
	e, err := t.lookup("open", name)
	if err != nil {
		return e, nil, err
	}
	if e.Mode.IsDir() {
		return e, nil, &fs.PathError{Op: "read", Path: name, Err: errors.New("is a directory")}
	}
	if data, ok := t.files[name]; ok {
		return e, data, nil
	}
	_, data, err := t.request(opRead, name)
	if err != nil {
		return e, nil, err
	}
	if len(data) != 1 {
		return e, nil, errProtocol
	}
	t.files[name] = data[0]
	return e, data[0], nil
}

func (t *tree) ReadFile(name string) ([]byte, error) {
	_, data, err := t.content(name)
	return slices.Clone(data), err
}

func (t *tree) Open(name string) (fs.File, error) {
	e, err := t.lookup("open", name)
	if err != nil {
		return nil, err
	}
	if e.Mode.IsDir() {
		entries, err := t.ReadDir(name)
		return &openDir{info{e}, entries}, err
	}
	e, data, err := t.content(name)
	if err != nil {
		return nil, err
	}
	return &openFile{info{e}, bytes.NewReader(data)}, nil
}

// info is an entry as fs.FileInfo and fs.DirEntry.
type info struct{ e entry }

func (i info) Name() string               { return i.e.Name }
func (i info) Size() int64                { return i.e.Size }
func (i info) Mode() fs.FileMode          { return i.e.Mode }
func (i info) Type() fs.FileMode          { return i.e.Mode.Type() }
func (i info) ModTime() time.Time         { return time.Time{} }
func (i info) IsDir() bool                { return i.e.Mode.IsDir() }
func (i info) Sys() any                   { return nil }
func (i info) Info() (fs.FileInfo, error) { return i, nil }

type openFile struct {
	info
	*bytes.Reader
}

func (f *openFile) Size() int64                { return f.info.Size() }
func (f *openFile) Stat() (fs.FileInfo, error) { return f.info, nil }
func (f *openFile) Close() error               { return nil }

type openDir struct {
	info
	rest []fs.DirEntry
}

func (d *openDir) Stat() (fs.FileInfo, error) { return d.info, nil }
func (d *openDir) Close() error               { return nil }
func (d *openDir) Read([]byte) (int, error) {
	return 0, &fs.PathError{Op: "read", Path: strings.Clone(d.Name()), Err: errors.New("is a directory")}
}

func (d *openDir) ReadDir(n int) ([]fs.DirEntry, error) {
	if n <= 0 {
		n = len(d.rest)
	} else if len(d.rest) == 0 {
		return nil, io.EOF
	}
	n = min(n, len(d.rest))
	out := d.rest[:n]
	d.rest = d.rest[n:]
	return out, nil
}
