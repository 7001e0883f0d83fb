//go:build linux

package test

import (
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// The demo, started before its server as an impatient person does, waits for it, and ends with commits that Git finds
// sound. Twice, with the server stopped and started in between.
func TestDemo(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	for _, commits := range []int{14, 27} {
		address := freeAddress(t)
		demo := make(chan result, 1)
		go func() {
			demo <- command{args: []string{"demo", "--data", data, "--server", "http://" + address}}.run(t.Context(), t)
		}()
		time.Sleep(500 * time.Millisecond) // the person is faster than the server
		log := &logBuffer{}
		serve := exec.Command(binary, "serve", "--demo", "--data", data, "--listen", address)
		serve.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir()}
		serve.Stdout, serve.Stderr = log, log
		if err := serve.Start(); err != nil {
			t.Fatal(err)
		}
		got := <-demo
		if err := serve.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		if err := serve.Wait(); err != nil {
			t.Errorf("the server ended badly: %v", err)
		}
		if got.code != 0 || strings.Count(got.stdout, "waiting up to") != 1 {
			t.Fatalf("the demo exits with %d\n%s%s\nthe server:\n%s", got.code, got.stdout, got.stderr, log)
		}
		checkDemo(t, filepath.Join(data, "environments.git"), commits)
	}
}

// checkDemo checks what the demo left in the environments repository.
func checkDemo(t *testing.T, dir string, commits int) {
	t.Helper()
	git := func(args ...string) string {
		out, err := exec.Command("git", append([]string{"-C", dir}, args...)...).CombinedOutput()
		if err != nil {
			t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
		}
		return string(out)
	}
	git("fsck", "--strict")
	log := strings.Split(strings.TrimSpace(git("log", "--format=%(trailers:key=Catalyst-Action,valueonly,separator=%x2C)", "main")), "\n")
	if len(log) != commits || strings.Contains("\n"+strings.Join(log, "\n")+"\n", "\n\n") {
		t.Errorf("%d commits with the actions %q, want %d, each with one", len(log), log, commits)
	}
	if objects := git("cat-file", "--batch-all-objects", "--batch"); strings.Contains(objects, "\nkind: Secret\n") {
		t.Error("a plaintext Secret is in the environments repository")
	}
	clone := filepath.Join(t.TempDir(), "environments")
	git("clone", "-q", dir, clone)
	var kinds []string
	for _, name := range []string{"environment.yaml", "hydrator.metadata", "manifests/namespace-acme-guestbook-pr-1.yaml"} {
		if _, err := fs.Stat(os.DirFS(clone), "environments/acme/guestbook/pr-1/"+name); err == nil {
			kinds = append(kinds, name)
		}
	}
	want := []string{"environment.yaml", "hydrator.metadata", "manifests/namespace-acme-guestbook-pr-1.yaml"}
	if diff := cmp.Diff(want, kinds); diff != "" {
		t.Errorf("files of an environment (-want +got):\n%s", diff)
	}
}

// freeAddress is an address on this machine that nobody listens on.
func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }() // it served its purpose
	return listener.Addr().String()
}
