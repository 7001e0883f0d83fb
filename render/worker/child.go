package worker

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"sync"

	"catalyst.dev/catalyst/render"
)

// verb is the hidden argument that makes this binary a worker.
const verb = "render-worker"

// maxStack of one goroutine in the child: a growing stack is copied, so several times this must fit the memory limit.
const maxStack = 128 << 20

// IsWorker reports whether the arguments, without the program's name, ask for a worker.
func IsWorker(args []string) bool { return len(args) == 1 && args[0] == verb }

// Main is the child: it restricts its process, then renders what comes on stdin until stdin ends, and returns the
// exit code. It must run first thing in a process of its own.
func Main(ctx context.Context, stdin io.Reader, stdout io.Writer, f func(context.Context, render.Input) (*render.Output, error)) int {
	c := &child{out: stdout, frames: make(chan []byte), requests: make(chan []byte)}
	in := bufio.NewReaderSize(stdin, 64<<10)
	if err := c.start(in); err != nil {
		fmt.Fprintf(os.Stderr, "starting the render worker: %v\n", err)
		return 1
	}
	go c.read(in)
	for {
		select {
		case <-ctx.Done():
			return 1
		case payload, ok := <-c.requests:
			if !ok {
				return 0
			}
			if err := c.render(ctx, payload, f); err != nil {
				fmt.Fprintf(os.Stderr, "answering: %v\n", err)
				return 1
			}
		}
	}
}

type child struct {
	mu       sync.Mutex // one exchange at a time
	out      io.Writer
	frames   chan []byte // answers
	requests chan []byte
}

// start reads the config and restricts the process.
func (c *child) start(in io.Reader) error {
	os.Stdout = os.Stderr // stdout speaks the protocol; what a library prints must not get in between
	kind, n, err := readHead(in)
	if err != nil {
		return err
	}
	payload, err := readPayload(in, n, maxControl)
	if err != nil || kind != frameConfig {
		return errors.Join(err, errProtocol)
	}
	var cfg config
	if err := json.Unmarshal(payload, &cfg); err != nil {
		return err
	}
	debug.SetMaxStack(maxStack)
	refuseNetwork()
	return writeJSON(c.out, frameHello, restrict(cfg))
}

// errNoNetwork is what anything that dials gets.
var errNoNetwork = errors.New("rendering has no network")

type refusing struct{}

func (refusing) RoundTrip(*http.Request) (*http.Response, error) { return nil, errNoNetwork }

func refuseNetwork() {
	http.DefaultTransport = refusing{}
	http.DefaultClient = &http.Client{Transport: refusing{}}
	net.DefaultResolver = &net.Resolver{
		PreferGo: true,
		Dial:     func(context.Context, string, string) (net.Conn, error) { return nil, errNoNetwork },
	}
}

// read hands out the parent's frames. When the parent is gone the process ends, whatever a render is doing.
func (c *child) read(in io.Reader) {
	for {
		kind, n, err := readHead(in)
		if err != nil {
			os.Exit(0)
		}
		payload, err := readPayload(in, n, maxFrame)
		if err != nil {
			os.Exit(0)
		}
		switch kind {
		case frameAnswer:
			c.frames <- payload
		case frameRequest:
			c.requests <- payload
		default:
			os.Exit(1)
		}
	}
}

func (c *child) ask(r fileRequest) (answer, [][]byte, error) {
	if err := writeJSON(c.out, frameFile, r); err != nil {
		return answer{}, nil, err
	}
	return decodeAnswer(<-c.frames)
}

func (c *child) render(ctx context.Context, payload []byte, f func(context.Context, render.Input) (*render.Output, error)) error {
	var r request
	if err := json.Unmarshal(payload, &r); err != nil {
		return err
	}
	in := render.Input{
		Platform: r.Platform, Project: r.Project, Environment: r.Environment,
		SecretNames: r.SecretNames, Sources: map[string]fs.FS{},
	}
	for _, name := range r.Sources {
		in.Sources[name] = &locked{mu: &c.mu, tree: newTree(name, c.ask)}
	}
	out, fail := call(ctx, in, f)
	c.mu.Lock()
	defer c.mu.Unlock()
	if fail != nil {
		return writeJSON(c.out, frameError, fail)
	}
	w := bufio.NewWriterSize(c.out, 256<<10)
	for _, obj := range out.Objects {
		if err := writeJSON(w, frameObject, obj.Object); err != nil {
			return err
		}
	}
	if err := writeJSON(w, frameDone, done{Unstable: out.Unstable, URL: out.URL, Report: out.Report}); err != nil {
		return err
	}
	return w.Flush()
}

// call runs the render and turns a panic into a failure.
func call(ctx context.Context, in render.Input, f func(context.Context, render.Input) (*render.Output, error)) (out *render.Output, fail *failure) {
	defer func() {
		if r := recover(); r != nil {
			out, fail = nil, &failure{Panic: clean(fmt.Sprint(r), 500)}
		}
	}()
	out, err := f(ctx, in)
	if err != nil {
		e := encodeError(err)
		return nil, &e
	}
	if out == nil {
		out = &render.Output{}
	}
	return out, nil
}

// locked lets several goroutines of a render read, one at a time.
type locked struct {
	mu   *sync.Mutex
	tree *tree
}

func (l *locked) Open(name string) (fs.File, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.tree.Open(name)
}

func (l *locked) ReadFile(name string) ([]byte, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.tree.ReadFile(name)
}

func (l *locked) ReadDir(name string) ([]fs.DirEntry, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.tree.ReadDir(name)
}

func (l *locked) Stat(name string) (fs.FileInfo, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.tree.Stat(name)
}
