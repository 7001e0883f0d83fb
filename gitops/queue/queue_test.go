package queue_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"catalyst.dev/catalyst/gitops/queue"
)

func pullRequest(n int) queue.Job {
	return queue.Job{Kind: queue.KindPullRequest, Repository: "acme/shop", Number: n, Actor: "github:octocat"}
}

func delivery(id string) queue.Delivery {
	return queue.Delivery{ID: id, Event: "pull_request", Repository: "acme/shop", ReceivedAt: time.Now()}
}

// open opens a queue whose failures are tried again at once.
func open(t testing.TB, path string) *queue.Queue {
	t.Helper()
	q, err := queue.Open(context.Background(), queue.Options{
		Path: path, RetryAfter: func(int) time.Duration { return 0 }, MaxAttempts: 4,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := q.Close(); err != nil {
			t.Error(err)
		}
	})
	return q
}

// run works jobs until stop is called, which waits for Run to return.
func run(t testing.TB, q *queue.Queue, work func(context.Context, queue.Job) error) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- q.Run(ctx, work) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return stop
}

// settle waits until no job is left.
func settle(t testing.TB, q *queue.Queue) {
	t.Helper()
	for stats(t, q) != (queue.Stats{}) {
		time.Sleep(5 * time.Millisecond)
	}
}

