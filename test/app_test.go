package test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"catalyst.dev/catalyst/gitops/forge/forgetest"
	"catalyst.dev/catalyst/gitops/gitopstest"
)

// privateForge is GitHub's stand-in whose API and Git are one host, and whose repositories are an App's alone.
type privateForge struct {
	*forgetest.Server
	url     string
	refused atomic.Int64 // requests for Git without a good token
	fetched atomic.Int64
}

func newPrivateForge(t *testing.T) *privateForge {
	t.Helper()
	dir := t.TempDir()
	f := &privateForge{}
	var err error
	if f.Server, err = forgetest.New(dir, []byte("secret")); err != nil {
		t.Fatal(err)
	}
	path, err := exec.Command("git", "--exec-path").Output()
	if err != nil {
		t.Fatal(err)
	}
	git := &cgi.Handler{Path: filepath.Join(strings.TrimSpace(string(path)), "git-http-backend"), Stderr: io.Discard,
		Env: []string{"GIT_PROJECT_ROOT=" + dir, "GIT_HTTP_EXPORT_ALL=1", "GIT_CONFIG_NOSYSTEM=1", "HOME=" + dir}}
	api := f.Handler()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name, _, isGit := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), ".git/")
		if !isGit {
			api.ServeHTTP(w, r)
			return
		}
		if _, token, _ := r.BasicAuth(); !f.Allowed(name, token) {
			f.refused.Add(1)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		f.fetched.Add(1)
		git.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	f.url = server.URL
	f.CloneFrom(server.URL)
	return f
}

// installed makes the App's key, its file, and its one installation, which may read the swept repository.
func (f *privateForge) installed(t *testing.T) (keyFile string) {
	t.Helper()
	if err := f.CreateRepository(t.Context(), sweptRepository, settings("0")); err != nil {
		t.Fatal(err)
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "app.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}), 0o600); err != nil {
		t.Fatal(err)
	}
	f.Install(forgetest.App{ID: "12", Key: &key.PublicKey, Installation: "345", Repositories: []string{sweptRepository}})
	return file
}

// A project that does not name the installation cannot read what only that may, neither with its token nor from what was
// fetched for others.
func TestAppReadsForItsOwnProjects(t *testing.T) {
	f := newPrivateForge(t)
	file := f.installed(t)
	git := gitopstest.NewServer(t)
	git.InitBare("environments")
	shop := fmt.Sprintf(sweptProject, f.CloneURL(sweptRepository), "max: 5")
	git.Commit("environments", "main", "Begin", map[string]string{
		"catalyst.yaml":           sweptPlatform,
		"projects/acme/shop.yaml": strings.Replace(shop, "spec:", "spec:\n  githubInstallationId: \"345\"", 1),
		"environments/acme/shop/staging/environment.yaml": strings.Replace(sweptStaging, ", commitSha: %s", "", 1),
	}, time.Unix(1_700_000_000, 0))
	log := &logBuffer{}
	startServer(t, log, []string{"CATALYST_GITHUB_WEBHOOK_SECRET=s", "CATALYST_API_TOKEN=t", "CATALYST_GITHUB_TOKEN=the-servers-own",
		"TOKEN_ENCRYPTION_KEY=" + strings.Repeat("0123456789abcdef", 4)},
		"--environments-repo", git.URL("environments"), "--github-api", f.url, "--github-app-id", "12", "--github-app-key", file, "--poll", "1s")
	eventually(t, "staging is committed", func() bool {
		return strings.Contains(git.Git("environments", "log", "--format=%B", "main"), "Catalyst-Environment: acme/shop/staging")
	})
	head := strings.TrimSpace(git.Git("environments", "log", "-1", "--format=%(trailers:key=Argocd-reference-commit-sha,valueonly)", "main"))
	rename := strings.NewReplacer("acme", "spies", "shop", "copy")
	git.Commit("environments", "main", "Look into another's repository", map[string]string{
		"projects/spies/copy.yaml":                         strings.Replace(strings.Replace(shop, "name: shop", "name: copy", 1), "namespace: acme", "namespace: spies", 1),
		"environments/spies/copy/staging/environment.yaml": rename.Replace(fmt.Sprintf(sweptStaging, head)),
	}, time.Unix(1_700_000_100, 0))
	eventually(t, "the spy is refused", func() bool {
		return f.refused.Load() > 0 && strings.Contains(log.String(), `"environment":"spies/copy/staging","state":"failed"`)
	})
	if files := git.Git("environments", "ls-tree", "-r", "--name-only", "main", "environments/spies"); strings.Contains(files, "manifests") {
		t.Errorf("another project's private repository is rendered: %s", files)
	}
}

// The real server reads a private repository, over the API and by Git, with the tokens of the installation that its project
// names; and it gives no token to a host that a project made up.
func TestServerAsGitHubApp(t *testing.T) {
	f := newPrivateForge(t)
	file := f.installed(t)
	var stolen atomic.Int64
	thief := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			stolen.Add(1)
		}
		w.WriteHeader(http.StatusUnauthorized)
	}))
	t.Cleanup(thief.Close)
	git := gitopstest.NewServer(t)
	git.InitBare("environments")
	project := func(url string) string {
		return strings.Replace(fmt.Sprintf(sweptProject, url, "max: 5"), "spec:", "spec:\n  githubInstallationId: \"345\"", 1)
	}
	git.Commit("environments", "main", "Begin", map[string]string{
		"catalyst.yaml":                                    sweptPlatform,
		"projects/acme/shop.yaml":                          project(f.CloneURL(sweptRepository)),
		"projects/acme/thief.yaml":                         strings.Replace(project(thief.URL+"/acme/shop.git"), "name: shop", "name: thief", 1),
		"environments/acme/thief/staging/environment.yaml": strings.NewReplacer(", commitSha: %s", "", "shop", "thief").Replace(sweptStaging),
	}, time.Unix(1_700_000_000, 0))
	if _, err := f.Open(t.Context(), sweptRepository, "a", "A", forgetest.PullOptions{Labels: []string{"preview"}, Files: settings("private")}); err != nil {
		t.Fatal(err)
	}
	log := &logBuffer{}
	startServer(t, log, []string{"CATALYST_GITHUB_WEBHOOK_SECRET=s", "CATALYST_API_TOKEN=t", "CATALYST_GITHUB_TOKEN=the-servers-own",
		"TOKEN_ENCRYPTION_KEY=" + strings.Repeat("0123456789abcdef", 4)},
		"--environments-repo", git.URL("environments"), "--github-api", f.url, "--github-app-id", "12", "--github-app-key", file, "--poll", "1s")
	eventually(t, "the pull request is committed", func() bool {
		return strings.Contains(git.Git("environments", "log", "--format=%B", "main"), "Catalyst-Environment: acme/shop/pr-1")
	})
	eventually(t, "the other host is asked", func() bool { return strings.Contains(log.String(), "acme/thief/staging") })
	if f.Issued("345") != 1 || f.fetched.Load() == 0 || f.refused.Load() != 0 {
		t.Errorf("%d tokens, %d fetches, %d refused, want 1, some, none", f.Issued("345"), f.fetched.Load(), f.refused.Load())
	}
	if stolen.Load() != 0 {
		t.Errorf("%d requests to a host that a project made up carried a token", stolen.Load())
	}
	if text := log.String(); strings.Contains(text, "ghs_") || strings.Contains(text, "the-servers-own") {
		t.Error("a token is in the log")
	}
}
