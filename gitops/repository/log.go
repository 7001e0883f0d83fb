package repository

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
)

// Commit is one commit of the branch.
type Commit struct {
	Revision string
	Author   Signature
	When     time.Time
	Subject  string
	Trailers []Trailer
}

// LogOptions select commits.
type LogOptions struct {
	// Limit is how many at most; 100 when zero.
	Limit int
	// Before lists only commits older than this revision.
	Before string
}

// history holds all commits and trees, fetched when they are first asked for.
type history struct {
	mu      sync.Mutex
	objects *objects
	tip     plumbing.Hash
}

// update fetches what is new up to tip.
func (h *history) update(ctx context.Context, r *remote, tip plumbing.Hash) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.tip == tip {
		return nil
	}
	if h.objects == nil {
		h.objects = newObjects()
	}
	q := request{wants: []plumbing.Hash{tip}}
	if !h.tip.IsZero() {
		q.haves = []plumbing.Hash{h.tip}
	}
	pack, err := r.fetch(ctx, q)
	if err != nil {
		return fmt.Errorf("reading the history: %w", err)
	}
	h.objects.putAll(pack)
	h.tip = tip
	return nil
}

// Log lists the commits that changed a path, newest first, also when it is gone now. "." means all commits.
func (r *Repository) Log(ctx context.Context, p string, o LogOptions) ([]Commit, error) {
	parts, err := split(p)
	if err != nil {
		return nil, err
	}
	if o.Limit == 0 {
		o.Limit = 100
	}
	tip := r.Snapshot().commit
	if tip.IsZero() {
		return nil, nil
	}
	if err := r.history.update(ctx, r.remote, tip); err != nil {
		return nil, err
	}
	var log []Commit
	skipping := o.Before != ""
	for at := tip; !at.IsZero() && len(log) < o.Limit; {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		c, known, err := r.history.objects.commit(at)
		if err != nil {
			return nil, err
		}
		if !known {
			return nil, fmt.Errorf("reading the history: commit %s is missing", at)
		}
		next, changed, err := r.history.step(c, parts)
		if err != nil {
			return nil, err
		}
		if changed && !skipping {
			log = append(log, describe(at, c))
		}
		if at.String() == o.Before {
			skipping = false
		}
		at = next
	}
	return log, nil
}

// step finds the parent to go on with, and whether the commit changed the path: a merge did not where one parent has the same.
func (h *history) step(c *object.Commit, parts []string) (next plumbing.Hash, changed bool, err error) {
	mine, exists, err := h.objects.find(c.TreeHash, parts)
	if err != nil {
		return next, false, err
	}
	if len(c.ParentHashes) == 0 {
		return next, exists, nil
	}
	for _, p := range c.ParentHashes {
		parent, known, err := h.objects.commit(p)
		if err != nil || !known {
			return next, false, fmt.Errorf("reading the history: commit %s is missing", p)
		}
		theirs, was, err := h.objects.find(parent.TreeHash, parts)
		if err != nil {
			return next, false, err
		}
		if was == exists && theirs.Hash == mine.Hash {
			return p, false, nil
		}
	}
	return c.ParentHashes[0], true, nil
}

func describe(h plumbing.Hash, c *object.Commit) Commit {
	subject, _, _ := strings.Cut(c.Message, "\n")
	return Commit{
		Revision: h.String(), When: c.Committer.When.UTC(), Subject: subject,
		Author:   Signature{Name: c.Author.Name, Email: c.Author.Email},
		Trailers: ParseTrailers(c.Message),
	}
}
