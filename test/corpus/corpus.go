// Package corpus finds the real inputs that lie beside the repository: recorded payloads, applications, charts.
package corpus

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// Path of a file or folder of the corpus, such as "corpus/github". A stranger's clone has none: the test is skipped then,
// but fails in continuous integration. CATALYST_SHARED names the folder when it is elsewhere than beside the repository.
func Path(t testing.TB, name string) string {
	t.Helper()
	found, err := Find(name)
	switch {
	case err == nil:
		return found
	case os.Getenv("CI") == "true":
		t.Fatalf("the corpus is missing: %v", err)
	default:
		t.Skipf("the corpus is missing: %v", err)
	}
	return ""
}

// Files reads all files of a folder of the corpus that match a pattern, by name; there is one at least.
func Files(t testing.TB, dir, pattern string) map[string][]byte {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(Path(t, dir), pattern))
	if err != nil || len(names) == 0 {
		t.Fatalf("the corpus has no %s in %s: %v", pattern, dir, err)
	}
	files := map[string][]byte{}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		files[filepath.Base(name)] = data
	}
	return files
}

// Find looks for a file or folder of the corpus, for tests that are whole without it.
func Find(name string) (string, error) {
	root := os.Getenv("CATALYST_SHARED")
	if root == "" {
		repository, err := repository()
		if err != nil {
			return "", err
		}
		root = filepath.Join(filepath.Dir(repository), "shared")
	}
	found, err := filepath.Abs(filepath.Join(root, filepath.FromSlash(name)))
	if err != nil {
		return "", err
	}
	_, err = os.Stat(found)
	return found, err
}

// repository is the folder of go.mod, above the one that the test runs in.
func repository() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		_, err := os.Stat(filepath.Join(dir, "go.mod"))
		if err == nil || !errors.Is(err, fs.ErrNotExist) {
			return dir, err
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("there is no go.mod above the test")
		}
		dir = parent
	}
}
