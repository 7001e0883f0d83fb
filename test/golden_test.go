package test

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

// example is a folder of examples/ as arguments of catalyst render.
func example(t testing.TB, dir string) []string {
	t.Helper()
	args := []string{"render", "-f", filepath.Join(dir, "project.yaml"), "-f", filepath.Join(dir, "environment.yaml")}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.IsDir() {
			args = append(args, "--source", e.Name()+"="+filepath.Join(dir, e.Name()))
		}
	}
	return args
}

// examples are the folders of examples/ that hold a project.
func examples(t testing.TB) []string {
	t.Helper()
	found, err := filepath.Glob("../examples/*/project.yaml")
	if err != nil || len(found) < 6 {
		t.Fatalf("found %d examples: %v", len(found), err)
	}
	dirs := make([]string, len(found))
	for i, f := range found {
		if dirs[i], err = filepath.Abs(filepath.Dir(f)); err != nil {
			t.Fatal(err)
		}
	}
	return dirs
}

// Each example renders to what is kept in testdata/golden, ciphertext aside.
func TestGoldenExamples(t *testing.T) {
	for _, dir := range examples(t) {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			out := filepath.Join(t.TempDir(), "out")
			r := command{args: append(example(t, dir), "-o", out)}.run(t.Context(), t)
			if r.code != 0 {
				t.Fatalf("exit %d: %s", r.code, r.stderr)
			}
			got := readTree(t, out)
			golden := filepath.Join("testdata", "golden", filepath.Base(dir))
			if *update {
				writeTree(t, golden, got)
			}
			if diff := cmp.Diff(readTree(t, golden), got); diff != "" {
				t.Errorf("the render differs from %s (-want +got), update with -update:\n%s", golden, diff)
			}
		})
	}
}

func writeTree(t testing.TB, dir string, files map[string]string) {
	t.Helper()
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	for name, content := range files {
		file := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
