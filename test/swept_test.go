package test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"catalyst.dev/catalyst/api/v1alpha1"
	"catalyst.dev/catalyst/gitops"
	"catalyst.dev/catalyst/gitops/forge"
	"catalyst.dev/catalyst/gitops/forge/forgetest"
	"catalyst.dev/catalyst/gitops/gitopstest"
	"catalyst.dev/catalyst/gitops/queue"
	"catalyst.dev/catalyst/gitops/repository"
	"catalyst.dev/catalyst/gitops/source"
	"catalyst.dev/catalyst/render"
)

const (
	sweptRepository = "acme/shop"
	sweptPlatform   = "apiVersion: catalyst.catalyst.dev/v1alpha1\nkind: Platform\nmetadata: {name: catalyst}\nspec: {domain: catalyst.localhost}\n"
	sweptProject    = `apiVersion: catalyst.catalyst.dev/v1alpha1
kind: Project
metadata: {name: shop, namespace: acme}
spec:
  sources: [{name: web, repositoryUrl: "%s", branch: main}]
  templates:
    development: {type: manifest, path: deploy}
    deployment: {type: manifest, path: deploy}
  previews: {enabled: true, labels: [preview], %s}
`
	sweptStaging = `apiVersion: catalyst.catalyst.dev/v1alpha1
kind: Environment
metadata: {name: staging, namespace: acme-shop}
spec:
  projectRef: {name: shop}
  type: deployment
  sources: [{name: web, branch: main, commitSha: %s}]
`
)

// forged is GitHub's stand-in with one application repository.
type forged struct {
	*forgetest.Server
	api   *forge.GitHub
	lists atomic.Int64
}

func newForged(t *testing.T) *forged {
	t.Helper()
	f := &forged{}
	var err error
	if f.Server, err = forgetest.New(t.TempDir(), []byte("secret")); err != nil {
		t.Fatal(err)
	}
	if err := f.CreateRepository(t.Context(), sweptRepository, settings("0")); err != nil {
		t.Fatal(err)
	}
	handler := f.Handler()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/pulls") {
			f.lists.Add(1)
		}
		handler.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	if f.api, err = forge.NewGitHub(forge.Options{BaseURL: server.URL}); err != nil {
		t.Fatal(err)
	}
	return f
}

// settings are an application's files.
func settings(value string) map[string][]byte {
	return map[string][]byte{"deploy/settings.yaml": fmt.Appendf(nil, "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {change: %q}\n", value)}
}

// swept is the real loop over an environments repository of its own, with its queue and its outcomes in memory.
type swept struct {
	t    *testing.T
	git  *gitopstest.Server
	repo *repository.Repository
	loop *gitops.Loop
	now  time.Time

	mu       sync.Mutex
	jobs     []queue.Job
	outcomes map[v1alpha1.EnvironmentKey]gitops.Outcome
}

func newSwept(t *testing.T, f *forged, previews string) *swept {
	t.Helper()
	s := &swept{t: t, git: gitopstest.NewServer(t), now: time.Now(), outcomes: map[v1alpha1.EnvironmentKey]gitops.Outcome{}}
	s.git.InitBare("environments")
	main, err := f.api.Branch(t.Context(), sweptRepository, "main")
	if err != nil {
		t.Fatal(err)
	}
	s.commit(map[string]string{
		"catalyst.yaml":           sweptPlatform,
		"projects/acme/shop.yaml": fmt.Sprintf(sweptProject, f.CloneURL(sweptRepository), previews),
		"environments/acme/shop/staging/environment.yaml": fmt.Sprintf(sweptStaging, main),
	})
	if s.repo, err = repository.Open(t.Context(), repository.Options{URL: s.git.URL("environments"), Now: func() time.Time { return s.now }}); err != nil {
		t.Fatal(err)
	}
	sources, err := source.New(source.Options{AllowLocal: true})
	if err != nil {
		t.Fatal(err)
	}
	s.loop, err = gitops.New(gitops.Config{
		Repository: s.repo, Sources: sources, Forge: f.api, Render: render.Render,
		RepositoryURL: "https://github.com/acme/environments", Version: "test", MACKey: make([]byte, 32), Logger: slog.New(slog.DiscardHandler),
		Now: func() time.Time { return s.now }, Record: s.record, Last: s.last, PollInterval: 100 * time.Millisecond,
		Enqueue: func(_ context.Context, jobs []queue.Job) error {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.jobs = append(s.jobs, jobs...)
			return nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	s.work(gitops.EnvironmentJobs([]v1alpha1.EnvironmentKey{key("staging")})...)
	return s
}

func key(name string) v1alpha1.EnvironmentKey {
	return v1alpha1.EnvironmentKey{Team: "acme", Project: "shop", Environment: name}
}

func (s *swept) commit(files map[string]string) {
	s.t.Helper()
	s.git.Commit("environments", "main", "By hand", files, time.Unix(1_700_000_000, 0))
}

func (s *swept) record(_ context.Context, o gitops.Outcome) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.outcomes[o.Key] = o
	return nil
}

func (s *swept) last(_ context.Context, key v1alpha1.EnvironmentKey) (gitops.Outcome, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o, ok := s.outcomes[key]
	return o, ok, nil
}

// work works jobs as the queue would, a refusal of the input aside.
func (s *swept) work(jobs ...queue.Job) {
	s.t.Helper()
	for _, job := range jobs {
		if err := s.loop.Work(s.t.Context(), job); err != nil && !errors.Is(err, gitops.ErrConflict) {
			s.t.Fatal(err)
		}
	}
}

// deliver takes a webhook.
func (s *swept) deliver(d forgetest.Delivery, err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
	e, err := forge.Parse(d.Event, d.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	s.work(gitops.Jobs(e, d.ID)...)
}

// sweep sweeps, works what that asked for, and returns how many jobs these were.
func (s *swept) sweep() int {
	s.t.Helper()
	if err := s.loop.Sweep(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
	jobs := s.jobs
	s.jobs = nil
	s.work(jobs...)
	return len(jobs)
}

// files are the environments and their Applications.
func (s *swept) files() map[string]string {
	s.t.Helper()
	snapshot, err := s.repo.Refresh(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	files := map[string]string{}
	for _, dir := range []string{"environments", "argocd"} {
		found, err := snapshot.Files(s.t.Context(), dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			s.t.Fatal(err)
		}
		for name, data := range found {
			files[dir+"/"+name] = string(data)
		}
	}
	return files
}

func (s *swept) exists(name string) bool {
	_, ok := s.files()["environments/acme/shop/"+name+"/environment.yaml"]
	return ok
}

// message of the newest commit.
func (s *swept) message() string {
	return s.git.Git("environments", "log", "-1", "--format=%B", "main")
}
