package server

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"

	"golang.org/x/sync/semaphore"
)

const (
	// maxWebhook is the largest payload that GitHub sends.
	maxWebhook = 25 << 20
	// firstPiece of a body is counted apart: nearly all payloads are smaller, so large ones cannot shut them out.
	firstPiece = 64 << 10
	// maxPiece is how much is taken from the budget at once.
	maxPiece = 1 << 20
)

// bodies bounds the bytes of webhook bodies that are held at once, over all requests. A body takes from the budget as its
// bytes arrive: announcing a large one costs the others nothing.
type bodies struct {
	first, rest *semaphore.Weighted
	held        atomic.Int64
}

// newBodies shares a budget: a quarter is for the first piece of each body.
func newBodies(budget int64) *bodies {
	return &bodies{first: semaphore.NewWeighted(budget / 4), rest: semaphore.NewWeighted(budget - budget/4)}
}

// body is a webhook's body as far as it was read.
type body struct {
	budget *bodies
	pieces [][]byte
	first  int64
	rest   int64
}

// take makes room for the next piece; false when the budget is used up.
func (b *body) take() ([]byte, bool) {
	size, from, mine := int64(firstPiece), b.budget.first, &b.first
	if len(b.pieces) > 0 {
		size, from, mine = min(2*int64(cap(b.pieces[len(b.pieces)-1])), maxPiece), b.budget.rest, &b.rest
	}
	if !from.TryAcquire(size) {
		return nil, false
	}
	*mine += size
	b.budget.held.Add(size)
	return make([]byte, 0, size), true
}

// release gives the body back.
func (b *body) release() {
	b.budget.first.Release(b.first)
	b.budget.rest.Release(b.rest)
	b.budget.held.Add(-b.first - b.rest)
	b.pieces, b.first, b.rest = nil, 0, 0
}

// read reads everything, and shows each piece to seen as it arrives. The problem is the client's to see.
func (b *body) read(r io.Reader, seen func([]byte)) error {
	for {
		piece, ok := b.take()
		if !ok {
			b.release()
			return problem(http.StatusServiceUnavailable, "too many large deliveries arrive at once; deliver it again")
		}
		n, err := io.ReadFull(r, piece[:cap(piece)])
		b.pieces = append(b.pieces, piece[:n])
		seen(piece[:n])
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return nil
		case err != nil:
			return bodyProblem(err)
		}
	}
}

// bytes is the body in one piece.
func (b *body) bytes() []byte {
	if len(b.pieces) == 1 {
		return b.pieces[0]
	}
	var whole []byte
	for _, piece := range b.pieces {
		whole = append(whole, piece...)
	}
	return whole
}

// bodyReader ends a body that is cut short by the client with another error than its proper end, which io.ReadFull could
// not tell apart.
type bodyReader struct{ io.Reader }

var errCut = errors.New("the body ended early")

// Read implements io.Reader.
func (r bodyReader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = errCut
	}
	return n, err
}

func bodyProblem(err error) error {
	var tooLarge *http.MaxBytesError
	var slow interface{ Timeout() bool }
	switch {
	case errors.As(err, &tooLarge):
		return problem(http.StatusRequestEntityTooLarge, fmt.Sprintf("the body is larger than %d bytes", tooLarge.Limit))
	case errors.As(err, &slow) && slow.Timeout():
		return problem(http.StatusRequestTimeout, "the body arrived too slowly")
	}
	return problem(http.StatusBadRequest, errCut.Error())
}
