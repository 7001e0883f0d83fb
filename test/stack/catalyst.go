package stack

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// WithCatalyst builds this repository's own program, runs the tests with it, and returns their exit code.
func WithCatalyst(run func(binary string) int) int {
	dir, err := os.MkdirTemp("", "catalyst-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() {
		if err := os.RemoveAll(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}()
	binary := filepath.Join(dir, "catalyst")
	build := exec.Command("go", "build", "-o", binary, "catalyst.dev/catalyst/cmd/catalyst")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "building the binary: %v\n%s", err, out)
		return 1
	}
	return run(binary)
}
