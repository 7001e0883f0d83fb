package test

import (
	"context"
	"fmt"
	"testing"

	"catalyst.dev/catalyst/api/v1alpha1"
	"catalyst.dev/catalyst/gitops"
	"catalyst.dev/catalyst/gitops/forge/forgetest"
	"catalyst.dev/catalyst/gitops/queue"
)

// follow looks at the environments repository until that asks for jobs, and returns them.
func (s *swept) follow() []queue.Job {
	s.t.Helper()
	ctx, cancel := context.WithCancel(s.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.loop.Follow(ctx) }()
	var jobs []queue.Job
	eventually(s.t, "the environments repository asks for jobs", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		jobs, s.jobs = s.jobs, nil
		return len(jobs) > 0
	})
	cancel()
	if err := <-ended; err != nil {
		s.t.Fatal(err)
	}
	return jobs
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
	jobs := s.follow()
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
