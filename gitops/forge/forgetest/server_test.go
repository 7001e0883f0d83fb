package forgetest_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"catalyst.dev/catalyst/gitops/forge/forgetest"
	"github.com/google/go-cmp/cmp"
)

// TestRefusedChange checks that a change that fails on its way leaves no trace in the state, in memory or on disk.
func TestRefusedChange(t *testing.T) {
	dir := t.TempDir()
	_, c, g := start(t, dir)
	ctx := t.Context()
	d, err := c.Open(ctx, shop, "a", "A", forgetest.PullOptions{Files: map[string][]byte{"README.md": []byte("theirs")}})
	told(t, d, err)
	d, err = c.PushBranch(ctx, shop, "main", "Ours", map[string][]byte{"README.md": []byte("ours")})
	told(t, d, err)
	before, err := os.ReadFile(filepath.Join(dir, "forge.json"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Close(ctx, shop, 1, true); !refused(err, 422) || !strings.Contains(err.Error(), "merge") {
		t.Errorf("a conflict: %v", err)
	}
	if got, err := g.PullRequest(ctx, shop, 1); err != nil || got.State != "open" || got.Merged {
		t.Errorf("%+v, %v", got, err)
	}
	after, err := os.ReadFile(filepath.Join(dir, "forge.json"))
	if diff := cmp.Diff(string(before), string(after)); diff != "" || err != nil {
		t.Errorf("%v (-before +after):\n%s", err, diff)
	}
	if names, err := filepath.Glob(filepath.Join(dir, "*.tmp")); err != nil || len(names) > 0 {
		t.Errorf("left over: %q, %v", names, err)
	}
}

// TestPullFollowsBranch checks that every way to move a branch moves the open pull request, and none a closed one.
func TestPullFollowsBranch(t *testing.T) {
	s, c, g := start(t, t.TempDir())
	ctx := t.Context()
	d, err := c.Open(ctx, shop, "a", "A", forgetest.PullOptions{Files: map[string][]byte{"a": []byte("1")}})
	told(t, d, err)
	head := func() string {
		t.Helper()
		p, err := g.PullRequest(ctx, shop, 1)
		if err != nil {
			t.Fatal(err)
		}
		return p.Head.SHA
	}
	sha, err := s.Commit(ctx, shop, "a", "2", map[string][]byte{"a/b": []byte("a file becomes a folder")})
	if err != nil || head() != sha {
		t.Errorf("head %s, want %s, %v", head(), sha, err)
	}
	d, err = c.Close(ctx, shop, 1, false)
	told(t, d, err)
	later, err := s.Commit(ctx, shop, "a", "3", map[string][]byte{"a/b": nil})
	if err != nil || head() != sha {
		t.Errorf("closed: head %s, want %s, %v", head(), sha, err)
	}
	d, err = c.Reopen(ctx, shop, 1)
	told(t, d, err)
	if head() != later {
		t.Errorf("reopened: head %s, want %s", head(), later)
	}
}

// TestSameCommits checks that the same changes have the same commits in every forge.
func TestSameCommits(t *testing.T) {
	var shas []string
	for range 2 {
		s, _, _ := start(t, t.TempDir())
		sha, err := s.Commit(t.Context(), shop, "a", "A", map[string][]byte{"a": []byte("1"), "old.txt": nil})
		if err != nil {
			t.Fatal(err)
		}
		shas = append(shas, sha)
	}
	if shas[0] != shas[1] {
		t.Errorf("%q", shas)
	}
}

func TestConcurrentOpens(t *testing.T) {
	_, c, _ := start(t, t.TempDir())
	const n = 8
	var wg sync.WaitGroup
	numbers := make([]int, n)
	for i := range n {
		wg.Go(func() {
			d, err := c.Open(t.Context(), shop, fmt.Sprintf("b%d", i), "B", forgetest.PullOptions{Files: map[string][]byte{"a": []byte("1")}})
			if err != nil {
				t.Error(err)
			}
			numbers[i] = d.Number
		})
	}
	wg.Wait()
	seen := map[int]bool{}
	for _, number := range numbers {
		seen[number] = true
	}
	if len(seen) != n || seen[0] {
		t.Errorf("numbers %v", numbers)
	}
}

// TestControlRefuses checks what the control surface answers to requests that no Client sends.
func TestControlRefuses(t *testing.T) {
	_, c, _ := start(t, t.TempDir())
	for _, test := range []struct {
		path, kind, body string
		want             int
	}{
		{"/_demo/push-branch", "text/plain", `{"repository":"acme/shop","branch":"x"}`, 415},
		{"/_demo/push-branch", "application/json", `{"repository":"acme/shop","brunch":"x"}`, 400},
		{"/_demo/push-branch", "application/json", `{"repository":"acme/shop","branch":"x"}`, 200},
		{"/_demo/none", "application/json", `{}`, 404},
		{"/none", "application/json", `{}`, 404},
	} {
		r, err := http.Post(c.BaseURL+test.path, test.kind, strings.NewReader(test.body))
		if err != nil {
			t.Fatal(err)
		}
		if r.StatusCode != test.want || r.Header.Get("Content-Type") != "application/json; charset=utf-8" {
			t.Errorf("%+v: %s %v", test, r.Status, r.Header)
		}
		if err := r.Body.Close(); err != nil {
			t.Error(err)
		}
	}
}