func stats(t testing.TB, q *queue.Queue) queue.Stats {
	t.Helper()
	s, err := q.Stats(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func accept(t testing.TB, q *queue.Queue, d queue.Delivery, jobs ...queue.Job) bool {
	t.Helper()
	accepted, err := q.Accept(context.Background(), d, jobs)
	if err != nil {
		t.Fatal(err)
	}
	return accepted
}

func TestAcceptWritesDeliveryAndJobsTogether(t *testing.T) {
	path := filepath.Join(t.TempDir(), "catalyst.db")
	q := open(t, path)
	if !accept(t, q, delivery("d1"), pullRequest(1), pullRequest(2)) {
		t.Error("a new delivery was not accepted")
	}
	if accept(t, q, delivery("d1"), pullRequest(3)) {
		t.Error("a known delivery was accepted")
	}
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	q = open(t, path)
	if got, want := stats(t, q), (queue.Stats{Waiting: 2}); got != want {
		t.Errorf("after reopening: got %+v, want %+v", got, want)
	}
	if accept(t, q, delivery("d1"), pullRequest(3)) {
		t.Error("a known delivery was accepted after reopening")
	}
}

func TestInvalidJobLeavesItsDeliveryUnknown(t *testing.T) {
	q := open(t, filepath.Join(t.TempDir(), "catalyst.db"))
	for _, bad := range []queue.Job{{}, {Kind: "pull-request"}, {Kind: "branch", Repository: "acme/shop"}, {Kind: "environment"}} {
		accepted, err := q.Accept(t.Context(), delivery("d1"), []queue.Job{pullRequest(1), bad})
		if accepted || !errors.Is(err, queue.ErrInvalidJob) {
			t.Errorf("%+v: got %v, %v; want ErrInvalidJob", bad, accepted, err)
		}
	}
	if got := stats(t, q); got != (queue.Stats{}) {
		t.Errorf("got %+v, want no job", got)
	}
	if !accept(t, q, delivery("d1"), pullRequest(1)) {
		t.Error("the delivery was recorded though its jobs were not")
	}
}

func TestThousandRepetitionsMakeOneJob(t *testing.T) {
	q := open(t, filepath.Join(t.TempDir(), "catalyst.db"))
	var accepted atomic.Int64
	var group sync.WaitGroup
	for range 1000 {
		group.Go(func() {
			ok, err := q.Accept(t.Context(), delivery("same"), []queue.Job{pullRequest(1)})
			if err != nil {
				t.Error(err)
			}
			if ok {
				accepted.Add(1)
			}
		})
	}
	group.Wait()
	if got := accepted.Load(); got != 1 {
		t.Errorf("accepted %d times, want once", got)
	}
	if got, want := stats(t, q), (queue.Stats{Waiting: 1}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestFailedJobsAreTriedAgain(t *testing.T) {
	q := open(t, filepath.Join(t.TempDir(), "catalyst.db"))
	var mu sync.Mutex
	got := map[int]int{}
	run(t, q, func(_ context.Context, job queue.Job) error {
		mu.Lock()
		defer mu.Unlock()
		got[job.Number]++
		switch n := got[job.Number]; {
		case job.Number == 1 && n < 3:
			return errors.New("not yet")
		case job.Number == 2:
			return fmt.Errorf("planning: %w", queue.Permanent(errors.New("no such project")))
		case job.Number == 3:
			return errors.New("never")
		case job.Number == 4 && n < 6: // more often than MaxAttempts
			return queue.Snooze(0)
		case job.Number == 5 && n == 1:
			panic("a bug")
		}
		return nil
	})
	if err := q.Enqueue(t.Context(), pullRequest(1), pullRequest(2), pullRequest(3), pullRequest(4), pullRequest(5)); err != nil {
		t.Fatal(err)
	}
	settle(t, q)
	mu.Lock()
	defer mu.Unlock()
	if diff := cmp.Diff(map[int]int{1: 3, 2: 1, 3: 4, 4: 6, 5: 2}, got); diff != "" {
		t.Errorf("attempts (-want +got):\n%s", diff)
	}
}

func TestJobsOfOneSubjectRunAloneAndTheNewestRuns(t *testing.T) {
	q := open(t, filepath.Join(t.TempDir(), "catalyst.db"))
	const subjects, each = 5, 100
	for i := range each {
		for n := range subjects {
			job := pullRequest(n + 1)
			job.Delivery = fmt.Sprintf("%03d", i)
			if err := q.Enqueue(t.Context(), job); err != nil {
				t.Fatal(err)
			}
		}
	}
	var running [subjects + 1]atomic.Int64
	var newest [subjects + 1]string
	run(t, q, func(_ context.Context, job queue.Job) error {
		if running[job.Number].Add(1) > 1 {
			t.Errorf("two jobs of pull request %d at once", job.Number)
		}
		defer running[job.Number].Add(-1)
		newest[job.Number] = max(newest[job.Number], job.Delivery)
		return nil
	})
	settle(t, q)
	for n := 1; n <= subjects; n++ {
		if got, want := newest[n], fmt.Sprintf("%03d", each-1); got != want {
			t.Errorf("pull request %d: newest job worked %s, want %s", n, got, want)
		}
	}
}

func TestNewestWaitingJobCoversOlderOnes(t *testing.T) {
	q := open(t, filepath.Join(t.TempDir(), "catalyst.db"))
	started, proceed := make(chan string, 10), make(chan struct{})
	run(t, q, func(_ context.Context, job queue.Job) error {
		started <- job.Delivery
		<-proceed
		return nil
	})
	enqueue := func(id string) {
		job := pullRequest(1)
		job.Delivery = id
		if err := q.Enqueue(t.Context(), job); err != nil {
			t.Error(err)
		}
	}
	enqueue("first")
	got := []string{<-started}
	enqueue("second")
	enqueue("third")
	for stats(t, q) != (queue.Stats{Running: 2}) { // the first runs, the third waits for its turn, the second is covered
		time.Sleep(5 * time.Millisecond)
	}
	close(proceed)
	settle(t, q)
	got = append(got, <-started)
	if diff := cmp.Diff([]string{"first", "third"}, got); diff != "" || len(started) > 0 {
		t.Errorf("worked (-want +got):\n%s and %d more", diff, len(started))
	}
}

func TestRunningJobsFinishWhenRunEnds(t *testing.T) {
	q := open(t, filepath.Join(t.TempDir(), "catalyst.db"))
	started, proceed := make(chan struct{}), make(chan struct{})
	stop := run(t, q, func(ctx context.Context, _ queue.Job) error {
		close(started)
		<-proceed
		return ctx.Err()
	})
	if err := q.Enqueue(t.Context(), pullRequest(1)); err != nil {
		t.Fatal(err)
	}
	<-started
	stopped := make(chan struct{})
	go func() { stop(); close(stopped) }()
	close(proceed)
	<-stopped
	if got := stats(t, q); got != (queue.Stats{}) {
		t.Errorf("got %+v, want the job finished", got)
	}
}

func TestUnfinishedJobsAreHandedBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "catalyst.db")
	q, err := queue.Open(t.Context(), queue.Options{Path: path, DrainTimeout: time.Millisecond, MaxAttempts: 1})
	if err != nil {
		t.Fatal(err)
	}
	started := make(chan struct{})
	stop := run(t, q, func(ctx context.Context, _ queue.Job) error {
		close(started)
		<-ctx.Done()
		return ctx.Err()
	})
	if err := q.Enqueue(t.Context(), pullRequest(1)); err != nil {
		t.Fatal(err)
	}
	<-started
	stop()
	if got, want := stats(t, q), (queue.Stats{Waiting: 1}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestOldDeliveriesAreForgotten(t *testing.T) {
	q := open(t, filepath.Join(t.TempDir(), "catalyst.db"))
	old, recent := delivery("old"), delivery("recent")
	old.ReceivedAt = time.Now().Add(-31 * 24 * time.Hour)
	recent.ReceivedAt = time.Now().Add(-29 * 24 * time.Hour)
	accept(t, q, old)
	accept(t, q, recent)
	run(t, q, func(context.Context, queue.Job) error { return nil })
	for !accept(t, q, delivery("old")) {
		time.Sleep(5 * time.Millisecond)
	}
	if accept(t, q, recent) {
		t.Error("a delivery of 29 days ago was forgotten")
	}
}

func TestOutcomes(t *testing.T) {
	q := open(t, filepath.Join(t.TempDir(), "catalyst.db"))
	at := time.Date(2026, 1, 2, 3, 4, 5, 6_000_000, time.UTC)
	first := queue.Outcome{
		Key: "acme/shop/pr-1", Repository: "acme/shop", PRNumber: 1, SourceSHA: "3f2a9c1", State: queue.StateFailed,
		Message: "no such path", Report: json.RawMessage(`{"a":1}`), At: at,
	}
	second := queue.Outcome{Key: "acme/shop/pr-2", Repository: "acme/shop", PRNumber: 2, State: queue.StateCommitted, At: at.Add(time.Hour)}
	changed := first
	changed.State, changed.Revision, changed.Report = queue.StateCommitted, "abc", nil
	for _, o := range []queue.Outcome{first, second} {
		if err := q.SaveOutcome(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	got, err := q.Outcome(t.Context(), first.Key)
	if diff := cmp.Diff(first, got); diff != "" || err != nil {
		t.Errorf("got error %v (-want +got):\n%s", err, diff)
	}
	if err := q.SaveOutcome(t.Context(), changed); err != nil {
		t.Fatal(err)
	}
	got, err = q.Outcome(t.Context(), first.Key)
	if diff := cmp.Diff(changed, got); diff != "" || err != nil {
		t.Errorf("changed: got error %v (-want +got):\n%s", err, diff)
	}
	got, err = q.Outcome(t.Context(), second.Key)
	if diff := cmp.Diff(second, got); diff != "" || err != nil {
		t.Errorf("another: got error %v (-want +got):\n%s", err, diff)
	}
	if _, err := q.Outcome(t.Context(), "acme/shop/pr-3"); !errors.Is(err, queue.ErrNotFound) {
		t.Errorf("got %v, want ErrNotFound", err)
	}
}

func TestOneProcessAtATime(t *testing.T) {
	path := filepath.Join(t.TempDir(), "catalyst.db")
	open(t, path)
	if _, err := queue.Open(t.Context(), queue.Options{Path: path}); !errors.Is(err, queue.ErrInUse) {
		t.Errorf("got %v, want ErrInUse", err)
	}
}

func TestClosedQueueRefuses(t *testing.T) {
	q := open(t, filepath.Join(t.TempDir(), "catalyst.db"))
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := q.Accept(t.Context(), delivery("d1"), nil); !errors.Is(err, queue.ErrClosed) {
		t.Errorf("got %v, want ErrClosed", err)
	}
}
