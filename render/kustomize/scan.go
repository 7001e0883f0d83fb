package kustomize

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"

	"sigs.k8s.io/kustomize/api/konfig"
	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/kustomize/kyaml/filesys"

	"catalyst.dev/catalyst/render/manifest"
)

// maxVisits of kustomizations: the library builds a base again each time it is named.
const maxVisits = 256

// scan copies what a kustomization reaches from the tree into memory, and checks it on the way.
type scan struct {
	source fs.FS
	memory filesys.FileSystem
	open   []string
	visits int
	copied map[string][]byte
	// schema says that a kustomization brings an OpenAPI schema of its own.
	schema bool
}

func newScan(source fs.FS) *scan {
	return &scan{source: source, memory: filesys.MakeFsInMemory(), copied: map[string][]byte{}}
}

// folder scans the kustomization of a folder and all that it names.
func (s *scan) folder(ctx context.Context, dir string) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("scanning kustomization %s: %w", dir, err)
	}
	if i := slices.Index(s.open, dir); i >= 0 {
		return &manifest.Problem{File: dir, Message: "kustomizations name each other in a circle: " +
			strings.Join(append(slices.Clone(s.open[i:]), dir), " → "), Remedy: "remove one of the references"}
	}
	if s.visits++; s.visits > maxVisits {
		return &manifest.Problem{File: dir, Message: fmt.Sprintf("more than %d kustomizations are built, repetitions counted", maxVisits),
			Remedy: "name each base once"}
	}
	s.open = append(s.open, dir)
	defer func() { s.open = s.open[:len(s.open)-1] }()
	name, content, err := s.kustomization(dir)
	if err != nil {
		return err
	}
	var k types.Kustomization
	if err := k.Unmarshal(content); err != nil { // as the library reads it, whatever the keys' case
		return &manifest.Problem{File: name, Message: strings.Join(strings.Fields(err.Error()), " "), Remedy: "correct the kustomization"}
	}
	if err := refused(name, &k); err != nil {
		return err
	}
	s.schema = s.schema || len(k.OpenAPI) > 0
	for _, ref := range references(&k) {
		if err := s.reference(ctx, name, dir, ref); err != nil {
			return err
		}
	}
	return nil
}

// kustomization finds and copies a folder's kustomization.
func (s *scan) kustomization(dir string) (name string, content []byte, err error) {
	for _, base := range konfig.RecognizedKustomizationFileNames() {
		candidate := path.Join(dir, base)
		if info, err := fs.Stat(s.source, candidate); err != nil || info.IsDir() {
			continue
		}
		if name != "" {
			return "", nil, &manifest.Problem{File: dir, Message: "there are two kustomizations in this folder", Remedy: "keep one of them"}
		}
		name = candidate
	}
	if name == "" {
		return "", nil, &manifest.Problem{File: dir, Message: "there is no kustomization.yaml in this folder",
			Remedy: "add one, or name the folder that has it"}
	}
	content, err = s.copy(name, true)
	return name, content, err
}

func (s *scan) reference(ctx context.Context, name, dir string, ref reference) error {
	if inline(ref) {
		if remoteStart.MatchString(ref.value) { // what does not parse as YAML is tried as a path
			return &manifest.Problem{File: name, Field: ref.field, Message: "the text begins like a remote path",
				Remedy: "write the YAML alone"}
		}
		if ref.form == plugin {
			return s.plugin(ctx, place{name, ref.field, dir}, []byte(ref.value))
		}
		return locate(name, manifest.CheckYAML(name, []byte(ref.value)))
	}
	clean, err := checkPath(ref.field, dir, ref.value, ref.form != data)
	if err != nil {
		return locate(name, err)
	}
	info, err := fs.Stat(s.source, clean)
	if err != nil {
		message := fmt.Sprintf("reading %s: %v", clean, err)
		if errors.Is(err, fs.ErrNotExist) {
			message = fmt.Sprintf("%s does not exist in the source", clean)
		}
		return &manifest.Problem{File: name, Field: ref.field, Message: message, Remedy: "commit the file, or correct the path"}
	}
	isFolder := ref.form == folder || ref.form == fileOrFolder
	switch {
	case info.IsDir() && isFolder:
		return s.folder(ctx, clean)
	case info.IsDir() || ref.form == folder:
		return &manifest.Problem{File: name, Field: ref.field, Message: fmt.Sprintf("%s is the wrong kind: a %s is wanted", clean, want(ref.form)),
			Remedy: "correct the path"}
	}
	content, err := s.copy(clean, ref.form != data)
	if err != nil {
		return err
	}
	if ref.form == plugin {
		return s.plugin(ctx, place{clean, "", dir}, content)
	}
	return nil
}

func want(f form) string {
	if f == folder {
		return "folder"
	}
	return "file"
}

// remoteStart is how everything begins that the library takes for a repository or an address.
var remoteStart = regexp.MustCompile(`(?i)^\s*(git::|gh:|[a-z0-9._-]*@|[a-z]+:/|(ssh|https?|file|git):|(www\.)?github\.com)`)

// inline tells YAML that stands in the kustomization from a path: a path has one line and no key.
func inline(ref reference) bool {
	return (ref.form == plugin || ref.form == patch) && strings.Contains(strings.TrimSpace(ref.value), "\n")
}

// copy puts a file into memory.
func (s *scan) copy(name string, isYAML bool) ([]byte, error) {
	content, ok := s.copied[name]
	if !ok {
		var err error
		if content, err = fs.ReadFile(s.source, name); err != nil {
			return nil, &manifest.Problem{File: name, Message: "reading: " + err.Error(), Remedy: "commit the file"}
		}
		if err := s.memory.WriteFile(sourceRoot+"/"+name, content); err != nil {
			return nil, fmt.Errorf("copying %s: %w", name, err)
		}
		s.copied[name] = content
	}
	if isYAML {
		return content, manifest.CheckYAML(name, content)
	}
	return content, nil
}

// locate adds the file to a problem that lacks it.
func locate(name string, err error) error {
	var p *manifest.Problem
	if errors.As(err, &p) && p.File == "" {
		p.File = name
	}
	return err
}
