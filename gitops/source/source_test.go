package source_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"catalyst.dev/catalyst/gitops/source"
)

// run runs git in a folder, apart from the machine's configuration.
func run(t testing.TB, dir string, args ...string) string {
	t.Helper()
	c := exec.Command("git", args...)
	c.Dir = dir
	c.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1", "GIT_ALLOW_PROTOCOL=file:http",
		"GIT_AUTHOR_NAME=octocat", "GIT_AUTHOR_EMAIL=octocat@example.com", "GIT_COMMITTER_NAME=octocat", "GIT_COMMITTER_EMAIL=octocat@example.com",
		"GIT_AUTHOR_DATE=2024-01-02T03:04:05Z", "GIT_COMMITTER_DATE=2024-01-02T03:04:05Z")
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// newRepository commits files (a value "-> x" is a symbolic link to x) and returns the folder and the commit.
func newRepository(t testing.TB, files map[string]string) (dir, sha string) {
	t.Helper()
	dir = t.TempDir()
	run(t, dir, "init", "-q", "-b", "main")
	run(t, dir, "config", "uploadpack.allowFilter", "true")
	for name, content := range files {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		if target, ok := strings.CutPrefix(content, "-> "); ok {
			err = os.Symlink(target, name)
		} else {
			err = os.WriteFile(name, []byte(content), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	run(t, dir, "add", "-A")
	run(t, dir, "commit", "-q", "-m", "add files\n\nbody")
	return dir, run(t, dir, "rev-parse", "HEAD")
}

// serve serves a repository over HTTP and counts the requests. version2 off makes it a server of old.
func serve(t testing.TB, dir string, version2 bool) (url string, requests *atomic.Int64) {
	t.Helper()
	backend := filepath.Join(run(t, dir, "--exec-path"), "git-http-backend")
	requests = &atomic.Int64{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		env := []string{"GIT_PROJECT_ROOT=" + dir, "GIT_HTTP_EXPORT_ALL=1", "GIT_CONFIG_GLOBAL=/dev/null",
			"GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=safe.directory", "GIT_CONFIG_VALUE_0=*"}
		if version2 {
			env = append(env, "GIT_PROTOCOL="+r.Header.Get("Git-Protocol"))
		} else {
			r.Header.Del("Git-Protocol")
		}
		(&cgi.Handler{Path: backend, Env: env}).ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return server.URL + "/.git", requests
}

func newCache(t testing.TB, o source.Options) *source.Cache {
	t.Helper()
	c, err := source.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

var files = map[string]string{
	"README.md": "hello", "chart/Chart.yaml": "name: x", "chart/templates/a.yaml": "a", "chart/templates/b.yaml": "b",
	"chart/charts/c/d.yaml": "d", "Case": "1", "case": "2", "empty": "",
	"link": "-> chart/Chart.yaml", "folder": "-> chart/templates", "chart/up": "-> ../README.md",
}

func TestTreeIsAFileSystem(t *testing.T) {
	dir, sha := newRepository(t, files)
	v2, _ := serve(t, dir, true)
	v0, _ := serve(t, dir, false)
	for name, url := range map[string]string{"protocol 2": v2, "protocol 0": v0, "folder": dir, "file URL": "file://" + dir} {
		t.Run(name, func(t *testing.T) {
			c := newCache(t, source.Options{AllowLocal: true, Dir: t.TempDir()})
			tree, err := c.Tree(t.Context(), url, sha)
			if err != nil {
				t.Fatal(err)
			}
			if err := fstest.TestFS(tree, "README.md", "chart/charts/c/d.yaml", "Case", "case"); err != nil {
				t.Error(err)
			}
			got, err := fs.ReadFile(tree, "folder/b.yaml")
			if string(got) != "b" || err != nil {
				t.Errorf("through a linked folder: %q, %v", got, err)
			}
			commit, err := c.Commit(t.Context(), url, sha)
			if err != nil || commit.Subject != "add files" || commit.AuthorName != "octocat" || commit.SHA != sha {
				t.Errorf("Commit = %+v, %v", commit, err)
			}
			if got, err := c.Resolve(t.Context(), url, "main"); got != sha || err != nil {
				t.Errorf("Resolve = %s, %v; want %s", got, err, sha)
			}
			if _, err := c.Resolve(t.Context(), url, "none"); !errors.Is(err, source.ErrNotFound) {
				t.Errorf("Resolve of a missing branch: %v", err)
			}
			if _, err := c.Tree(t.Context(), url, strings.Repeat("ab", 20)); !errors.Is(err, source.ErrNotFound) {
				t.Errorf("a missing commit: %v", err)
			}
		})
	}
}

func TestFolderIsOneRequest(t *testing.T) {
	dir, sha := newRepository(t, files)
	url, requests := serve(t, dir, true)
	tree, err := newCache(t, source.Options{}).Tree(t.Context(), url, sha)
	if err != nil {
		t.Fatal(err)
	}
	before := requests.Load()
	for _, name := range []string{"chart/Chart.yaml", "chart/templates/a.yaml", "chart/templates/b.yaml", "chart/charts/c/d.yaml"} {
		if _, err := fs.ReadFile(tree, name); err != nil {
			t.Error(err)
		}
	}
	if got := requests.Load() - before; got > 2 { // capabilities and objects
		t.Errorf("reading a folder took %d requests", got)
	}
}

// What is known of a server, and the files that a commit shares with the one before it, are not asked for again.
func TestNextCommitIsOneRequest(t *testing.T) {
	dir, first := newRepository(t, files)
	run(t, dir, "commit", "-q", "--allow-empty", "-m", "second")
	second := run(t, dir, "rev-parse", "HEAD")
	url, requests := serve(t, dir, true)
	c := newCache(t, source.Options{})
	for i, sha := range []string{first, second} {
		before := requests.Load()
		tree, err := c.Tree(t.Context(), url, sha)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := fs.ReadFile(tree, "chart/charts/c/d.yaml"); string(got) != "d" || err != nil {
			t.Errorf("%q, %v", got, err)
		}
		if got, want := requests.Load()-before, []int64{3, 1}[i]; got != want {
			t.Errorf("commit %d took %d requests, want %d", i, got, want)
		}
	}
}

// A repository that moves on its server is found again by the redirect of its old address.
func TestServerThatMovesIsDiscoveredAgain(t *testing.T) {
	dir, first := newRepository(t, files)
	run(t, dir, "commit", "-q", "--allow-empty", "-m", "second")
	second := run(t, dir, "rev-parse", "HEAD")
	behind, _ := serve(t, dir, true)
	target, err := url.Parse(strings.TrimSuffix(behind, "/.git"))
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(target)
	var moved atomic.Bool
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rest, isOld := strings.CutPrefix(r.URL.Path, "/old/")
		switch {
		case !isOld || !moved.Load():
			r.URL.Path = strings.Replace(r.URL.Path, "/old/", "/.git/", 1)
			r.URL.Path = strings.Replace(r.URL.Path, "/new/", "/.git/", 1)
			proxy.ServeHTTP(w, r)
		case r.Method == http.MethodGet:
			http.Redirect(w, r, "/new/"+rest+"?"+r.URL.RawQuery, http.StatusMovedPermanently)
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(server.Close)
	c := newCache(t, source.Options{})
	for _, sha := range []string{first, second} {
		if _, err := c.Tree(t.Context(), server.URL+"/old", sha); err != nil {
			t.Fatal(err)
		}
		moved.Store(true)
	}
}

func TestOldCommitByName(t *testing.T) {
	dir, first := newRepository(t, files)
	run(t, dir, "commit", "-q", "--allow-empty", "-m", "second")
	for _, version2 := range []bool{true, false} {
		url, _ := serve(t, dir, version2)
		c := newCache(t, source.Options{})
		if got, err := c.Commit(t.Context(), url, first); err != nil || got.Subject != "add files" {
			t.Errorf("version 2 %v: %+v, %v", version2, got, err)
		}
	}
}

func TestOnceForAllAtTheSameTime(t *testing.T) {
	dir, sha := newRepository(t, files)
	url, requests := serve(t, dir, true)
	c := newCache(t, source.Options{})
	var group sync.WaitGroup
	for range 20 {
		group.Go(func() {
			if _, err := c.Tree(t.Context(), url, sha); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if got := requests.Load(); got != 2 {
		t.Errorf("%d requests, want 2", got)
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := newCache(t, source.Options{}).Tree(cancelled, url, sha); !errors.Is(err, context.Canceled) {
		t.Errorf("a waiter that gave up: %v", err)
	}
}

func TestCacheFolder(t *testing.T) {
	repo, sha := newRepository(t, files)
	url, requests := serve(t, repo, true)
	dir := t.TempDir()
	read := func() {
		t.Helper()
		tree, err := newCache(t, source.Options{Dir: dir}).Tree(t.Context(), url, sha)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := fs.ReadFile(tree, "chart/templates/a.yaml"); string(got) != "a" || err != nil {
			t.Fatalf("%q, %v", got, err)
		}
	}
	read()
	before := requests.Load()
	read()
	if got := requests.Load(); got != before {
		t.Errorf("%d requests with a full cache folder", got-before)
	}
	packs, err := filepath.Glob(filepath.Join(dir, "*", "*", "*.pack"))
	if err != nil || len(packs) == 0 {
		t.Fatalf("packs: %v, %v", packs, err)
	}
	for _, name := range packs {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		data[len(data)/2] ^= 0xff
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	read()
	if requests.Load() == before {
		t.Error("damaged packs were believed")
	}
}

func TestRefusedFiles(t *testing.T) {
	dir, _ := newRepository(t, map[string]string{
		"out": "-> ../secret", "abs": "-> /etc/passwd", "self": "-> self", "deep/a": "-> .", "trick": "-> deep/a/a/../../x",
		"lfs": "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n", "big": strings.Repeat("x", 2000),
	})
	run(t, dir, "update-index", "--add", "--cacheinfo", "160000,"+strings.Repeat("a", 40)+",vendor/lib")
	run(t, dir, "commit", "-q", "-m", "submodule")
	sha := run(t, dir, "rev-parse", "HEAD")
	url, _ := serve(t, dir, true)
	tree, err := newCache(t, source.Options{MaxFile: 1000}).Tree(t.Context(), url, sha)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"vendor/lib"}, tree.Submodules()); diff != "" {
		t.Error(diff)
	}
	link, lfs, limit, submodule := new(*source.LinkError), new(*source.LFSError), new(*source.LimitError), new(*source.SubmoduleError)
	for name, want := range map[string]any{"out": link, "abs": link, "self": link, "trick": link, "lfs": lfs, "big": limit,
		"vendor/lib": submodule, "vendor/lib/x": submodule} {
		if _, err := fs.ReadFile(tree, name); !errors.As(err, want) {
			t.Errorf("%s: %v, want %T", name, err, want)
		}
	}
}

func TestLimits(t *testing.T) {
	dir, sha := newRepository(t, files)
	url, _ := serve(t, dir, true)
	for name, o := range map[string]source.Options{"entries": {MaxEntries: 5}, "bytes": {MaxBytes: 100}} {
		var limit *source.LimitError
		if _, err := newCache(t, o).Tree(t.Context(), url, sha); !errors.As(err, &limit) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRefusedURLs(t *testing.T) {
	c := newCache(t, source.Options{})
	for _, url := range []string{"", "-u", "--upload-pack=x", "ext::sh -c x", "file:///etc", "/etc", "../x", "git://host/x", "https://",
		"https://user:secret@host/x", "https://token@host/x", "ssh://-oProxyCommand=x/y", "-oX@host:y", "host:-x", "https://host/x\n", "fd::17/foo"} {
		_, err := c.Tree(t.Context(), url, strings.Repeat("a", 40))
		if !errors.Is(err, source.ErrURL) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", url, err)
		}
	}
	for _, sha := range []string{"", "main", "HEAD", "abc123", "--x", strings.Repeat("A", 40)} {
		if _, err := c.Tree(t.Context(), "https://host.invalid/x", sha); err == nil || !strings.Contains(err.Error(), "hex digits") {
			t.Errorf("commit %q: %v", sha, err)
		}
	}
}

func TestCredentialsStayOnTheirHost(t *testing.T) {
	var leaked atomic.Int64
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { leaked.Add(1) }))
	t.Cleanup(other.Close)
	first := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, other.URL+r.URL.String(), http.StatusFound)
	}))
	t.Cleanup(first.Close)
	c := newCache(t, source.Options{Auth: func(string) *source.Auth { return &source.Auth{Username: "x", Password: "canary"} }})
	_, err := c.Tree(t.Context(), first.URL+"/x", strings.Repeat("a", 40))
	if !errors.Is(err, source.ErrURL) || leaked.Load() != 0 || strings.Contains(err.Error(), "canary") {
		t.Errorf("%v, %d requests to the other host", err, leaked.Load())
	}
}

// BenchmarkChart reads a chart of a repository of 4,380 files, ours against git's shallow clone.
func BenchmarkChart(b *testing.B) {
	large := map[string]string{}
	for i := range 4370 {
		large[fmt.Sprintf("src/m%02d/p%02d/f%d.go", i%40, i%7, i)] = strings.Repeat(fmt.Sprintln("line", i), 200)
	}
	for i := range 10 {
		large[fmt.Sprintf("chart/templates/t%d.yaml", i)] = fmt.Sprintln("kind: ConfigMap", i)
	}
	dir, sha := newRepository(b, large)
	run(b, dir, "gc", "-q")
	url, _ := serve(b, dir, true)
	b.Run("catalyst", func(b *testing.B) {
		for b.Loop() {
			tree, err := newCache(b, source.Options{}).Tree(b.Context(), url, sha)
			if err != nil {
				b.Fatal(err)
			}
			for i := range 10 {
				if _, err := fs.ReadFile(tree, fmt.Sprintf("chart/templates/t%d.yaml", i)); err != nil {
					b.Fatal(err)
				}
			}
		}
	})
	b.Run("clone", func(b *testing.B) {
		for b.Loop() {
			run(b, b.TempDir(), "clone", "-q", "--depth", "1", url, "x")
		}
	})
}
