package queue

import (
	"context"
	"sync"
)

// maxBatch bounds a transaction, and so the wait of the last one in it.
const maxBatch = 256

// request is a delivery, jobs, or both, to be written together. Done is closed when accepted and err are set.
type request struct {
	delivery *Delivery
	jobs     []Job
	accepted bool
	err      error
	done     chan struct{}
}

// batcher lets concurrent requests share transactions: while one commits, the next gather. It holds a goroutine only
// while there is work.
type batcher struct {
	commit func(batch []*request) // sets accepted and err

	mu      sync.Mutex
	waiting []*request
	busy    bool
	closed  bool
	running sync.WaitGroup
}

// do writes the request and waits for it. When ctx ends first, the request may still be written.
func (b *batcher) do(ctx context.Context, r *request) (bool, error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	r.done = make(chan struct{})
	if !b.add(r) {
		return false, ErrClosed
	}
	select {
	case <-r.done:
		return r.accepted, r.err
	case <-ctx.Done():
		return false, ctx.Err()
	}
}

func (b *batcher) add(r *request) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return false
	}
	b.waiting = append(b.waiting, r)
	if !b.busy {
		b.busy = true
		b.running.Go(b.drain)
	}
	return true
}

// drain commits batches until nothing waits.
func (b *batcher) drain() {
	for {
		batch := b.take()
		if len(batch) == 0 {
			return
		}
		b.commit(batch)
		for _, r := range batch {
			close(r.done)
		}
	}
}

func (b *batcher) take() []*request {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := min(len(b.waiting), maxBatch)
	batch := b.waiting[:n:n]
	b.waiting = b.waiting[n:]
	if n == 0 {
		b.waiting, b.busy = nil, false
	}
	return batch
}

// close refuses new requests and waits for those that are in.
func (b *batcher) close() {
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
	b.running.Wait()
}
