// Package render provides the rendering of an Environment: its template and sources in, Kubernetes objects out.
//
// Rendering is a function: no clock, process environment, network or disk. The same input gives the same bytes.
// Input is untrusted, and the libraries behind some templates can be made to die; package worker runs Render in a
// child process that may.
package render

import (
	"io/fs"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"catalyst.dev/catalyst/api/v1alpha1"
	"catalyst.dev/catalyst/render/manifest"
)

// Input is all that a render depends on. The documents are defaulted and valid.
type Input struct {
	Platform    *v1alpha1.Platform
	Project     *v1alpha1.Project
	Environment *v1alpha1.Environment
	// Sources holds each source's tree at its commit, by source name.
	Sources map[string]fs.FS
	// SecretNames are the names of the secrets that the environment may use; never a value.
	SecretNames []string
}

// Output is what a render made.
type Output struct {
	// Objects in their final order, complete with metadata. Secrets among them are plain: the caller seals them
	// and drops the plain ones.
	Objects []*unstructured.Unstructured
	// Unstable lists the Secret keys whose values differ from render to render (a chart's random function), as
	// "<secret name>/<key>". Their committed ciphertext is kept.
	Unstable []string
	// URL of the environment's main entrance; empty when it has none.
	URL string
	// Report of what was approximated or ignored, sorted.
	Report manifest.Report
}
