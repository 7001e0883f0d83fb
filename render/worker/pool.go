package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"catalyst.dev/catalyst/render"
)

// Options of a Pool. The zero value works.
type Options struct {
	// Executable to run; this program's own when empty.
	Executable string
	// Args that make it call Main; the hidden verb that IsWorker knows when nil.
	Args []string
	// MaxWorkers alive at once, idle ones included; 4 when zero.
	MaxWorkers int
	// MaxRenders after which a worker is replaced; 100 when zero.
	MaxRenders int
	// IdleTimeout after which an unused worker ends; 5 minutes when zero.
	IdleTimeout time.Duration
	// Logger is told once what contains the workers; nothing is logged when nil.
	Logger *slog.Logger
}

// ErrClosed is returned by renders of a closed pool.
var ErrClosed = errors.New("the render pool is closed")

// Pool runs renders in child processes. It is safe for concurrent use.
type Pool struct {
	o     Options
	slots *semaphore.Weighted
	once  sync.Once
	ctx   context.Context //nolint:containedctx // the pool's life
	end   context.CancelFunc
	wg    sync.WaitGroup

	mu         sync.Mutex
	idle       []*process // least recently used first
	running    int        // renders that hold a slot
	closed     bool
	namespaces bool
	held       []string
}

// New builds a pool; the first render starts its first process.
func New(o Options) *Pool {
	if o.Args == nil {
		o.Args = []string{verb}
	}
	if o.MaxWorkers <= 0 {
		o.MaxWorkers = 4
	}
	if o.MaxRenders <= 0 {
		o.MaxRenders = 100
	}
	if o.IdleTimeout <= 0 {
		o.IdleTimeout = 5 * time.Minute
	}
	p := &Pool{o: o, slots: semaphore.NewWeighted(int64(o.MaxWorkers)), namespaces: true}
	p.ctx, p.end = context.WithCancel(context.Background())
	return p
}

// Render renders in a worker of the input's project, within spec.render of its Platform. Faults of the input, and
// what the limits stop, are *manifest.Problem, several of them joined.
func (p *Pool) Render(ctx context.Context, in render.Input) (*render.Output, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.wg.Done()
	if err := p.slots.Acquire(ctx, 1); err != nil {
		return nil, fmt.Errorf("waiting for a render worker: %w", err)
	}
	defer p.slots.Release(1)
	p.count(1)
	defer p.count(-1)
	l := limitsOf(in.Platform)
	limited, cancel := context.WithTimeout(ctx, l.timeout)
	defer cancel()
	defer context.AfterFunc(p.ctx, cancel)()
	w, err := p.take(limited, key(in, l), l)
	if err != nil {
		return nil, fmt.Errorf("starting a render worker: %w", err)
	}
	stop := context.AfterFunc(limited, w.kill)
	begun := time.Now()
	out, err := w.render(in, l)
	w.busy += time.Since(begun)
	w.renders++
	if killed := !stop(); err == nil && !killed {
		p.put(w, l)
		return out, nil
	}
	return nil, p.explain(ctx, limited, w, l, err)
}

// explain ends the worker and says what went wrong.
func (p *Pool) explain(ctx, limited context.Context, w *process, l limits, err error) error {
	var limit errLimit
	var failed errFailed
	switch {
	case errors.As(err, &limit):
		w.stop()
		return limit.error
	case errors.As(err, &failed):
		w.stop()
		return failed.error
	case ctx.Err() != nil:
		w.stop()
		return fmt.Errorf("rendering: %w", ctx.Err())
	case p.ctx.Err() != nil:
		w.stop()
		return ErrClosed
	case limited.Err() != nil:
		w.stop()
		return timeoutProblem(l)
	}
	return w.died(err, l)
}

func (p *Pool) count(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.running += n
}

func (p *Pool) enter() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return ErrClosed
	}
	p.wg.Add(1)
	return nil
}

// key of the worker that may serve an input: its project, and the limits that a process is born with.
func key(in render.Input, l limits) string {
	var project string
	if in.Project != nil {
		project = in.Project.Namespace + "/" + in.Project.Name
	}
	return fmt.Sprintf("%s %d %s", project, l.memory, l.timeout)
}

// take returns an idle worker of that key, or starts one, ending the least recently used where there is no room.
func (p *Pool) take(ctx context.Context, key string, l limits) (*process, error) {
	p.mu.Lock()
	var dead []*process
	defer func() {
		for _, w := range dead {
			w.stop()
		}
	}()
	for i := len(p.idle) - 1; i >= 0; i-- {
		if w := p.idle[i]; w.key == key {
			p.idle = slices.Delete(p.idle, i, i+1)
			w.timer.Stop()
			if w.alive() {
				p.mu.Unlock()
				return w, nil
			}
			dead = append(dead, w)
		}
	}
	// Running includes this render: what is idle beyond the rest of the room must go.
	for len(p.idle) > 0 && len(p.idle)+p.running > p.o.MaxWorkers {
		w := p.idle[0]
		p.idle = p.idle[1:]
		w.timer.Stop()
		dead = append(dead, w)
	}
	namespaces := p.namespaces
	p.mu.Unlock()
	return p.start(ctx, key, l, namespaces)
}

func (p *Pool) start(ctx context.Context, key string, l limits, namespaces bool) (*process, error) {
	o := p.o
	if o.Executable == "" {
		var err error
		if o.Executable, err = os.Executable(); err != nil {
			return nil, err
		}
	}
	w, err := start(ctx, key, o, l, namespaces)
	if err != nil && namespaces && ctx.Err() == nil {
		if w, err = start(ctx, key, o, l, false); err == nil {
			p.mu.Lock()
			p.namespaces = false
			p.mu.Unlock()
			namespaces = false
		}
	}
	if err != nil {
		return nil, err
	}
	if namespaces {
		w.held = append(w.held, "namespaces")
	}
	p.once.Do(func() {
		p.mu.Lock()
		p.held = w.held
		p.mu.Unlock()
		if p.o.Logger != nil {
			p.o.Logger.Info("rendering is contained", "by", w.held)
		}
	})
	return w, nil
}

// put keeps a worker for its project's next render, or ends it.
func (p *Pool) put(w *process, l limits) {
	p.mu.Lock()
	if p.closed || w.renders >= p.o.MaxRenders || w.busy > 2*l.timeout {
		p.mu.Unlock()
		w.stop()
		return
	}
	w.timer = time.AfterFunc(p.o.IdleTimeout, func() { p.expire(w) })
	p.idle = append(p.idle, w)
	p.mu.Unlock()
}

func (p *Pool) expire(w *process) {
	p.mu.Lock()
	i := slices.Index(p.idle, w)
	if i >= 0 {
		p.idle = slices.Delete(p.idle, i, i+1)
	}
	p.mu.Unlock()
	if i >= 0 {
		w.stop()
	}
}

// Containment lists what held in the first worker, such as "landlock"; empty before the first render.
func (p *Pool) Containment() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.held)
}

// Close kills all workers, and waits until they are reaped and their renders have returned.
func (p *Pool) Close() error {
	p.mu.Lock()
	p.closed = true
	idle := p.idle
	p.idle = nil
	p.mu.Unlock()
	p.end()
	for _, w := range idle {
		w.timer.Stop()
		w.stop()
	}
	p.wg.Wait()
	return nil
}
