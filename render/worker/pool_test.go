//go:build linux

package worker_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"catalyst.dev/catalyst/api/v1alpha1"
	"catalyst.dev/catalyst/render"
	"catalyst.dev/catalyst/render/manifest"
	"catalyst.dev/catalyst/render/worker"
)

func TestMain(m *testing.M) {
	if worker.IsWorker(os.Args[1:]) {
		os.Exit(worker.Main(context.Background(), os.Stdin, os.Stdout, hostile))
	}
	os.Exit(m.Run())
}

func overflow(n int) int { return overflow(n+1) + 1 }

// object with a text.
func object(text string) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{"kind": "ConfigMap", "data": map[string]any{"text": text}, "n": int64(7)}}
}

// hostile does what the environment's name says; its argument is the first secret name.
func hostile(ctx context.Context, in render.Input) (*render.Output, error) {
	out := &render.Output{}
	say := func(v ...any) { out.Objects = append(out.Objects, object(fmt.Sprint(v...))) }
	arg := slices.Concat(in.SecretNames, []string{""})[0]
	switch in.Environment.Name {
	case "real":
		return render.Render(ctx, in)
	case "overflow":
		overflow(0)
	case "panic":
		panic("boom\x1b[31m")
	case "gopanic":
		go func() { panic("elsewhere") }()
		<-ctx.Done()
	case "loop":
		for {
		}
	case "eat":
		var all [][]byte
		for {
			all = append(all, make([]byte, 64<<20))
			for i := 0; i < len(all[len(all)-1]); i += 4096 {
				all[len(all)-1][i] = 1
			}
		}
	case "output":
		for range 200 {
			say(strings.Repeat("x", 1<<19))
		}
	case "objects":
		for range 1001 {
			say("x")
		}
	case "big":
		say(strings.Repeat("x", 2<<20))
	case "garbage":
		_, _ = unix.Write(1, []byte("Z\xff\xff\xff\xffgarbage"))
		<-ctx.Done()
	case "exit":
		os.Exit(3)
	case "problems":
		return nil, errors.Join(&manifest.Problem{Field: "a", Message: "one"}, fmt.Errorf("in b: %w", &manifest.Problem{Field: "b", Message: "two"}))
	case "environ":
		say(os.Environ())
	case "dial":
		_, err := net.Dial("tcp", arg)
		say(err)
	case "exec":
		say((&exec.Cmd{Path: arg}).Run())
	case "readfile":
		_, err := os.ReadFile(arg)
		say(err)
	case "writefile":
		say(os.WriteFile(arg, []byte("x"), 0o600))
	case "descriptor":
		var stat unix.Stat_t
		for fd := range 32 {
			var want unix.Stat_t
			if _, err := fmt.Sscan(arg, &want.Ino); err != nil {
				return nil, err
			}
			if unix.Fstat(fd, &stat) == nil && stat.Ino == want.Ino {
				say("inherited")
			}
		}
		say("looked")
	case "pid":
		say(os.Getpid())
	case "walk":
		return out, fs.WalkDir(in.Sources["web"], ".", func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			data, err := fs.ReadFile(in.Sources["web"], name)
			say(name, " ", len(data))
			return err
		})
	case "fstest":
		return out, fstest.TestFS(in.Sources["web"], "a.yaml", "dir/b.yaml")
	}
	return out, nil
}

func input(name, project, arg string) render.Input {
	return render.Input{
		Platform: &v1alpha1.Platform{},
		Project:  &v1alpha1.Project{ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: project}},
		Environment: &v1alpha1.Environment{ObjectMeta: metav1.ObjectMeta{
			Namespace: "acme-" + project, Name: name,
		}},
		SecretNames: []string{arg},
	}
}

func newPool(t testing.TB, o worker.Options) *worker.Pool {
	t.Helper()
	p := worker.New(o)
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// text renders and returns the texts of the objects.
func text(t *testing.T, p *worker.Pool, in render.Input) string {
	t.Helper()
	out, err := p.Render(t.Context(), in)
	if err != nil {
		t.Fatalf("%s: %v", in.Environment.Name, err)
	}
	var all []string
	for _, obj := range out.Objects {
		s, _, _ := unstructured.NestedString(obj.Object, "data", "text")
		all = append(all, s)
	}
	return strings.Join(all, "\n")
}

func TestHostile(t *testing.T) {
	p := newPool(t, worker.Options{MaxWorkers: 2})
	for name, want := range map[string]string{
		"overflow": "the template calls itself without end",
		"panic":    "rendering panicked: boom[31m",
		"gopanic":  "rendering panicked: elsewhere",
		"loop":     "rendering took longer than 2s",
		"eat":      "rendering needed more than 2 GiB of memory",
		"output":   "more than 64 MiB of objects",
		"objects":  "more than 1000 objects",
		"big":      "an object is larger than 1 MiB",
		"garbage":  "malformed frame",
		"exit":     "the render process ended: exit status 3",
		"walk":     "more than 1 MiB of the sources",
	} {
		t.Run(name, func(t *testing.T) {
			in := input(name, "shop", "")
			if name == "loop" {
				in.Platform.Spec.Render.Timeout = &metav1.Duration{Duration: 2 * time.Second}
			}
			if name == "walk" {
				in.Platform.Spec.Render.Source = resource.NewQuantity(1<<20, resource.BinarySI)
				in.Sources = map[string]fs.FS{"web": fstest.MapFS{"a": {Data: make([]byte, 1<<20)}, "b": {Data: make([]byte, 1<<20)}}}
			}
			_, err := p.Render(t.Context(), in)
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("got %v, want %q", err, want)
			}
			if got := text(t, p, input("environ", "shop", "")); got != "[]" {
				t.Errorf("the next render: got %q, want []", got)
			}
		})
	}
}

