package gitops

import (
	"bytes"
	"fmt"
	"io/fs"
)

// InitialFiles are the first files of an environments repository, from its template. repositoryURL is the repository as
// Argo CD reaches it.
func InitialFiles(template fs.FS, repositoryURL, branch string) (map[string][]byte, error) {
	files := map[string][]byte{}
	err := fs.WalkDir(template, ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(template, p)
		if err != nil {
			return err
		}
		if p == rootFile {
			data = bytes.ReplaceAll(data, []byte("REPOSITORY_URL"), []byte(repositoryURL))
			data = bytes.ReplaceAll(data, []byte("BRANCH"), []byte(branch))
		}
		files[p] = data
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading the template of the environments repository: %w", err)
	}
	return files, nil
}
