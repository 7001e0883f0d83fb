package source

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
)

// state is a fetched commit: its parsed folders, and the objects so far. Folders do not change after load.
type state struct {
	limits  stateLimits
	timeout time.Duration
	// fetch brings objects into the state; those that cannot be had stay missing.
	fetch func(ctx context.Context, wants []plumbing.Hash) error
	// neighbour looks among the objects of other commits of the repository; nil for none. Most files of two commits are the same.
	neighbour func(plumbing.Hash) (object, bool)

	commit  Commit
	root    plumbing.Hash
	folders map[plumbing.Hash]*folder

	fetching sync.Mutex // one fetch at a time, so that readers of one folder share it
	mu       sync.RWMutex
	objects  map[plumbing.Hash]object
	bytes    int64 // of packs so far
	inflated int64 // of objects so far
}

type stateLimits struct{ bytes, entries, file int64 }

func newState(o Options) *state {
	s := &state{limits: stateLimits{bytes: o.MaxBytes, entries: int64(o.MaxEntries), file: o.MaxFile}, timeout: o.Timeout}
	s.reset()
	return s
}

func (s *state) reset() {
	s.folders, s.objects = map[plumbing.Hash]*folder{}, map[plumbing.Hash]object{}
	s.bytes, s.inflated = 0, 0
}

// load reads the commit and its trees.
func (s *state) load(ctx context.Context, sha plumbing.Hash) error {
	o, err := s.object(ctx, sha, plumbing.CommitObject)
	if err != nil {
		return err
	}
	if s.commit, s.root, err = parseCommit(sha, o.data); err != nil {
		return err
	}
	_, err = s.survey(ctx, s.root, 1)
	return err
}

// unpack adds the objects of a pack, and keeps the pack in the cache folder once all of it proved sound.
func (s *state) unpack(body io.ReadCloser, keep *packFile) error {
	defer body.Close()
	defer keep.abandon()
	s.mu.RLock()
	left, room := s.limits.bytes-s.bytes, 4*s.limits.bytes-s.inflated
	s.mu.RUnlock()
	counted := &limitedReader{r: body, left: left, limit: &LimitError{What: "pack", Limit: s.limits.bytes}}
	objects, err := parsePack(io.TeeReader(counted, keep), packLimits{objects: s.limits.entries + 2, bytes: room, file: s.limits.file})
	if err != nil {
		return err
	}
	s.mu.Lock()
	for hash, o := range objects {
		s.objects[hash] = o
		s.inflated += int64(len(o.data))
	}
	s.bytes += left - counted.left
	s.mu.Unlock()
	return keep.commit()
}

func (s *state) has(hash plumbing.Hash) (object, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	o, ok := s.objects[hash]
	return o, ok
}

// need fetches those of the objects that are missing, with one request.
func (s *state) need(ctx context.Context, wants []plumbing.Hash) error {
	s.fetching.Lock()
	defer s.fetching.Unlock()
	var missing []plumbing.Hash
	seen := map[plumbing.Hash]bool{}
	for _, w := range wants {
		if _, ok := s.has(w); ok || seen[w] {
			continue
		}
		seen[w] = true
		adopted, err := s.adopt(w)
		if err != nil {
			return err
		}
		if !adopted {
			missing = append(missing, w)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return s.fetch(ctx, missing)
}

// adopt takes an object over from another commit of the repository. It counts as if it had been fetched.
func (s *state) adopt(hash plumbing.Hash) (bool, error) {
	if s.neighbour == nil {
		return false, nil
	}
	o, ok := s.neighbour(hash)
	if !ok {
		return false, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.inflated += int64(len(o.data)); s.inflated > 4*s.limits.bytes {
		return false, &LimitError{What: "unpacked commit", Limit: 4 * s.limits.bytes}
	}
	s.objects[hash] = o
	return true, nil
}

// object returns one object of a kind, fetching it if need be.
func (s *state) object(ctx context.Context, hash plumbing.Hash, kind plumbing.ObjectType) (object, error) {
	o, ok := s.has(hash)
	if !ok {
		if err := s.need(ctx, []plumbing.Hash{hash}); err != nil {
			return object{}, err
		}
		if o, ok = s.has(hash); !ok {
			return object{}, fmt.Errorf("%s %s: %w", kind, hash, ErrNotFound)
		}
	}
	if o.kind != kind {
		return object{}, fmt.Errorf("%w: %s is a %s, not a %s", ErrInvalid, hash, o.kind, kind)
	}
	return o, nil
}

// subject is the first line of a commit's message.
func subject(message string) string {
	line, _, _ := strings.Cut(strings.TrimLeft(message, "\r\n"), "\n")
	return strings.TrimSpace(line)
}
