package queue

import (
	"context"
	"sync"
)

// gate lets one job of a subject run at a time, and one more wait: the newest. A job that finds a newer one running or
// waiting is covered by it: the newer one was made later, so what it looks at is at least as new, and it is durable.
type gate struct {
	mu       sync.Mutex
	subjects map[string]*turn
}

// turn is a subject's running job and the one that waits for it to end.
type turn struct {
	running int64
	waiting *waiter
}

type waiter struct {
	id    int64
	ready chan bool // true: your turn; false: covered by a newer job
}

// enter waits for the subject's turn. It reports false when a newer job does this one's work, and an error when ctx
// ends first. After true the caller must leave.
func (g *gate) enter(ctx context.Context, subject string, id int64) (bool, error) {
	w, turned := g.line(subject, id)
	if w == nil {
		return turned, nil
	}
	select {
	case mine := <-w.ready:
		return mine, nil
	case <-ctx.Done():
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if t := g.subjects[subject]; t != nil && t.waiting == w {
		t.waiting = nil
		return false, ctx.Err()
	}
	return <-w.ready, nil // the answer came at the same moment
}

// line takes the turn, or a place in the line (a waiter), or neither.
func (g *gate) line(subject string, id int64) (w *waiter, turned bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	t := g.subjects[subject]
	if t == nil {
		if g.subjects == nil {
			g.subjects = map[string]*turn{}
		}
		g.subjects[subject] = &turn{running: id}
		return nil, true
	}
	if t.running > id {
		return nil, false
	}
	if t.waiting != nil {
		if t.waiting.id > id {
			return nil, false
		}
		t.waiting.ready <- false
	}
	t.waiting = &waiter{id: id, ready: make(chan bool, 1)}
	return t.waiting, false
}

// leave hands the turn to the job that waits.
func (g *gate) leave(subject string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	t := g.subjects[subject]
	if t.waiting == nil {
		delete(g.subjects, subject)
		return
	}
	t.running = t.waiting.id
	t.waiting.ready <- true
	t.waiting = nil
}
