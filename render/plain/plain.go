// Package plain provides the template type manifest: files and folders of Kubernetes YAML or JSON as they are.
package plain

import (
	"context"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"catalyst.dev/catalyst/render/manifest"
)

// Input is all that a render of plain manifests depends on.
type Input struct {
	// Source is the tree.
	Source fs.FS
	// Path of a file or folder in it, in fs.FS form.
	Path string
	// Report takes the files that were skipped.
	Report *manifest.Report
}

// Render reads the manifests at the path: one file, or a folder's .yaml, .yml and .json files at every depth in
// the order of their paths. Bad input gives *manifest.Problem.
func Render(ctx context.Context, in Input) ([]*unstructured.Unstructured, error) {
	info, err := fs.Stat(in.Source, in.Path)
	if err != nil {
		return nil, &manifest.Problem{File: in.Path, Field: "path", Message: "there is no such file or folder in the source",
			Remedy: "correct the template's path"}
	}
	if !info.IsDir() {
		return readFile(in.Source, in.Path)
	}
	var objs []*unstructured.Unstructured
	found := false
	err = fs.WalkDir(in.Source, in.Path, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return fmt.Errorf("reading %s: %w", name, err)
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if entry.IsDir() {
			return nil
		}
		if !isManifest(name) {
			in.skip(name)
			return nil
		}
		found = true
		more, err := readFile(in.Source, name)
		objs = append(objs, more...)
		return err
	})
	if err == nil && !found {
		err = &manifest.Problem{File: in.Path, Field: "path", Message: "the folder holds no .yaml, .yml or .json file",
			Remedy: "correct the template's path"}
	}
	return objs, err
}

func (in Input) skip(name string) {
	if in.Report != nil {
		in.Report.Add(manifest.Finding{File: name, Verdict: manifest.Ignored, Reason: "not a .yaml, .yml or .json file"})
	}
}

func isManifest(name string) bool {
	switch strings.ToLower(path.Ext(name)) {
	case ".yaml", ".yml", ".json":
		return true
	}
	return false
}

func readFile(source fs.FS, name string) ([]*unstructured.Unstructured, error) {
	data, err := fs.ReadFile(source, name)
	if err != nil {
		return nil, &manifest.Problem{File: name, Message: "the file cannot be read: " + err.Error(),
			Remedy: "replace links and submodules by files"}
	}
	return manifest.Decode(name, data)
}
