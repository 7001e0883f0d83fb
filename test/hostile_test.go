package test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/tools/txtar"
)

// Each archive in testdata/hostile is bad input for catalyst render: a template in spec.yaml, the source below web/, and
// in its comment what the error must say, a phrase a line ("want: …"). A file "link <target>" in the comment makes a symlink.
func TestHostileInputIsRefused(t *testing.T) {
	archives, err := filepath.Glob("testdata/hostile/*.txtar")
	if err != nil || len(archives) == 0 {
		t.Fatalf("no archives: %v", err)
	}
	for _, file := range archives {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			t.Parallel()
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			args, want := hostile(t, archive)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			r := command{args: args, env: []string{"HOST_CANARY=canary-environment"}}.run(ctx, t)
			if ctx.Err() != nil {
				t.Fatal("the render did not end")
			}
			if r.code != 1 {
				t.Fatalf("exit %d, want 1\n%s%s", r.code, r.stdout, r.stderr)
			}
			for _, phrase := range want {
				if !strings.Contains(r.stderr, phrase) {
					t.Errorf("the error does not say %q: %s", phrase, r.stderr)
				}
			}
			if strings.Contains(r.stdout+r.stderr, "canary-") {
				t.Errorf("a canary came out: %s%s", r.stdout, r.stderr)
			}
			if strings.Contains(r.stderr, "panic:") || strings.Contains(r.stderr, "goroutine ") {
				t.Errorf("panicked: %s", r.stderr)
			}
		})
	}
}

func hostile(t *testing.T, archive *txtar.Archive) (args, want []string) {
	t.Helper()
	dir := t.TempDir()
	// What no render may reach lies beside the source.
	write(t, filepath.Join(dir, "canary.yaml"), "canary: canary-file\n")
	write(t, filepath.Join(dir, "canary.env"), "CANARY=canary-file\n")
	spec := ""
	for _, f := range archive.Files {
		if f.Name == "spec.yaml" {
			spec = string(f.Data)
			continue
		}
		write(t, filepath.Join(dir, f.Name), string(f.Data))
	}
	for _, line := range strings.Split(string(archive.Comment), "\n") {
		if phrase, ok := strings.CutPrefix(line, "want: "); ok {
			want = append(want, phrase)
		}
		if link, ok := strings.CutPrefix(line, "link: "); ok {
			from, to, _ := strings.Cut(link, " -> ")
			if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, from)), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(to, filepath.Join(dir, from)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if len(want) == 0 || spec == "" {
		t.Fatal("the archive has no want: lines or no spec.yaml")
	}
	write(t, filepath.Join(dir, "project.yaml"), "apiVersion: catalyst.catalyst.dev/v1alpha1\nkind: Project\nmetadata: {name: shop, namespace: acme}\n"+
		"spec:\n  sources: [{name: web, repositoryUrl: \"https://github.com/acme/shop\"}]\n  templates:\n    development:\n      "+
		strings.ReplaceAll(strings.TrimSpace(spec), "\n", "\n      ")+"\n")
	write(t, filepath.Join(dir, "environment.yaml"), `apiVersion: catalyst.catalyst.dev/v1alpha1
kind: Environment
metadata: {name: pr-1, namespace: acme-shop}
spec:
  projectRef: {name: shop}
  sources: [{name: web, branch: main, commitSha: 18f59bdb09ecf520dd5758fbf90dec314baec545}]
`)
	return []string{"render", "-f", filepath.Join(dir, "project.yaml"), "-f", filepath.Join(dir, "environment.yaml"),
		"--source", "web=" + filepath.Join(dir, "web"), "-o", "-"}, want
}

func write(t testing.TB, file, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}
