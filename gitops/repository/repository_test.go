package repository_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"catalyst.dev/catalyst/gitops/gitopstest"
	"catalyst.dev/catalyst/gitops/repository"
)

func begin(t testing.TB, files map[string]string) *gitopstest.Server {
	t.Helper()
	s := gitopstest.NewServer(t)
	s.InitBare("environments")
	if files != nil {
		s.Commit("environments", "main", "Begin", files, time.Unix(1_700_000_000, 0))
	}
	return s
}

func open(t testing.TB, url string) *repository.Repository {
	t.Helper()
	r, err := repository.Open(t.Context(), repository.Options{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func put(dir string, files map[string][]byte) repository.Change {
	return repository.Change{
		Author:  repository.Signature{Name: "octocat", Email: "octocat@example.com"},
		Message: repository.Message("acme/shop: update", "", []repository.Trailer{{Key: "Catalyst-Action", Value: "update"}}),
		Edit: func(context.Context, *repository.Snapshot) (repository.Edit, error) {
			return repository.Edit{Replace: map[string]map[string][]byte{dir: files}}, nil
		},
	}
}

func TestCommitReplacesOneFolder(t *testing.T) {
	for name, url := range map[string]func(*gitopstest.Server) string{
		"http": func(s *gitopstest.Server) string { return s.URL("environments") },
		"file": func(s *gitopstest.Server) string { return s.Dir("environments") },
	} {
		t.Run(name, func(t *testing.T) {
			s := begin(t, map[string]string{"a/one.yaml": "1", "a/stale.yaml": "2", "b/keep.yaml": "3", "a.txt": "4"})
			r := open(t, url(s))
			if _, err := r.Commit(t.Context(), put("a", map[string][]byte{"one.yaml": []byte("1"), "sub/two.yaml": []byte("5")})); err != nil {
				t.Fatal(err)
			}
			want := "a.txt\na/one.yaml\na/sub/two.yaml\nb/keep.yaml\n"
			if got := s.Git("environments", "ls-tree", "-r", "--name-only", "main"); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
			if out := s.Git("environments", "fsck", "--strict"); strings.Contains(out, "error") {
				t.Errorf("git fsck: %s", out)
			}
			files, err := r.Snapshot().Files(t.Context(), "a")
			if err != nil || string(files["sub/two.yaml"]) != "5" || string(files["one.yaml"]) != "1" {
				t.Errorf("read back %v, %v", files, err)
			}
		})
	}
}

func TestCommitOfTheSameIsUnchanged(t *testing.T) {
	s := begin(t, map[string]string{"a/one.yaml": "1"})
	r := open(t, s.URL("environments"))
	before := s.Git("environments", "rev-parse", "main")
	_, err := r.Commit(t.Context(), put("a", map[string][]byte{"one.yaml": []byte("1")}))
	if !errors.Is(err, repository.ErrUnchanged) {
		t.Errorf("got %v, want ErrUnchanged", err)
	}
	if after := s.Git("environments", "rev-parse", "main"); after != before || s.Pushes.Load() != 0 {
		t.Errorf("something was pushed: %s, %d pushes", after, s.Pushes.Load())
	}
}

func TestDeleteAndReadMissing(t *testing.T) {
	s := begin(t, map[string]string{"a/one.yaml": "1", "b/two.yaml": "2"})
	r := open(t, s.URL("environments"))
	if _, err := r.Commit(t.Context(), put("a", nil)); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Snapshot().ReadFile(t.Context(), "a/one.yaml"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want fs.ErrNotExist", err)
	}
	if got := s.Git("environments", "ls-tree", "--name-only", "main"); got != "b\n" {
		t.Errorf("got %q", got)
	}
}

func TestPathsOutsideAreRefused(t *testing.T) {
	r := open(t, begin(t, map[string]string{"a/one.yaml": "1"}).URL("environments"))
	for _, dir := range []string{"../a", "/a", ".", "", "a/../b", ".git", "a/.GIT/hooks", `a\b`} {
		if _, err := r.Commit(t.Context(), put(dir, map[string][]byte{"x": nil})); err == nil {
			t.Errorf("%q was committed", dir)
		}
	}
}

func TestInitFillsAnEmptyRepository(t *testing.T) {
	s := begin(t, nil)
	r := open(t, s.URL("environments"))
	if err := r.Init(t.Context(), map[string][]byte{"catalyst.yaml": []byte("a: b\n")}, "Begin"); err != nil {
		t.Fatal(err)
	}
	if err := r.Init(t.Context(), nil, "Again"); !errors.Is(err, repository.ErrUnchanged) {
		t.Errorf("got %v, want ErrUnchanged", err)
	}
	if got := s.Git("environments", "show", "main:catalyst.yaml"); got != "a: b\n" {
		t.Errorf("got %q", got)
	}
}

// Changes that are ready together go out in far fewer pushes, one commit each.
func TestGroupCommit(t *testing.T) {
	const n = 40
	s := begin(t, map[string]string{"a": "1"})
	r := open(t, s.URL("environments"))
	commitAll(t, r, "env", n)
	if got := strings.Count(s.Git("environments", "log", "--oneline", "main"), "\n"); got != n+1 {
		t.Errorf("%d commits, want %d", got, n+1)
	}
	if got := s.Pushes.Load(); got >= n/2 {
		t.Errorf("%d pushes for %d changes", got, n)
	}
}

func commitAll(t *testing.T, r *repository.Repository, name string, n int) {
	t.Helper()
	var group sync.WaitGroup
	for i := range n {
		group.Go(func() {
			if _, err := r.Commit(t.Context(), put(fmt.Sprintf("%s-%d", name, i), map[string][]byte{"f": []byte("x")})); err != nil {
				t.Errorf("change %d: %v", i, err)
			}
		})
	}
	group.Wait()
}

// Two writers and a person push to one branch: nothing is lost.
func TestWritersRace(t *testing.T) {
	const n = 25
	s := begin(t, map[string]string{"a": "1"})
	one, two := open(t, s.URL("environments")), open(t, s.URL("environments"))
	var group sync.WaitGroup
	for name, r := range map[string]*repository.Repository{"one": one, "two": two} {
		group.Go(func() {
			for i := range n {
				if _, err := r.Commit(t.Context(), put(fmt.Sprintf("%s-%d", name, i), map[string][]byte{"f": []byte("x")})); err != nil {
					t.Errorf("%s %d: %v", name, i, err)
				}
			}
		})
	}
	group.Wait()
	if got := strings.Count(s.Git("environments", "ls-tree", "--name-only", "main"), "\n"); got != 2*n+1 {
		t.Errorf("%d entries, want %d", got, 2*n+1)
	}
}

func TestPersonPushesBetween(t *testing.T) {
	s := begin(t, map[string]string{"a/one.yaml": "1"})
	r := open(t, s.URL("environments"))
	s.Commit("environments", "main", "By hand", map[string]string{"b/two.yaml": "2"}, time.Unix(1_700_000_100, 0))
	if _, err := r.Commit(t.Context(), put("a", map[string][]byte{"one.yaml": []byte("3")})); err != nil {
		t.Fatal(err)
	}
	if got := s.Git("environments", "ls-tree", "-r", "--name-only", "main"); got != "a/one.yaml\nb/two.yaml\n" {
		t.Errorf("got %q", got)
	}
}

// The answer to a push is lost after the server took it: the change stands once.
func TestLostReply(t *testing.T) {
	s := begin(t, map[string]string{"a": "1"})
	r := open(t, s.URL("environments"))
	var lost sync.Once
	wrap := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			drop := false
			if strings.HasSuffix(req.URL.Path, "/git-receive-pack") {
				lost.Do(func() { drop = true })
			}
			if !drop {
				next.ServeHTTP(w, req)
				return
			}
			next.ServeHTTP(httptest.NewRecorder(), req)
			panic(http.ErrAbortHandler) // cuts the connection
		})
	}
	s.Wrap.Store(&wrap)
	if _, err := r.Commit(t.Context(), put("b", map[string][]byte{"f": []byte("x")})); err != nil {
		t.Fatal(err)
	}
	if got := strings.Count(s.Git("environments", "log", "--oneline", "main"), "\n"); got != 2 {
		t.Errorf("%d commits, want 2", got)
	}
}

