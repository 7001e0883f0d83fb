package repository

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/plumbing/transport"
)

// maxAttempts is how often a group is recomputed because somebody else pushed first.
const maxAttempts = 25

// Change is a commit to be made.
type Change struct {
	Author Signature
	// Message of the commit, unless the Edit brings its own.
	Message string
	// Edit works out the change on a tip. It is asked again on each new tip, and must have no effect of its own.
	// ErrUnchanged means that nothing is to be done.
	Edit func(ctx context.Context, tip *Snapshot) (Edit, error)
}

// waiter is a Change that waits for its push.
type waiter struct {
	ctx      context.Context
	change   Change
	revision plumbing.Hash
	err      error
	done     chan struct{}
}

func (w *waiter) finish(err error) {
	w.err = err
	close(w.done)
}

// Commit makes the change and pushes it, together with all others that wait: one commit each, one push. It returns once the
// remote has it. ErrUnchanged means that there was nothing to do.
func (r *Repository) Commit(ctx context.Context, c Change) (revision string, err error) {
	w := &waiter{ctx: ctx, change: c, done: make(chan struct{})}
	r.waiting.Lock()
	r.waiting.changes = append(r.waiting.changes, w)
	r.waiting.Unlock()
	for {
		select {
		case <-w.done:
			if w.err != nil {
				return "", w.err
			}
			return w.revision.String(), nil
		case r.writer <- struct{}{}:
			// Whoever comes first commits for all that wait, also if its own caller gives up meanwhile.
			r.commitWaiting(context.WithoutCancel(ctx))
			<-r.writer
		}
	}
}

// commitWaiting takes all that wait and brings them to the remote.
func (r *Repository) commitWaiting(ctx context.Context) {
	r.waiting.Lock()
	group := r.waiting.changes
	r.waiting.changes = nil
	r.waiting.Unlock()
	var err error
	for attempt := range maxAttempts {
		if len(group) == 0 {
			return
		}
		if attempt > 0 {
			time.Sleep(rand.N(min(time.Duration(attempt)*25, 400) * time.Millisecond)) // two writers must not stay in step
		}
		if group, err = r.attempt(ctx, group); errors.Is(err, ErrRefused) || errors.Is(err, ErrRewritten) {
			break
		}
	}
	for _, w := range group {
		w.finish(fmt.Errorf("pushing to the environments repository: %w", err))
	}
}

// attempt commits a group on the tip as it is known and pushes it. It returns those that must be tried again.
func (r *Repository) attempt(ctx context.Context, group []*waiter) ([]*waiter, error) {
	base := r.Snapshot()
	tip := base
	var made []*waiter
	var created []plumbing.Hash
	for _, w := range group {
		next, objs, err := r.apply(w, tip)
		if err != nil {
			w.finish(err)
			continue
		}
		w.revision = next.commit
		created = append(created, objs...)
		made = append(made, w)
		tip = next
	}
	if len(made) == 0 {
		return nil, nil
	}
	slices.SortFunc(created, func(a, b plumbing.Hash) int { return slices.Compare(a[:], b[:]) })
	pack, err := base.objects.pack(slices.Compact(created))
	if err == nil {
		err = r.remote.push(ctx, r.ref, base.commit, tip.commit, pack)
	}
	if err == nil || r.arrived(ctx, tip.commit) {
		r.setSnapshot(tip)
		for _, w := range made {
			w.finish(nil)
		}
		return nil, nil
	}
	r.options.Logger.Warn("a push did not go through", "error", err, "changes", len(made))
	return made, r.judge(ctx, base, err)
}

// arrived asks the remote whether it has the commit after all: the answer to a push may be lost.
func (r *Repository) arrived(ctx context.Context, commit plumbing.Hash) bool {
	tip, err := r.remote.tip(ctx, r.ref)
	if err != nil {
		return false
	}
	if tip == commit {
		return true
	}
	if tip.IsZero() || tip == r.Snapshot().commit {
		return false
	}
	// Somebody may have pushed on top of it.
	if err := r.history.update(ctx, r.remote, tip); err != nil {
		return false
	}
	has, err := contains(r.history.objects, tip, commit)
	return err == nil && has
}

// judge says why a push failed, by what the remote holds now: nil means that the group is to be tried again.
func (r *Repository) judge(ctx context.Context, base *Snapshot, cause error) error {
	now, err := r.Refresh(ctx)
	if err != nil {
		return errors.Join(cause, err)
	}
	if now.commit != base.commit {
		return fmt.Errorf("somebody else pushed first: %w", cause)
	}
	if errors.Is(cause, transport.ErrAuthorizationFailed) || errors.Is(cause, transport.ErrAuthenticationRequired) {
		return fmt.Errorf("%w by the remote: %w", ErrRefused, cause)
	}
	return cause // a lock that somebody holds, the network, a hook: tried again, and reported in the remote's words
}

// apply makes one commit on a tip. It returns the new tip and the objects that the remote has not got.
func (r *Repository) apply(w *waiter, tip *Snapshot) (*Snapshot, []plumbing.Hash, error) {
	if err := w.ctx.Err(); err != nil {
		return nil, nil, err
	}
	edit, err := w.change.Edit(w.ctx, tip)
	if err != nil {
		return nil, nil, err
	}
	e := editor{objects: tip.objects}
	tree, err := e.apply(tip.tree, edit)
	if err != nil {
		return nil, nil, err
	}
	if tree == tip.tree {
		return nil, nil, ErrUnchanged
	}
	message := edit.Message
	if message == "" {
		message = w.change.Message
	}
	commit, err := r.newCommit(w.change.Author, message, tree, tip)
	if err != nil {
		return nil, nil, err
	}
	return &Snapshot{repository: r, objects: tip.objects, commit: commit, tree: tree}, append(e.created, commit), nil
}

func (r *Repository) newCommit(author Signature, message string, tree plumbing.Hash, tip *Snapshot) (plumbing.Hash, error) {
	now := r.options.Now().Truncate(time.Second)
	c := &object.Commit{
		Author:    object.Signature{Name: line(author.Name), Email: line(author.Email), When: now},
		Committer: object.Signature{Name: r.options.Committer.Name, Email: r.options.Committer.Email, When: now},
		Message:   message, TreeHash: tree,
	}
	if !tip.commit.IsZero() {
		c.ParentHashes = []plumbing.Hash{tip.commit}
	}
	obj := &plumbing.MemoryObject{}
	if err := c.Encode(obj); err != nil {
		return plumbing.ZeroHash, fmt.Errorf("encoding the commit: %w", err)
	}
	return tip.objects.put(obj), nil
}
