package test

import (
	"bytes"
	"context"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"catalyst.dev/catalyst/test/stack"
)

// binary is the real program, built once for all tests of the package.
var binary string

func TestMain(m *testing.M) {
	os.Exit(stack.WithCatalyst(func(path string) int {
		binary = path
		return m.Run()
	}))
}

// result of one run of the program.
type result struct {
	code           int
	stdout, stderr string
}

// command is one run of the program: arguments, working folder, and an environment of just these variables.
type command struct {
	dir  string
	env  []string
	args []string
}

func (c command) run(ctx context.Context, t testing.TB) result {
	t.Helper()
	cmd := exec.CommandContext(ctx, binary, c.args...)
	cmd.Dir, cmd.Env = c.dir, append([]string{"PATH=" + os.Getenv("PATH")}, c.env...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if _, exited := err.(*exec.ExitError); err != nil && !exited {
		t.Fatalf("running catalyst %s: %v", strings.Join(c.args, " "), err)
	}
	return result{code: cmd.ProcessState.ExitCode(), stdout: stdout.String(), stderr: stderr.String()}
}

// ciphertext differs at each sealing.
var ciphertext = regexp.MustCompile(`(?m)^(\s+[-._a-zA-Z0-9]+: )A[QYg][A-Za-z0-9+/=]{300,}$`)

// masked hides ciphertext, so that the rest can be compared.
func masked(s string) string { return ciphertext.ReplaceAllString(s, "${1}(sealed)") }

// readTree reads all files below dir, by path, ciphertext masked.
func readTree(t testing.TB, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(p string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(dir, p)
		if err != nil {
			return err
		}
		data, err := os.ReadFile(p)
		files[filepath.ToSlash(rel)] = masked(string(data))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// sorted keys of a map.
func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
