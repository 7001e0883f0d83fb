//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"catalyst.dev/catalyst/test/stack"
)

// binary is the real program, built once for all tests.
var binary string

func TestMain(m *testing.M) {
	logrus.SetLevel(logrus.ErrorLevel) // compose-go warns of what is none of a test's business
	os.Exit(stack.WithCatalyst(func(path string) int {
		binary = path
		return m.Run()
	}))
}

// render runs `catalyst render` into a folder, which it returns. Where the input is refused, the error is what it said.
func render(ctx context.Context, t testing.TB, args []string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	out := filepath.Join(t.TempDir(), "out")
	cmd := exec.CommandContext(ctx, binary, append(args, "-o", out)...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%w: %s", err, stderr.String())
	}
	return out, nil
}

// manifests are the objects of a rendered folder, in the order of their files.
func manifests(t testing.TB, dir string) []*unstructured.Unstructured {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "manifests", "*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%s has no manifests: %v", dir, err)
	}
	var objs []*unstructured.Unstructured
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		obj := &unstructured.Unstructured{}
		if err := yaml.Unmarshal(data, &obj.Object); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		objs = append(objs, obj)
	}
	return objs
}

// ciphertext differs at each sealing.
var ciphertext = regexp.MustCompile(`(?m)^(\s+[-._a-zA-Z0-9]+: )A[QYg][A-Za-z0-9+/=]{300,}$`)

// different names a file that two rendered folders do not share, ciphertext aside; empty where they are the same.
func different(t testing.TB, a, b string) string {
	t.Helper()
	read := func(dir string) map[string]string {
		files := map[string]string{}
		err := filepath.WalkDir(dir, func(name string, entry os.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			data, err := os.ReadFile(name)
			files[strings.TrimPrefix(name, dir)] = ciphertext.ReplaceAllString(string(data), "${1}")
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return files
	}
	before, after := read(a), read(b)
	for name := range before {
		if before[name] != after[name] {
			return name
		}
	}
	for name := range after {
		if _, ok := before[name]; !ok {
			return name
		}
	}
	return ""
}
