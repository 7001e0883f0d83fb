package stack

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"
)

// grace is how long a process has to stop by itself.
const grace = 10 * time.Second

// process is a program of the stack at work, in a process group of its own.
type process struct {
	name, log string
	cmd       *exec.Cmd
	// exited is closed when the program has ended.
	exited chan struct{}
}

// start runs a program until the test ends. What it prints goes to a file in dir, which a failed test prints the end of.
func start(t testing.TB, dir, name string, args ...string) *process {
	t.Helper()
	p := &process{name: name, log: filepath.Join(dir, name+".log"), exited: make(chan struct{})}
	log, err := os.Create(p.log)
	if err != nil {
		t.Fatal(err)
	}
	p.cmd = exec.Command(Tool(t, name), args...)
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = dir, log, log
	p.cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir}
	p.cmd.SysProcAttr = attributes()
	started := make(chan error)
	go func() {
		// The kernel kills the program when the thread that started it ends: this one stays.
		runtime.LockOSThread()
		defer close(p.exited)
		defer log.Close() //nolint:errcheck // the program has written it
		err := p.cmd.Start()
		started <- err
		if err == nil {
			_ = p.cmd.Wait() // how it ended is in its log
		}
	}()
	if err := <-started; err != nil {
		t.Fatalf("starting %s: %v", name, err)
	}
	t.Cleanup(func() { p.stop(t) })
	return p
}

func (p *process) stop(t testing.TB) {
	said := p.tail() // before what it says of its own end
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		_ = syscall.Kill(-p.cmd.Process.Pid, signal) // it may have ended by itself
		select {
		case <-p.exited:
		case <-time.After(grace):
			continue
		}
		break
	}
	if t.Failed() {
		t.Logf("%s ended with %s:\n%s", p.name, p.cmd.ProcessState, said)
	}
}

// tail is the end of what the program printed.
func (p *process) tail() string {
	const most = 4 << 10
	data, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	return string(data[max(0, len(data)-most):])
}

// await asks until the answer is nil. It fails when the program ends before, or takes too long.
func (p *process) await(t testing.TB, limit time.Duration, ask func() error) {
	t.Helper()
	deadline := time.After(limit)
	for {
		err := ask()
		if err == nil {
			return
		}
		select {
		case <-p.exited:
			t.Fatalf("%s ended (%s) before it was ready: %v\n%s", p.name, p.cmd.ProcessState, err, p.tail())
		case <-deadline:
			t.Fatalf("%s is not ready: %v\n%s", p.name, fmt.Errorf("after %s: %w", limit, err), p.tail())
		case <-time.After(100 * time.Millisecond):
		}
	}
}
