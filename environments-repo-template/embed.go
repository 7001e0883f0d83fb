// Package template provides what a new environments repository starts from.
package template

import "embed"

// FS holds the files of the template. argocd/root.yaml names the repository as REPOSITORY_URL and the branch as BRANCH.
//
//go:embed README.md catalyst.yaml argocd teams projects environments
var FS embed.FS