func TestProblemsCross(t *testing.T) {
	_, err := newPool(t, worker.Options{}).Render(t.Context(), input("problems", "shop", ""))
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		t.Fatalf("got %v, want joined problems", err)
	}
	want := []error{&manifest.Problem{Field: "a", Message: "one"}, &manifest.Problem{Field: "b", Message: "two"}}
	if diff := cmp.Diff(want, joined.Unwrap()); diff != "" {
		t.Error(diff)
	}
}

func TestSources(t *testing.T) {
	p := newPool(t, worker.Options{})
	in := input("walk", "shop", "")
	in.Sources = map[string]fs.FS{"web": fstest.MapFS{"a.yaml": {Data: []byte("a")}, "dir/b.yaml": {Data: make([]byte, 100<<10)}}}
	if got, want := text(t, p, in), "a.yaml 1\ndir/b.yaml 102400"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	in.Environment.Name = "fstest"
	text(t, p, in)
}

func TestContained(t *testing.T) {
	p := newPool(t, worker.Options{})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	touched := make(chan struct{}, 1)
	go func() {
		if c, err := listener.Accept(); err == nil {
			_ = c.Close()
			touched <- struct{}{}
		}
	}()
	canary := filepath.Join(t.TempDir(), "canary")
	if err := os.WriteFile(canary, []byte("canary"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, arg string }{
		{"dial", listener.Addr().String()}, {"exec", "/bin/true"}, {"readfile", canary}, {"writefile", canary + "2"},
	} {
		got := text(t, p, input(c.name, "shop", c.arg))
		if !strings.Contains(got, "not permitted") && !strings.Contains(got, "permission denied") {
			if abi, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, 1); strings.HasSuffix(c.name, "file") && (errno != 0 || abi == 0) {
				t.Logf("%s: this kernel has no landlock", c.name)
				continue
			}
			t.Errorf("%s: got %q, want it refused", c.name, got)
		}
	}
	select {
	case <-touched:
		t.Error("a render reached the network")
	default:
	}
	t.Log(p.Containment())
}

func TestNoInheritedDescriptor(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "canary"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }() // only its number matters
	var stat unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &stat); err != nil {
		t.Fatal(err)
	}
	if got := text(t, newPool(t, worker.Options{}), input("descriptor", "shop", fmt.Sprint(stat.Ino))); got != "looked" {
		t.Errorf("got %q, want looked", got)
	}
}

func TestReuse(t *testing.T) {
	p := newPool(t, worker.Options{MaxWorkers: 2, MaxRenders: 2})
	first, second, third := text(t, p, input("pid", "shop", "")), text(t, p, input("pid", "shop", "")), text(t, p, input("pid", "shop", ""))
	if first != second || second == third {
		t.Errorf("got workers %s, %s, %s, want the first two the same, then another", first, second, third)
	}
	if other := text(t, p, input("pid", "blog", "")); other == third {
		t.Error("a worker served two projects")
	}
}

func TestConcurrentAndClose(t *testing.T) {
	p := newPool(t, worker.Options{MaxWorkers: 2})
	var wg sync.WaitGroup
	for i := range 12 {
		wg.Go(func() {
			if _, err := p.Render(t.Context(), input("pid", fmt.Sprintf("p%d", i%4), "")); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	result := make(chan error, 1)
	go func() {
		_, err := p.Render(context.Background(), input("loop", "shop", ""))
		result <- err
	}()
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-result; !errors.Is(err, worker.ErrClosed) {
		t.Errorf("got %v, want ErrClosed", err)
	}
}

func BenchmarkRender(b *testing.B) {
	files := fstest.MapFS{}
	for i := range 100 {
		files[fmt.Sprintf("d%d/f%d.yaml", i%5, i)] = &fstest.MapFile{Data: make([]byte, 1000)}
	}
	for _, name := range []string{"pid", "walk"} {
		b.Run(name, func(b *testing.B) {
			p := newPool(b, worker.Options{MaxRenders: 1 << 30})
			in := input(name, "shop", "")
			in.Sources = map[string]fs.FS{"web": files}
			for b.Loop() {
				if _, err := p.Render(b.Context(), in); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
