package worker

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utiljson "k8s.io/apimachinery/pkg/util/json"

	"catalyst.dev/catalyst/render"
)

// errLimit wraps what ends a render from the parent's side: the worker is not used again.
type errLimit struct{ error }

func (e errLimit) Unwrap() error { return e.error }

// process is one child.
type process struct {
	key     string
	cmd     *exec.Cmd
	in      io.WriteCloser
	out     *bufio.Reader
	pipe    *os.File
	stderr  *head
	exited  chan struct{}
	held    []string
	renders int
	busy    time.Duration
	timer   *time.Timer
}

func start(ctx context.Context, key string, o Options, l limits, namespaces bool) (*process, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	p := &process{key: key, stderr: &head{}, exited: make(chan struct{}), out: bufio.NewReaderSize(r, 64<<10), pipe: r}
	p.cmd = &exec.Cmd{
		Path: o.Executable, Args: append([]string{o.Executable}, o.Args...), Env: []string{}, Dir: "/",
		Stdout: w, Stderr: p.stderr, SysProcAttr: attributes(namespaces), WaitDelay: time.Second,
	}
	if p.in, err = p.cmd.StdinPipe(); err == nil {
		err = p.cmd.Start()
	}
	if closed := w.Close(); err != nil {
		return nil, errors.Join(err, closed, r.Close())
	}
	go func() {
		_ = p.cmd.Wait() // the state is read from ProcessState
		close(p.exited)
	}()
	defer context.AfterFunc(ctx, p.kill)()
	cpu := uint64(6*l.timeout/time.Second) + 5
	if err := writeJSON(p.in, frameConfig, config{Memory: uint64(l.memory), CPUSeconds: cpu}); err != nil { //nolint:gosec // a size
		return nil, p.died(err, l)
	}
	kind, n, err := readHead(p.out)
	if err != nil || kind != frameHello {
		return nil, p.died(errors.Join(err, errProtocol), l)
	}
	payload, err := readPayload(p.out, n, maxControl)
	if err != nil || json.Unmarshal(payload, &p.held) != nil {
		return nil, p.died(errors.Join(err, errProtocol), l)
	}
	return p, nil
}

func (p *process) alive() bool {
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}

// kill ends the child at once; stop also waits until it is reaped.
func (p *process) kill() { _ = p.cmd.Process.Kill() } // it may be dead already

func (p *process) stop() {
	p.kill()
	<-p.exited
	_ = p.in.Close()
	_ = p.pipe.Close()
}

// died ends the child and says why talking to it failed.
func (p *process) died(err error, l limits) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		<-p.exited
	}
	p.stop()
	return classify(p.stderr.String(), p.cmd.ProcessState.String(), l)
}

// render runs one; an error of type errLimit, or one of reading or writing, leaves the child unusable.
func (p *process) render(in render.Input, l limits) (*render.Output, error) {
	names := make([]string, 0, len(in.Sources))
	for name := range in.Sources {
		names = append(names, name)
	}
	slices.Sort(names)
	r := request{Platform: in.Platform, Project: in.Project, Environment: in.Environment, Sources: names, SecretNames: in.SecretNames}
	if err := writeJSON(p.in, frameRequest, r); err != nil {
		return nil, err
	}
	s := &server{sources: in.Sources, limits: l}
	c := &collector{limits: l}
	for {
		kind, n, err := readHead(p.out)
		if err != nil {
			return nil, err
		}
		if kind == frameFile {
			if err := p.file(s, n); err != nil {
				return nil, err
			}
			continue
		}
		if err := c.check(kind, n); err != nil {
			return nil, errLimit{err}
		}
		payload, err := readPayload(p.out, n, n)
		if err != nil {
			return nil, err
		}
		if finished, err := c.take(kind, payload); finished || err != nil {
			return &c.out, err
		}
	}
}

func (p *process) file(s *server, n int64) error {
	payload, err := readPayload(p.out, n, maxControl)
	if err != nil {
		return err
	}
	var r fileRequest
	if err := json.Unmarshal(payload, &r); err != nil {
		return errLimit{err}
	}
	reply, err := s.answer(r)
	if err != nil {
		return errLimit{err}
	}
	return writeFrame(p.in, frameAnswer, reply)
}

// errFailed wraps an error that the render itself returned.
type errFailed struct{ error }

// collector puts an Output together within the limits.
type collector struct {
	limits limits
	out    render.Output
	bytes  int64
	values int
}

// check refuses a frame by its length, before any of it is read.
func (c *collector) check(kind byte, n int64) error {
	c.bytes += n
	switch kind {
	case frameObject:
		if len(c.out.Objects) >= c.limits.objects {
			return objectsProblem(c.limits)
		}
		if n > c.limits.objectSize {
			return objectSizeProblem(c.limits)
		}
	case frameDone:
	case frameError:
		if n > maxFailure {
			return errProtocol
		}
	default:
		return fmt.Errorf("frame %q: %w", kind, errProtocol)
	}
	if c.bytes > c.limits.output {
		return outputProblem(c.limits)
	}
	return nil
}

func (c *collector) take(kind byte, payload []byte) (bool, error) {
	switch kind {
	case frameObject:
		if c.values += countValues(payload); c.values > maxValues {
			return false, errLimit{outputProblem(c.limits)}
		}
		object := map[string]any{}
		if err := utiljson.Unmarshal(payload, &object); err != nil {
			return false, errLimit{err}
		}
		c.out.Objects = append(c.out.Objects, &unstructured.Unstructured{Object: object})
		return false, nil
	case frameDone:
		var d done
		if err := json.Unmarshal(payload, &d); err != nil {
			return false, errLimit{err}
		}
		c.out.Unstable, c.out.URL, c.out.Report = d.Unstable, d.URL, d.Report
		return true, nil
	}
	var f failure
	if err := json.Unmarshal(payload, &f); err != nil {
		return false, errLimit{err}
	}
	return false, errFailed{f.err()}
}

// countValues counts the values of a JSON text, nearly: separators and openings outside strings.
func countValues(data []byte) int {
	n, quoted := 0, false
	for i := 0; i < len(data); i++ {
		switch c := data[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case !quoted && (c == ',' || c == '{' || c == '['):
			n++
		}
	}
	return n
}
