package queue_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"catalyst.dev/catalyst/gitops/queue"
)

// crashEnv makes the test binary the process that is killed; its value is the queue's file.
const crashEnv = "CATALYST_TEST_CRASH"

func TestMain(m *testing.M) {
	if path := os.Getenv(crashEnv); path != "" {
		if err := workForEver(path); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// workForEver accepts two deliveries, works their jobs without end and says so.
func workForEver(path string) error {
	ctx := context.Background()
	q, err := queue.Open(ctx, queue.Options{Path: path})
	if err != nil {
		return err
	}
	for n := range 2 {
		if _, err := q.Accept(ctx, delivery(fmt.Sprint("d", n)), []queue.Job{pullRequest(n + 1)}); err != nil {
			return err
		}
	}
	return q.Run(ctx, func(_ context.Context, job queue.Job) error {
		fmt.Println("running", job.Number)
		select {}
	})
}

func TestJobsOfAKilledProcessRunAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "catalyst.db")
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), crashEnv+"="+path)
	child.Stderr = os.Stderr
	stdout, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(stdout)
	for range 2 {
		if !lines.Scan() {
			t.Fatal("the process ended before it worked both jobs")
		}
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := child.Wait(); err == nil {
		t.Fatal("the process was not killed")
	}

	q := open(t, path)
	if got, want := stats(t, q), (queue.Stats{Waiting: 2}); got != want {
		t.Fatalf("after the restart: got %+v, want %+v", got, want)
	}
	if accept(t, q, delivery("d0"), pullRequest(1)) {
		t.Error("a delivery from before the crash was accepted again")
	}
	worked := make(chan int, 10)
	run(t, q, func(_ context.Context, job queue.Job) error { worked <- job.Number; return nil })
	settle(t, q)
	if sum := <-worked + <-worked; sum != 3 || len(worked) != 0 {
		t.Errorf("got pull requests that add up to %d and %d more, want 1 and 2 once each", sum, len(worked))
	}
}
