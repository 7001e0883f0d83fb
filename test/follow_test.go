package test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"catalyst.dev/catalyst/api/v1alpha1"
	"catalyst.dev/catalyst/gitops"
	"catalyst.dev/catalyst/gitops/forge/forgetest"
	"catalyst.dev/catalyst/gitops/queue"
)

// following looks at the environments repository until the test ends; what it returns waits for the jobs that this asks for.
func (s *swept) following() func() []queue.Job {
	ctx, cancel := context.WithCancel(s.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.loop.Follow(ctx) }()
	s.t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			s.t.Error(err)
		}
	})
	return func() []queue.Job {
		s.t.Helper()
		var jobs []queue.Job
		eventually(s.t, "the environments repository asks for jobs", func() bool {
			s.mu.Lock()
			defer s.mu.Unlock()
			jobs, s.jobs = s.jobs, nil
			return len(jobs) > 0
		})
		return jobs
	}
}

// Input that a person broke and mended ends as if it never had been: no failure stays to be shown. A failure of a newer
// commit stays.
func TestMendedInputClearsTheFailure(t *testing.T) {
	f := newForged(t)
	s := newSwept(t, f, "max: 100")
	s.deliver(f.Open(t.Context(), sweptRepository, "b", "Try", forgetest.PullOptions{Labels: []string{"preview"}, Files: settings("1")}))
	broken, err := f.Push(t.Context(), sweptRepository, 1, "Break", map[string][]byte{"deploy/settings.yaml": []byte("kind: {")})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.loop.Work(t.Context(), queue.Job{Kind: queue.KindPullRequest, Repository: sweptRepository, Number: broken.Number}); err == nil {
		t.Fatal("a broken manifest passed")
	}
	project := fmt.Sprintf(sweptProject, f.CloneURL(sweptRepository), "max: 100")
	s.commit(map[string]string{"projects/acme/shop.yaml": fmt.Sprintf(sweptProject, f.CloneURL(sweptRepository), "typo: 1")})
	staging := gitops.EnvironmentJobs([]v1alpha1.EnvironmentKey{key("staging")})
	s.files() // reads the tip
	if err := s.loop.Work(t.Context(), staging[0]); err == nil {
		t.Fatal("a broken project passed")
	}
	s.commit(map[string]string{"projects/acme/shop.yaml": project})
	s.files()
	jobs := s.following()()
	if len(jobs) != 1 || jobs[0].Environment != "acme/shop/staging" {
		t.Fatalf("got the jobs %+v, want one for staging", jobs)
	}
	s.work(jobs...)
	if got := s.outcomes[key("staging")]; got.State != gitops.StateUnchanged {
		t.Errorf("staging is %+v, want unchanged", got)
	}
	if got := s.outcomes[key("pr-1")]; got.State != gitops.StateFailed {
		t.Errorf("the pull request is %+v, want failed", got)
	}
}

// A person who deletes an environment's folder deletes the environment: its Application goes as well, and nothing else.
func TestFolderDeletedByHand(t *testing.T) {
	f := newForged(t)
	s := newSwept(t, f, "max: 100")
	for range 2 {
		s.deliver(f.Open(t.Context(), sweptRepository, fmt.Sprint(len(s.outcomes)), "Try", forgetest.PullOptions{Labels: []string{"preview"}, Files: settings("1")}))
	}
	before := s.files()
	gone := map[string]string{}
	for name := range before {
		if strings.HasPrefix(name, "environments/acme/shop/pr-1/") {
			gone[name] = ""
		}
	}
	gone["argocd/acme/own.yaml"] = "kind: Application\nmetadata: {name: own}\n" // a person's own stays
	s.commit(gone)
	delete(gone, "argocd/acme/own.yaml")
	jobs := s.following()()
	if len(jobs) != 1 || jobs[0].Environment != "acme/shop/pr-1" {
		t.Fatalf("got the jobs %+v, want one for pr-1", jobs)
	}
	s.work(jobs...)
	after := s.files()
	for name := range after {
		delete(before, name)
	}
	for name := range gone {
		delete(before, name)
	}
	if diff := cmp.Diff([]string{"argocd/acme/shop-pr-1.yaml"}, sorted(before)); diff != "" {
		t.Errorf("what went with the folder (-want +got):\n%s", diff)
	}
	if _, ok := after["argocd/acme/own.yaml"]; !ok {
		t.Error("an Application that Catalyst did not write is gone")
	}
	if m := s.message(); !strings.Contains(m, "Catalyst-Environment: acme/shop/pr-1\nCatalyst-Action: delete\n") {
		t.Errorf("the commit says\n%s", m)
	}
}
