package gitops

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"

	"catalyst.dev/catalyst/api/v1alpha1"
)

// Metadata is hydrator.metadata: the fields that Argo CD's source hydrator writes, plus ours. It holds nothing that
// changes from one render of the same input to the next.
type Metadata struct {
	RepoURL string `json:"repoURL,omitempty"`
	DrySHA  string `json:"drySha,omitempty"`
	Author  string `json:"author,omitempty"`
	Date    string `json:"date,omitempty"`
	Subject string `json:"subject,omitempty"`

	Catalyst RenderMetadata `json:"catalyst"`
}

// RenderMetadata says how a render was made.
type RenderMetadata struct {
	// Version of Catalyst that rendered.
	Version string `json:"version"`
	// InputDigest is the SHA-256 over everything that the render depended on; equal digests need no new render.
	InputDigest string `json:"inputDigest"`
	// URL of the environment's main entrance.
	URL string `json:"url,omitempty"`
}

// InputDigest covers all that a render depends on: the documents, the commits (inside the environment), the
// certificate and the program's version.
func InputDigest(docs Documents, version string) (string, error) {
	data, err := json.Marshal(struct {
		Platform    v1alpha1.PlatformSpec
		Project     v1alpha1.ProjectSpec
		Environment v1alpha1.EnvironmentSpec
		Key         v1alpha1.EnvironmentKey
		Certificate []byte
		Version     string
	}{docs.Platform.Spec, docs.Project.Spec, docs.Environment.Spec, docs.Environment.Key(), docs.Certificate, version})
	if err != nil {
		return "", fmt.Errorf("digesting the input: %w", err)
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:]), nil
}

// metadata of the environment's last render; zero when there is none or it was broken by hand: then it is rendered anew.
func (v *View) metadata(ctx context.Context, key v1alpha1.EnvironmentKey) (Metadata, error) {
	data, err := v.snapshot.ReadFile(ctx, path.Join(EnvironmentDir(key), metadataFile))
	if errors.Is(err, fs.ErrNotExist) {
		return Metadata{}, nil
	}
	if err != nil {
		return Metadata{}, fmt.Errorf("reading the metadata of %s: %w", key, err)
	}
	var m Metadata
	if json.Unmarshal(data, &m) != nil {
		return Metadata{}, nil
	}
	return m, nil
}

// Documents are what an environment is rendered from, sources aside.
type Documents struct {
	Platform    *v1alpha1.Platform
	Project     *v1alpha1.Project
	Environment *v1alpha1.Environment
	// Certificate that secrets are sealed with, as PEM; nil when there is none.
	Certificate []byte
}

// URL of the environment's main entrance, as its last render said; empty when it has none.
func (v *View) URL(ctx context.Context, key v1alpha1.EnvironmentKey) (string, error) {
	m, err := v.metadata(ctx, key)
	return m.Catalyst.URL, err
}
