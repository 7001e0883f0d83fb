package repository

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/go-git/go-git/v5/plumbing"
)

// Repository is the environments repository: one branch of one remote. It is safe for concurrent use.
type Repository struct {
	options Options
	remote  *remote
	ref     plumbing.ReferenceName

	// mu guards what is known of the branch.
	mu       sync.Mutex
	snapshot *Snapshot
	// fetching serialises fetches, so that many who ask for a fresh tip at once cost one exchange each at most.
	fetching sync.Mutex

	// writer is held by the one caller who commits for all that wait.
	writer  chan struct{}
	waiting struct {
		sync.Mutex
		changes []*waiter
	}

	history history
}

// Open connects to the remote and reads the branch's tip: its commit and trees, without file contents where the remote can
// leave them out. A branch that does not exist gives an empty Snapshot; see Init.
func Open(ctx context.Context, o Options) (*Repository, error) {
	if err := o.setDefaults(); err != nil {
		return nil, err
	}
	remote, err := newRemote(o)
	if err != nil {
		return nil, err
	}
	r := &Repository{options: o, remote: remote, ref: plumbing.NewBranchReferenceName(o.Branch), writer: make(chan struct{}, 1)}
	r.snapshot = &Snapshot{repository: r, objects: newObjects()}
	_, err = r.Refresh(ctx)
	return r, err
}

// Snapshot is the branch as last seen.
func (r *Repository) Snapshot() *Snapshot {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.snapshot
}

func (r *Repository) setSnapshot(s *Snapshot) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.snapshot = s
}

// Refresh reads the remote's tip and fetches what is new. ErrRewritten means that the branch was forced back.
func (r *Repository) Refresh(ctx context.Context) (*Snapshot, error) {
	r.fetching.Lock()
	defer r.fetching.Unlock()
	last := r.Snapshot()
	tip, err := r.remote.tip(ctx, r.ref)
	if err != nil {
		return nil, err
	}
	switch {
	case tip == last.commit:
		return last, nil
	case tip.IsZero():
		return nil, fmt.Errorf("%w: %s is gone from the remote", ErrRewritten, r.ref)
	}
	next, err := r.read(ctx, last, tip)
	if err != nil {
		return nil, err
	}
	// A push of our own may have moved the branch on meanwhile.
	if r.Snapshot() == last {
		r.setSnapshot(next)
	}
	return next, nil
}

// read fetches a tip. What is known already is not fetched again, until the memory is full.
func (r *Repository) read(ctx context.Context, last *Snapshot, tip plumbing.Hash) (*Snapshot, error) {
	if last.commit.IsZero() || last.objects.bytes() > r.options.MaxMemory {
		return r.readAnew(ctx, last, tip)
	}
	q := request{wants: []plumbing.Hash{tip}, haves: []plumbing.Hash{last.commit}, shallows: []plumbing.Hash{last.commit}}
	pack, err := r.remote.fetch(ctx, q)
	if err != nil {
		return nil, err
	}
	last.objects.putAll(pack)
	contains, err := contains(last.objects, tip, last.commit)
	if err != nil {
		return nil, err
	}
	if !contains {
		return nil, r.rewritten(last, tip)
	}
	return r.at(last.objects, tip)
}

func (r *Repository) rewritten(last *Snapshot, tip plumbing.Hash) error {
	return fmt.Errorf("%w: %s is at %s, which does not contain %s that was there before (writing has stopped; restart the server once the branch is as it should be)",
		ErrRewritten, r.ref, tip, last.commit)
}

func (r *Repository) readAnew(ctx context.Context, last *Snapshot, tip plumbing.Hash) (*Snapshot, error) {
	if !last.commit.IsZero() {
		// Only the history can tell whether the new tip contains the old one.
		if err := r.history.update(ctx, r.remote, tip); err != nil {
			return nil, err
		}
		kept, err := contains(r.history.objects, tip, last.commit)
		if err != nil {
			return nil, err
		}
		if !kept {
			return nil, r.rewritten(last, tip)
		}
	}
	pack, err := r.remote.fetch(ctx, request{wants: []plumbing.Hash{tip}, depth: 1})
	if err != nil {
		return nil, err
	}
	fresh := newObjects()
	fresh.putAll(pack)
	return r.at(fresh, tip)
}

func (r *Repository) at(o *objects, tip plumbing.Hash) (*Snapshot, error) {
	c, ok, err := o.commit(tip)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, fmt.Errorf("fetching from the environments repository: commit %s did not come", tip)
	}
	return &Snapshot{repository: r, objects: o, commit: tip, tree: c.TreeHash}, nil
}

// contains reports whether a commit is an ancestor of tip, as far as commits are known: a shallow fetch ends at what was known
// before.
func contains(o *objects, tip, ancestor plumbing.Hash) (bool, error) {
	queue, seen := []plumbing.Hash{tip}, map[plumbing.Hash]bool{}
	for len(queue) > 0 {
		h := queue[0]
		queue = queue[1:]
		if h == ancestor {
			return true, nil
		}
		if seen[h] {
			continue
		}
		seen[h] = true
		c, known, err := o.commit(h)
		if err != nil {
			return false, err
		}
		if known {
			queue = append(queue, c.ParentHashes...)
		}
	}
	return false, nil
}

// Init makes the first commit of a branch that does not exist. ErrUnchanged means that it exists already.
func (r *Repository) Init(ctx context.Context, files map[string][]byte, message string) error {
	if !r.Snapshot().commit.IsZero() {
		return ErrUnchanged
	}
	_, err := r.Commit(ctx, Change{Author: r.options.Committer, Message: message,
		Edit: func(_ context.Context, tip *Snapshot) (Edit, error) {
			if !tip.commit.IsZero() {
				return Edit{}, ErrUnchanged
			}
			return Edit{Put: files}, nil
		}})
	if errors.Is(err, ErrUnchanged) {
		return ErrUnchanged
	}
	return err
}
