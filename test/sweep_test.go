package test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"catalyst.dev/catalyst/gitops"
	"catalyst.dev/catalyst/gitops/forge/forgetest"
)

// event lets something happen to a pull request at random, or nothing where it cannot.
func (f *forged) event(ctx context.Context, number int, random *rand.Rand) (forgetest.Delivery, error) {
	change := settings(fmt.Sprint(random.Uint64()))
	switch random.IntN(7) {
	case 0, 1:
		return f.Push(ctx, sweptRepository, number, "Change", change)
	case 2:
		return f.Close(ctx, sweptRepository, number, false)
	case 3:
		return f.Reopen(ctx, sweptRepository, number)
	case 4:
		return f.SetDraft(ctx, sweptRepository, number, random.IntN(2) == 0)
	case 5:
		return f.Label(ctx, sweptRepository, number, "preview", random.IntN(2) == 0)
	}
	return f.PushBranch(ctx, sweptRepository, "main", "Change main", change)
}

// Whatever part of the deliveries is lost, a sweep ends in the state that all of them would have ended in.
func TestSweepFindsWhatLostWebhooksTold(t *testing.T) {
	const pulls, events, lost = 12, 120, 0.3
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	f := newForged(t)
	all, some := newSwept(t, f, "max: 100"), newSwept(t, f, "max: 100")
	deliver := func(d forgetest.Delivery, err error) {
		var refused *forgetest.Error
		if errors.As(err, &refused) {
			return // such as closing what is closed
		}
		all.deliver(d, err)
		if random.Float64() >= lost {
			some.deliver(d, err)
		}
	}
	for i := range pulls {
		deliver(f.Open(t.Context(), sweptRepository, fmt.Sprintf("b%d", i), "Try", forgetest.PullOptions{
			Draft: i%5 == 0, Labels: []string{"preview"}[:random.IntN(2)], Files: settings(fmt.Sprint(i))}))
	}
	for range events {
		deliver(f.event(t.Context(), 1+random.IntN(pulls), random))
	}
	found := some.sweep()
	if diff := cmp.Diff(all.files(), some.files()); diff != "" {
		t.Errorf("after the sweep (-all delivered, +some):\n%s", diff)
	}
	t.Logf("the sweep asked for %d jobs", found)
	if again := some.sweep(); again != 0 {
		t.Errorf("a second sweep asked for %d jobs, want 0", again)
	}
	if everything := all.sweep(); everything != 0 {
		t.Errorf("where nothing was lost, a sweep asked for %d jobs, want 0", everything)
	}
}

