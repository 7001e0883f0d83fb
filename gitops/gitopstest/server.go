// Package gitopstest provides a real Git server in process for tests: bare repositories over HTTP by `git http-backend`.
package gitopstest

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// Server serves the bare repositories below a temporary folder.
type Server struct {
	t    testing.TB
	dir  string
	http *httptest.Server
	// Wrap, when set, stands before Git: it may count requests, delay them or fail them.
	Wrap atomic.Pointer[func(http.Handler) http.Handler]
	// Pushes counts the requests that carried a push.
	Pushes atomic.Int64
}

// NewServer starts a server that ends with the test.
func NewServer(t testing.TB) *Server {
	t.Helper()
	s := &Server{t: t, dir: t.TempDir()}
	backend := &cgi.Handler{
		Path: filepath.Join(strings.TrimSpace(s.git("", "--exec-path")), "git-http-backend"),
		Env: []string{"GIT_PROJECT_ROOT=" + s.dir, "GIT_HTTP_EXPORT_ALL=1", "GIT_CONFIG_NOSYSTEM=1", "HOME=" + s.dir,
			"REMOTE_USER=tester", "GIT_HTTP_MAX_REQUEST_BUFFER=100M"},
		Stderr: io.Discard,
	}
	s.http = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/git-receive-pack") {
			s.Pushes.Add(1)
		}
		h := http.Handler(backend)
		if wrap := s.Wrap.Load(); wrap != nil {
			h = (*wrap)(h)
		}
		h.ServeHTTP(w, r)
	}))
	t.Cleanup(s.http.Close)
	return s
}

// URL of a repository over HTTP.
func (s *Server) URL(name string) string { return s.http.URL + "/" + name + ".git" }

// Dir is the bare repository's folder, for git itself.
func (s *Server) Dir(name string) string { return filepath.Join(s.dir, name+".git") }

// InitBare makes an empty repository whose branch is main.
func (s *Server) InitBare(name string) {
	s.t.Helper()
	s.git("", "init", "-q", "--bare", "-b", "main", s.Dir(name))
	for _, setting := range []string{"http.receivepack", "uploadpack.allowFilter", "uploadpack.allowAnySHA1InWant"} {
		s.git(s.Dir(name), "config", setting, "true")
	}
}

// Commit puts a commit on a branch with the given files over those of its parent, an empty content deleting the file,
// and returns its hash.
func (s *Server) Commit(name, branch, message string, files map[string]string, when time.Time) string {
	s.t.Helper()
	ref := "refs/heads/" + branch
	parent := strings.TrimSpace(s.git(s.Dir(name), "for-each-ref", "--format=%(objectname)", ref))
	var stream strings.Builder
	fmt.Fprintf(&stream, "commit %s\nauthor Octo Cat <octocat@example.com> %d +0000\ncommitter Octo Cat <octocat@example.com> %d +0000\n", ref, when.Unix(), when.Unix())
	fmt.Fprintf(&stream, "data %d\n%s\n", len(message), message)
	if parent != "" {
		fmt.Fprintf(&stream, "from %s\n", parent)
	}
	for _, file := range slices.Sorted(maps.Keys(files)) {
		if content := files[file]; content != "" {
			fmt.Fprintf(&stream, "M 100644 inline %s\ndata %d\n%s\n", file, len(content), content)
			continue
		}
		fmt.Fprintf(&stream, "D %s\n", file)
	}
	s.Import(name, stream.String())
	return strings.TrimSpace(s.git(s.Dir(name), "rev-parse", ref))
}

// Import feeds a stream to git fast-import.
func (s *Server) Import(name, stream string) {
	s.t.Helper()
	cmd := s.command(s.Dir(name), "fast-import", "--quiet", "--force")
	cmd.Stdin = strings.NewReader(stream)
	if out, err := cmd.CombinedOutput(); err != nil {
		s.t.Fatalf("git fast-import: %v\n%s", err, out)
	}
}

// Git runs git in a repository and returns what it prints.
func (s *Server) Git(name string, args ...string) string {
	s.t.Helper()
	return s.git(s.Dir(name), args...)
}

func (s *Server) git(dir string, args ...string) string {
	s.t.Helper()
	out, err := s.command(dir, args...).CombinedOutput()
	if err != nil {
		s.t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// command is git without the user's or the system's settings.
func (s *Server) command(dir string, args ...string) *exec.Cmd {
	cmd := exec.Command("git", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL="+os.DevNull,
		"GIT_AUTHOR_NAME=Octo Cat", "GIT_AUTHOR_EMAIL=octocat@example.com", "GIT_COMMITTER_NAME=Octo Cat", "GIT_COMMITTER_EMAIL=octocat@example.com")
	return cmd
}
