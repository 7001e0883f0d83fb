package worker

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"

	"catalyst.dev/catalyst/render/manifest"
)

// Small files come with their folder's listing, up to these sizes.
const (
	smallFile   = 64 << 10
	smallFolder = 1 << 20
)

// server answers one render's requests for files within its budget. A Problem as error ends the render.
type server struct {
	sources  map[string]fs.FS
	limits   limits
	read     int64
	requests int
}

func (s *server) answer(r fileRequest) ([]byte, error) {
	if s.requests++; s.requests > maxRequests {
		return nil, &manifest.Problem{Message: fmt.Sprintf("rendering asks for more than %d files", maxRequests),
			Remedy: "point the template at a smaller folder"}
	}
	tree, ok := s.sources[r.Source]
	if !ok || !fs.ValidPath(r.Path) {
		return encodeAnswer(answer{Missing: true}, nil)
	}
	var (
		a    answer
		data [][]byte
		err  error
	)
	switch r.Op {
	case opStat:
		var i fs.FileInfo
		if i, err = fs.Stat(tree, r.Path); err == nil {
			a.Entries = []entry{{Name: i.Name(), Mode: i.Mode(), Size: i.Size(), Length: -1}}
		}
	case opDir:
		a.Entries, data, err = s.dir(tree, r.Path)
	case opRead:
		var content []byte
		if content, err = s.file(tree, r.Path); err == nil {
			a.Entries = []entry{{Name: path.Base(r.Path), Length: int64(len(content))}}
			data = [][]byte{content}
		}
	default:
		return nil, errProtocol
	}
	var p *manifest.Problem
	switch {
	case errors.As(err, &p):
		return nil, p
	case errors.Is(err, fs.ErrNotExist):
		a, data = answer{Missing: true}, nil
	case err != nil:
		a, data = answer{Error: clean(err.Error(), 4096)}, nil
	}
	return encodeAnswer(a, data)
}

// dir lists a folder, with the content of its small files while that is within bounds.
func (s *server) dir(tree fs.FS, name string) ([]entry, [][]byte, error) {
	listed, err := fs.ReadDir(tree, name)
	if err != nil {
		return nil, nil, err
	}
	var (
		entries = make([]entry, 0, len(listed))
		data    [][]byte
		sent    int64
	)
	for _, d := range listed {
		e := entry{Name: d.Name(), Mode: d.Type(), Length: -1}
		if i, err := d.Info(); err == nil {
			e.Mode, e.Size = i.Mode(), i.Size()
		}
		if e.Mode.IsRegular() && e.Size <= smallFile && sent+e.Size <= smallFolder && s.read+e.Size <= s.limits.source/2 {
			content, err := s.file(tree, path.Join(name, e.Name))
			if err == nil {
				e.Length = int64(len(content))
				sent += e.Length
				data = append(data, content)
			}
		}
		entries = append(entries, e)
	}
	return entries, data, nil
}

// file reads one whole, never more than a file may have.
func (s *server) file(tree fs.FS, name string) ([]byte, error) {
	f, err := tree.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // read only
	data, err := io.ReadAll(io.LimitReader(f, min(maxFile, s.limits.source-s.read)+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxFile {
		return nil, &manifest.Problem{File: name, Message: "the file is larger than " + size(maxFile),
			Remedy: "keep it out of the folders that the template reads"}
	}
	if s.read += int64(len(data)); s.read > s.limits.source {
		return nil, sourceProblem(s.limits)
	}
	return data, nil
}