// With every delivery lost, one sweep makes all; with one list for the repository, whatever the number.
func TestSweepAlone(t *testing.T) {
	f := newForged(t)
	s := newSwept(t, f, "max: 100")
	for i := range 5 {
		if _, err := f.Open(t.Context(), sweptRepository, fmt.Sprintf("b%d", i), "Try", forgetest.PullOptions{
			Fork: i == 4, Labels: []string{"preview"}, Files: settings(fmt.Sprint(i))}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := f.PushBranch(t.Context(), sweptRepository, "main", "Change", settings("main")); err != nil {
		t.Fatal(err)
	}
	if got := s.sweep(); got != 6 || f.lists.Load() != 1 {
		t.Errorf("%d jobs and %d lists, want 5 pull requests and staging from one list", got, f.lists.Load())
	}
	for i := range 5 {
		name := fmt.Sprintf("pr-%d", i+1)
		if got, fork := s.exists(name), i == 4; got == fork {
			t.Errorf("%s exists: %t", name, got)
		}
	}
	if got := s.files()["environments/acme/shop/staging/manifests/configmap-settings.yaml"]; !strings.Contains(got, "main") {
		t.Errorf("staging did not move on:\n%s", got)
	}
	if got := s.sweep(); got != 0 {
		t.Errorf("a second sweep asked for %d jobs, want 0: the fork's is rendered already", got)
	}
}

// What a person took back stays so, until the next commit of the source.
func TestSweepBringsNothingBack(t *testing.T) {
	f := newForged(t)
	s := newSwept(t, f, "max: 100")
	for i := range 2 {
		s.deliver(f.Open(t.Context(), sweptRepository, fmt.Sprintf("b%d", i), "Try", forgetest.PullOptions{Labels: []string{"preview"}, Files: settings("1")}))
	}
	before := s.files()
	s.deliver(f.Push(t.Context(), sweptRepository, 1, "Break it", settings("2")))
	s.deliver(f.PushBranch(t.Context(), sweptRepository, "main", "Break it", settings("2")))
	s.revert(before)
	s.commit(map[string]string{"environments/acme/shop/pr-2/environment.yaml": ""})
	reverted := s.files()
	if got := s.sweep(); got != 0 {
		t.Errorf("the sweep asked for %d jobs, want 0", got)
	}
	if diff := cmp.Diff(reverted, s.files()); diff != "" {
		t.Errorf("the sweep changed what a person took back:\n%s", diff)
	}
	for number := 1; number <= 2; number++ {
		if _, err := f.Push(t.Context(), sweptRepository, number, "Mend it", settings("3")); err != nil {
			t.Fatal(err)
		}
	}
	if got := s.sweep(); got != 2 || !s.exists("pr-2") {
		t.Errorf("%d jobs after new commits, want 2", got)
	}
}

// revert commits the files as they were, as git revert does.
func (s *swept) revert(files map[string]string) {
	s.t.Helper()
	for name := range s.files() {
		if _, was := files[name]; !was {
			files[name] = ""
		}
	}
	s.commit(files)
}

func TestPreviewsExpire(t *testing.T) {
	f := newForged(t)
	s := newSwept(t, f, "max: 100, ttl: 168h")
	start := s.now
	for i := range 2 {
		s.deliver(f.Open(t.Context(), sweptRepository, fmt.Sprintf("b%d", i), "Try", forgetest.PullOptions{Labels: []string{"preview"}, Files: settings("1")}))
	}
	at := func(age time.Duration, one, two bool) {
		t.Helper()
		s.now = start.Add(age)
		s.sweep()
		if s.exists("pr-1") != one || s.exists("pr-2") != two || !s.exists("staging") {
			t.Errorf("after %s: pr-1 %t, pr-2 %t, staging %t, want %t, %t, true", age, s.exists("pr-1"), s.exists("pr-2"), s.exists("staging"), one, two)
		}
	}
	at(100*time.Hour, true, true)
	s.deliver(f.Push(t.Context(), sweptRepository, 2, "Change", settings("2")))
	at(167*time.Hour, true, true)
	at(169*time.Hour, false, true)
	if got := s.message(); !strings.Contains(got, "Catalyst-Action: delete") || !strings.Contains(got, "168h") || !strings.Contains(got, "acme/shop/pr-1") {
		t.Errorf("the commit does not say what was deleted and why:\n%s", got)
	}
	if got := s.outcomes[key("pr-1")]; got.State != gitops.StateExpired || got.Revision == "" {
		t.Errorf("got the outcome %+v, want expired", got)
	}
	at(170*time.Hour, false, true) // the pull request is open still: it is not brought back
	at(269*time.Hour, false, false)
	s.deliver(f.Push(t.Context(), sweptRepository, 1, "Change", settings("3")))
	at(270*time.Hour, true, false)
}

func TestSweepFillsFreedRoom(t *testing.T) {
	f := newForged(t)
	s := newSwept(t, f, "max: 2")
	for i := range 4 {
		s.deliver(f.Open(t.Context(), sweptRepository, fmt.Sprintf("b%d", i), "Try", forgetest.PullOptions{Labels: []string{"preview"}, Files: settings("1")}))
	}
	for range 2 {
		if got := s.sweep(); got != 0 || !s.exists("pr-1") || !s.exists("pr-2") || s.exists("pr-3") || s.exists("pr-4") {
			t.Errorf("with no room the sweep asked for %d jobs, want 0", got)
		}
	}
	s.deliver(f.Close(t.Context(), sweptRepository, 1, false))
	s.sweep()
	if s.exists("pr-1") || !s.exists("pr-2") || s.exists("pr-3") == s.exists("pr-4") {
		t.Errorf("one of pr-3 (%t) and pr-4 (%t) should have taken the room of pr-1", s.exists("pr-3"), s.exists("pr-4"))
	}
}