func TestForcedBranchStopsWriting(t *testing.T) {
	s := begin(t, map[string]string{"a": "1"})
	old := strings.TrimSpace(s.Git("environments", "rev-parse", "main"))
	r := open(t, s.URL("environments"))
	if _, err := r.Commit(t.Context(), put("b", map[string][]byte{"f": []byte("x")})); err != nil {
		t.Fatal(err)
	}
	s.Git("environments", "update-ref", "refs/heads/main", old)
	for range 2 {
		if _, err := r.Commit(t.Context(), put("c", map[string][]byte{"f": []byte("x")})); !errors.Is(err, repository.ErrRewritten) {
			t.Errorf("got %v, want ErrRewritten", err)
		}
	}
	if got := strings.TrimSpace(s.Git("environments", "rev-parse", "main")); got != old {
		t.Errorf("the branch moved to %s", got)
	}
}

func TestLog(t *testing.T) {
	s := begin(t, map[string]string{"a/x": "1", "b/x": "1"})
	r := open(t, s.URL("environments"))
	for _, c := range []repository.Change{put("a", map[string][]byte{"x": []byte("2")}), put("b", map[string][]byte{"x": []byte("2")}), put("a", nil)} {
		if _, err := r.Commit(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	log, err := r.Log(t.Context(), "a", repository.LogOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range log {
		got = append(got, c.Subject)
	}
	if diff := cmp.Diff([]string{"acme/shop: update", "acme/shop: update", "Begin"}, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if diff := cmp.Diff([]repository.Trailer{{Key: "Catalyst-Action", Value: "update"}}, log[0].Trailers); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// Text from outside can never add a trailer or a line.
func FuzzMessage(f *testing.F) {
	f.Add("title", "body", "value")
	f.Add("x\n\nCatalyst-Action: delete", "Catalyst-Actor: github:evil", "a\nCatalyst-Action: delete")
	f.Add("\x00\u2028\u202e", "a: b\n\nc: d", "\r\nb: c")
	f.Fuzz(func(t *testing.T, subject, body, value string) {
		want := []repository.Trailer{{Key: "Catalyst-Action", Value: "deploy"}, {Key: "Catalyst-Value", Value: value}}
		message := repository.Message(subject, body, want)
		got := repository.ParseTrailers(message)
		if len(got) != 2 || got[0] != want[0] || got[1].Key != "Catalyst-Value" || strings.ContainsAny(got[1].Value, "\n\r\x00") {
			t.Errorf("got %q from %q", got, message)
		}
		if again := repository.ParseTrailers(repository.Message(subject, body, got)); !cmp.Equal(got, again) {
			t.Errorf("got %q, then %q", got, again)
		}
	})
}

// Files that were left out at first come in one exchange, and reading them then asks the remote nothing.
func TestPrefetch(t *testing.T) {
	files := map[string]string{"link/a": "x"}
	var names []string
	for i := range 50 {
		names = append(names, fmt.Sprintf("d/%d", i))
		files[names[i]] = fmt.Sprint("content ", i)
	}
	s := begin(t, files)
	r := open(t, s.URL("environments"))
	requests := countRequests(s)
	if err := r.Snapshot().Prefetch(t.Context(), append(names, "d", "missing")); err != nil {
		t.Fatal(err)
	}
	if got := requests.Load(); got > 2 { // the references, and the pack
		t.Errorf("Prefetch made %d requests", got)
	}
	before := requests.Load()
	for i, name := range names {
		if got, err := r.Snapshot().ReadFile(t.Context(), name); err != nil || string(got) != fmt.Sprint("content ", i) {
			t.Errorf("ReadFile(%s) = %q, %v", name, got, err)
		}
	}
	if got := requests.Load() - before; got != 0 {
		t.Errorf("reading made %d requests more", got)
	}
}

func countRequests(s *gitopstest.Server) *atomic.Int64 {
	requests := &atomic.Int64{}
	wrap := func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			requests.Add(1)
			h.ServeHTTP(w, r)
		})
	}
	s.Wrap.Store(&wrap)
	return requests
}
