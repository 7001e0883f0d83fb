// Package examples provides the examples of every template type, as inputs of the demo and of tests.
package examples

import "embed"

// FS holds a folder per example: project.yaml, environment.yaml, and each source's files in a folder of its name.
//
//go:embed all:compose all:helm all:kustomize all:manifest all:multi-source all:prebuilt
var FS embed.FS
