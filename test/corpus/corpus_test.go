package corpus_test

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"catalyst.dev/catalyst/test/corpus"
)

// verdict is how a test ended that asked for the corpus.
type verdict struct {
	testing.TB
	skipped, failed bool
}

func (v *verdict) Helper() {}

func (v *verdict) Skipf(string, ...any) {
	v.skipped = true
	runtime.Goexit()
}

func (v *verdict) Fatalf(string, ...any) {
	v.failed = true
	runtime.Goexit()
}

// ask asks for a file of the corpus in a test of its own.
func ask(name string) (path string, v verdict) {
	done := make(chan bool)
	go func() {
		defer close(done)
		path = corpus.Path(&v, name)
	}()
	<-done
	return path, v
}

func TestPath(t *testing.T) {
	shared := t.TempDir()
	if err := os.WriteFile(filepath.Join(shared, "a.json"), []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		shared, ci, file string
		found            bool
		skipped, failed  bool
	}{
		"there":           {shared, "", "a.json", true, false, false},
		"there, in CI":    {shared, "true", "a.json", true, false, false},
		"missing":         {shared, "", "b.json", false, true, false},
		"missing, in CI":  {shared, "true", "b.json", false, false, true},
		"no corpus":       {filepath.Join(shared, "none"), "", "a.json", false, true, false},
		"no corpus in CI": {filepath.Join(shared, "none"), "true", "a.json", false, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("CATALYST_SHARED", c.shared)
			t.Setenv("CI", c.ci)
			path, v := ask(c.file)
			if (path != "") != c.found || v.skipped != c.skipped || v.failed != c.failed {
				t.Errorf("got %q, skipped %t, failed %t, want found %t, %t, %t", path, v.skipped, v.failed, c.found, c.skipped, c.failed)
			}
		})
	}
}
