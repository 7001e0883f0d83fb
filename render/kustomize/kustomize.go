// Package kustomize provides the rendering of kustomizations that lie in a source tree, by kustomize's own library
// over a copy of the files in memory.
//
// The library fetches addresses and runs git wherever a path looks remote, so every path is checked before it starts.
package kustomize

import (
	"context"
	"fmt"
	"io/fs"
	"strings"
	"sync"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/kustomize/kyaml/openapi"
	"sigs.k8s.io/yaml"

	"catalyst.dev/catalyst/render/manifest"
)

// Image replaces a container image, as an entry of a kustomization's images does. Name is the image as it stands in
// the manifests, without tag; empty parts of the others stay as they are.
type Image struct {
	Name    string
	NewName string
	NewTag  string
	Digest  string
}

// Input is all that a render of a kustomization depends on.
type Input struct {
	// Source is the tree, and Path the kustomization's folder in it.
	Source fs.FS
	Path   string
	// Images are applied above the kustomization's own.
	Images []Image
	// Report takes what was ignored or approximated.
	Report *manifest.Report
}

// Folders in memory: the tree's files, and the kustomization that applies the images.
const (
	sourceRoot = "/source"
	imagesRoot = "/images"
)

// building guards the OpenAPI schema, of which the library has one per process.
var building sync.Mutex

// Render builds the kustomization. Bad input gives *manifest.Problem. Secrets are plain.
func Render(ctx context.Context, in Input) ([]*unstructured.Unstructured, error) {
	root, err := checkPath("path", ".", in.Path, true)
	if err != nil {
		return nil, err
	}
	s := newScan(in.Source)
	if err := s.folder(ctx, root); err != nil {
		return nil, err
	}
	target := sourceRoot + "/" + root
	if len(in.Images) > 0 {
		if err := writeImages(s.memory, root, in.Images); err != nil {
			return nil, err
		}
		target = imagesRoot
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("rendering kustomization %s: %w", root, err)
	}
	return build(s, target, root)
}

func writeImages(memory filesys.FileSystem, root string, images []Image) error {
	k := types.Kustomization{Resources: []string{".." + sourceRoot + "/" + root}}
	for _, image := range images {
		k.Images = append(k.Images, types.Image{Name: image.Name, NewName: image.NewName, NewTag: image.NewTag, Digest: image.Digest})
	}
	data, err := yaml.Marshal(k)
	if err != nil {
		return fmt.Errorf("encoding the images: %w", err)
	}
	if err := memory.WriteFile(imagesRoot+"/kustomization.yaml", data); err != nil {
		return fmt.Errorf("writing the images: %w", err)
	}
	return nil
}

// build runs the library on files that are checked.
func build(s *scan, target, root string) ([]*unstructured.Unstructured, error) {
	building.Lock()
	defer building.Unlock()
	if s.schema { // the built-in schema, which takes longer to read than all else, stays from build to build
		defer openapi.ResetOpenAPI()
	}
	options := krusty.MakeDefaultOptions() // plugins off, files from the kustomization's own folder only
	result, err := krusty.MakeKustomizer(options).Run(s.memory, target)
	if err != nil {
		text := strings.ReplaceAll(strings.Join(strings.Fields(err.Error()), " "), sourceRoot+"/", "")
		return nil, &manifest.Problem{File: root, Message: text, Remedy: "make kustomize build of this folder succeed"}
	}
	var objs []*unstructured.Unstructured
	for _, resource := range result.Resources() {
		data, err := resource.AsYAML()
		if err != nil {
			return nil, fmt.Errorf("encoding %s: %w", resource.CurId(), err)
		}
		got, err := manifest.Decode(root, data)
		if err != nil {
			return nil, err
		}
		objs = append(objs, got...)
	}
	return objs, nil
}
