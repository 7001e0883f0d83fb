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

// metadata is hydrator.metadata: the fields that Argo CD's source hydrator writes, plus ours. It holds nothing that
// changes from one render of the same input to the next.
type metadata struct {
	RepoURL string `json:"repoURL,omitempty"`
	DrySHA  string `json:"drySha,omitempty"`
	Author  string `json:"author,omitempty"`
	Date    string `json:"date,omitempty"`
	Subject string `json:"subject,omitempty"`

	Catalyst catalystMetadata `json:"catalyst"`
}

// catalystMetadata says how a render was made.
type catalystMetadata struct {
	// Version of Catalyst that rendered.
	Version string `json:"version"`
	// InputDigest is the SHA-256 over everything that the render depended on; equal digests need no new render.
	InputDigest string `json:"inputDigest"`
	// URL of the environment's main entrance.
	URL string `json:"url,omitempty"`
}

// inputDigest covers all that a render depends on: the documents, the commits (inside the environment), the
// certificate and the program.
func inputDigest(docs documents, version string) (string, error) {
	data, err := json.Marshal(struct {
		Platform    v1alpha1.PlatformSpec
		Project     v1alpha1.ProjectSpec
		Environment v1alpha1.EnvironmentSpec
		Key         v1alpha1.EnvironmentKey
		Certificate []byte
		Version     string
	}{docs.platform.Spec, docs.project.Spec, docs.environment.Spec, docs.environment.Key(), docs.certificate, version})
	if err != nil {
		return "", fmt.Errorf("digesting the input: %w", err)
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:]), nil
}

// metadata of the environment's last render; zero when there is none or it was broken by hand: then it is rendered anew.
func (v *View) metadata(ctx context.Context, key v1alpha1.EnvironmentKey) (metadata, error) {
	data, err := v.snapshot.ReadFile(ctx, path.Join(EnvironmentDir(key), metadataFile))
	if errors.Is(err, fs.ErrNotExist) {
		return metadata{}, nil
	}
	if err != nil {
		return metadata{}, fmt.Errorf("reading the metadata of %s: %w", key, err)
	}
	var m metadata
	if json.Unmarshal(data, &m) != nil {
		return metadata{}, nil
	}
	return m, nil
}

// documents are what an environment is rendered from, sources aside.
type documents struct {
	platform    *v1alpha1.Platform
	project     *v1alpha1.Project
	environment *v1alpha1.Environment
	certificate []byte
}
