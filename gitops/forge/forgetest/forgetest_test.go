package forgetest_test

import (
	"errors"
	"fmt"
	"net/http/httptest"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"catalyst.dev/catalyst/gitops/forge"
	"catalyst.dev/catalyst/gitops/forge/forgetest"
	"github.com/google/go-cmp/cmp"
)

const shop = "acme/shop"

var secret = []byte("secret")

// start serves the forge of a directory, with the repository acme/shop in it.
func start(t *testing.T, dir string) (*forgetest.Server, forgetest.Client, *forge.GitHub) {
	t.Helper()
	s, err := forgetest.New(dir, secret)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.CreateRepository(t.Context(), shop, map[string][]byte{"README.md": []byte("shop\n"), "old.txt": []byte("one\ntwo\nthree\n")}); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(s.Handler())
	t.Cleanup(server.Close)
	g, err := forge.NewGitHub(forge.Options{BaseURL: server.URL + "/"})
	if err != nil {
		t.Fatal(err)
	}
	return s, forgetest.Client{BaseURL: server.URL}, g
}

// told checks a delivery as Catalyst would, and returns what it announces.
func told(t *testing.T, d forgetest.Delivery, err error) forge.Event {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	r, err := d.Request(t.Context(), "http://127.0.0.1/webhook")
	if err != nil {
		t.Fatal(err)
	}
	if err := forge.VerifySignature(d.Body, r.Header.Get("X-Hub-Signature-256"), secret); err != nil {
		t.Error(err)
	}
	if r.Method != "POST" || r.Header.Get("Content-Type") != "application/json" || len(r.Header.Get("X-GitHub-Delivery")) != 36 {
		t.Errorf("request: %s %v", r.Method, r.Header)
	}
	e, err := forge.Parse(r.Header.Get("X-GitHub-Event"), d.Body)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// level is what of a pull request changes in its life.
type level struct {
	State         string
	Merged, Draft bool
	Labels        []string
}

func TestLife(t *testing.T) {
	_, c, g := start(t, t.TempDir())
	ctx := t.Context()
	d, err := c.Open(ctx, shop, "feature/cart", "Add a cart", forgetest.PullOptions{Labels: []string{"one"},
		Files: map[string][]byte{"cart.txt": []byte("cart")}})
	if e := told(t, d, err); e.Action != "opened" || e.PullRequest != 1 || d.Number != 1 || e.Repository.FullName != shop {
		t.Fatalf("opened: %+v", e)
	}
	first, err := g.PullRequest(ctx, shop, 1)
	if err != nil || first.Fork() || first.Title != "Add a cart" || first.Head.Ref != "feature/cart" || first.Base.Ref != "main" || first.UpdatedAt.IsZero() {
		t.Fatalf("%+v, %v", first, err)
	}
	steps := []struct {
		action string
		do     func() (forgetest.Delivery, error)
		want   level
	}{
		{"synchronize", func() (forgetest.Delivery, error) {
			return c.Push(ctx, shop, 1, "More", map[string][]byte{"cart.txt": []byte("cart 2")})
		}, level{State: "open", Labels: []string{"one"}}},
		{"converted_to_draft", func() (forgetest.Delivery, error) { return c.SetDraft(ctx, shop, 1, true) },
			level{State: "open", Draft: true, Labels: []string{"one"}}},
		{"ready_for_review", func() (forgetest.Delivery, error) { return c.SetDraft(ctx, shop, 1, false) },
			level{State: "open", Labels: []string{"one"}}},
		{"labeled", func() (forgetest.Delivery, error) { return c.Label(ctx, shop, 1, "two", true) },
			level{State: "open", Labels: []string{"one", "two"}}},
		{"unlabeled", func() (forgetest.Delivery, error) { return c.Label(ctx, shop, 1, "one", false) },
			level{State: "open", Labels: []string{"two"}}},
		{"closed", func() (forgetest.Delivery, error) { return c.Close(ctx, shop, 1, false) },
			level{State: "closed", Labels: []string{"two"}}},
		{"reopened", func() (forgetest.Delivery, error) { return c.Reopen(ctx, shop, 1) },
			level{State: "open", Labels: []string{"two"}}},
		{"closed", func() (forgetest.Delivery, error) { return c.Close(ctx, shop, 1, true) },
			level{State: "closed", Merged: true, Labels: []string{"two"}}},
	}
	for _, step := range steps {
		d, err := step.do()
		if e := told(t, d, err); e.Kind != forge.KindPullRequest || e.Action != step.action || e.PullRequest != 1 {
			t.Errorf("%s: %+v", step.action, e)
		}
		got, err := g.PullRequest(ctx, shop, 1)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(step.want, level{got.State, got.Merged, got.Draft, got.Labels}); diff != "" {
			t.Errorf("%s (-want +got):\n%s", step.action, diff)
		}
		if got.Head.SHA == first.Head.SHA {
			t.Errorf("%s: the push is lost", step.action)
		}
	}
	paths, err := g.Files(ctx, shop, 1)
	if diff := cmp.Diff([]string{"cart.txt"}, paths); diff != "" || err != nil {
		t.Errorf("files once merged: %v\n%s", err, diff)
	}
	if _, err := c.Reopen(ctx, shop, 1); !refused(err, 422) {
		t.Errorf("reopening a merged one: %v", err)
	}
}

func refused(err error, status int) bool {
	var refusal *forgetest.Error
	return errors.As(err, &refusal) && refusal.Status == status && refusal.Message != ""
}

func TestFork(t *testing.T) {
	s, c, g := start(t, t.TempDir())
	ctx := t.Context()
	main, err := g.Branch(ctx, shop, "main")
	if err != nil {
		t.Fatal(err)
	}
	sha, err := s.Commit(ctx, shop, "theirs", "Theirs", map[string][]byte{"a": []byte("a")})
	if err != nil {
		t.Fatal(err)
	}
	d, err := c.Open(ctx, shop, "theirs", "Theirs", forgetest.PullOptions{Fork: true})
	told(t, d, err)
	d, err = c.Open(ctx, shop, "main", "Their main", forgetest.PullOptions{Fork: true, Files: map[string][]byte{"b": []byte("b")}})
	told(t, d, err)
	got, err := g.PullRequest(ctx, shop, 1)
	if err != nil || !got.Fork() || got.Head.SHA != sha || got.Head.RepositoryID == 0 || got.Head.FullName == shop {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := g.Branch(ctx, shop, "theirs"); !errors.Is(err, forge.ErrNotFound) {
		t.Errorf("the fork's branch is in the repository: %v", err)
	}
	d, err = c.Push(ctx, shop, 2, "More", map[string][]byte{"b": nil})
	told(t, d, err)
	if now, err := g.Branch(ctx, shop, "main"); now != main || err != nil {
		t.Errorf("the fork moved main: %s, %v", now, err)
	}
	if err := s.DeleteFork(ctx, shop, 1); err != nil {
		t.Fatal(err)
	}
	if got, err := g.PullRequest(ctx, shop, 1); err != nil || !got.Fork() || got.Head.RepositoryID != 0 {
		t.Errorf("deleted: %+v, %v", got, err)
	}
}

func TestRestart(t *testing.T) {
	dir := t.TempDir()
	_, c, g := start(t, dir)
	d, err := c.Open(t.Context(), shop, "a", "A", forgetest.PullOptions{Draft: true, Labels: []string{"x"}, Files: map[string][]byte{"a": {}}})
	told(t, d, err)
	want, err := g.PullRequest(t.Context(), shop, 1)
	if err != nil {
		t.Fatal(err)
	}
	s, c, g := start(t, dir)
	got, err := g.PullRequest(t.Context(), shop, 1)
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	list, err := c.Repositories(t.Context())
	if diff := cmp.Diff([]forgetest.Repository{{FullName: shop, CloneURL: s.CloneURL(shop), Open: []int{1}}}, list); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

func TestFiles(t *testing.T) {
	_, c, g := start(t, t.TempDir())
	files := map[string][]byte{"README.md": []byte("new\n"), "old.txt": nil, "dir/new.txt": []byte("one\ntwo\nthree\n")}
	want := []string{"README.md", "dir/new.txt", "old.txt"} // both names of the renamed file
	for i := range 230 {
		name := fmt.Sprintf("many/%03d", i)
		files[name], want = fmt.Appendf(nil, "%d and more\n", i), append(want, name)
	}
	d, err := c.Open(t.Context(), shop, "a", "A", forgetest.PullOptions{Files: files})
	told(t, d, err)
	// main goes on, which is no change of the pull request's
	d, err = c.PushBranch(t.Context(), shop, "main", "On", map[string][]byte{"main.txt": []byte("m")})
	told(t, d, err)
	got, err := g.Files(t.Context(), shop, 1)
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

func TestPushBranch(t *testing.T) {
	_, c, g := start(t, t.TempDir())
	d, err := c.PushBranch(t.Context(), shop, "release/1?", "Release", nil)
	if !refused(err, 422) {
		t.Errorf("a bad name: %v, %v", d, err)
	}
	d, err = c.PushBranch(t.Context(), shop, "release/1", "Release", map[string][]byte{"v": []byte("1")})
	e := told(t, d, err)
	sha, err := g.Branch(t.Context(), shop, "release/1")
	if err != nil || e.Kind != forge.KindPush || e.Ref != "refs/heads/release/1" || e.After != sha {
		t.Errorf("%+v, %s, %v", e, sha, err)
	}
}

// TestFetch fetches a fork's commit by its SHA alone, without blobs, as Catalyst's sources do.
// Version 2 of the protocol asks for no permission to do so, version 0 does.
func TestFetch(t *testing.T) {
	s, c, g := start(t, t.TempDir())
	d, err := c.Open(t.Context(), shop, "a", "A", forgetest.PullOptions{Fork: true, Files: map[string][]byte{"a": []byte("a")}})
	told(t, d, err)
	p, err := g.PullRequest(t.Context(), shop, 1)
	if err != nil {
		t.Fatal(err)
	}
	d, err = c.Push(t.Context(), shop, 1, "Later", map[string][]byte{"a": nil}) // now no reference is at the commit
	told(t, d, err)
	dir := t.TempDir()
	for _, args := range [][]string{
		{"init", "--quiet", "--initial-branch=main"},
		{"fetch", "--quiet", "--depth=1", "--filter=blob:none", s.CloneURL(shop), p.Head.SHA},
		{"cat-file", "-e", p.Head.SHA + "^{tree}"},
	} {
		if out, err := exec.Command("git", append([]string{"-C", dir, "-c", "protocol.version=0"}, args...)...).CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("git %s: %v: %s", args[0], err, out)
		}
	}
}

func TestRefusals(t *testing.T) {
	s, c, g := start(t, t.TempDir())
	ctx := t.Context()
	for _, name := range []string{"", "a", "../b", "a/..", "a/b/c", "a/.git"} {
		if err := s.CreateRepository(ctx, name, nil); !refused(err, 422) {
			t.Errorf("repository %q: %v", name, err)
		}
	}
	if _, err := forgetest.New(t.TempDir(), nil); err == nil || !strings.Contains(err.Error(), "secret") {
		t.Errorf("no secret: %v", err)
	}
	if _, err := c.Push(ctx, shop, 7, "x", nil); !refused(err, 404) {
		t.Errorf("a missing pull request: %v", err)
	}
	if _, err := g.PullRequest(ctx, shop, 7); !errors.Is(err, forge.ErrNotFound) {
		t.Errorf("a missing pull request: %v", err)
	}
	for _, path := range []string{"../x", ".git/config", "/x", ""} {
		if _, err := s.Commit(ctx, shop, "a", "x", map[string][]byte{path: []byte("x")}); err == nil {
			t.Errorf("path %q is taken", path)
		}
	}
	if d, err := c.Open(ctx, shop, "none", "x", forgetest.PullOptions{}); !refused(err, 422) {
		t.Errorf("a missing branch: %v, %v", d, err)
	}
}
