package repository

import (
	"context"
	"errors"
	"fmt"
	"sync"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/go-git/go-git/v5/plumbing"
)

const (
	// pastTrees is how many decoded trees of past commits are kept.
	pastTrees = 100_000
	// slackTrees is how many trees beyond those of the tip gather before the others are dropped.
	slackTrees = 50_000
)

// store keeps decoded objects by hash. Trees of the tip are never evicted, so that looking a path up in the newest
// snapshot needs no network; trees of the past and files are in bounded caches and fetched again on demand.
type store struct {
	remote  *remote
	maxFile int64

	mu      sync.Mutex
	live    map[plumbing.Hash]tree
	pruneAt int
	past    *lru.Cache[plumbing.Hash, tree]
	blobs   *lru.Cache[plumbing.Hash, []byte]
	room    int64
	commits map[plumbing.Hash]*commitObject
	shallow map[plumbing.Hash]bool
}

func newStore(r *remote, o Options) (*store, error) {
	s := &store{
		remote: r, maxFile: o.MaxFile, live: map[plumbing.Hash]tree{}, pruneAt: slackTrees, room: o.BlobCache,
		commits: map[plumbing.Hash]*commitObject{}, shallow: map[plumbing.Hash]bool{},
	}
	var err error
	if s.past, err = lru.New[plumbing.Hash, tree](pastTrees); err != nil {
		return nil, err
	}
	// The number bounds empty files; bytes are what room counts.
	s.blobs, err = lru.NewWithEvict(1<<20, func(_ plumbing.Hash, data []byte) { s.room += int64(len(data)) })
	return s, err
}

// add decodes and keeps what was fetched or pushed. Trees of the past go to the bounded cache.
func (s *store) add(objects []rawObject, past bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, o := range objects {
		switch o.kind {
		case plumbing.CommitObject:
			c, err := decodeCommit(o)
			if err != nil {
				return err
			}
			s.commits[o.hash] = c
		case plumbing.TreeObject:
			t, err := decodeTree(o.data)
			if err != nil {
				return fmt.Errorf("decoding tree %s: %w", o.hash, err)
			}
			if past {
				s.past.Add(o.hash, t)
			} else {
				s.live[o.hash] = t
			}
		case plumbing.BlobObject:
			s.keep(o.hash, o.data)
		}
	}
	return nil
}

// keep needs the lock.
func (s *store) keep(h plumbing.Hash, data []byte) {
	if s.blobs.Contains(h) || int64(len(data)) > s.maxFile {
		return
	}
	s.blobs.Add(h, data)
	s.room -= int64(len(data))
	for s.room < 0 && s.blobs.Len() > 1 {
		s.blobs.RemoveOldest()
	}
}

// prune drops the trees that the tip does not have, when many have gathered.
func (s *store) prune(root plumbing.Hash) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.live) < s.pruneAt {
		return
	}
	kept := make(map[plumbing.Hash]tree, len(s.live))
	var mark func(plumbing.Hash)
	mark = func(h plumbing.Hash) {
		t, ok := s.live[h]
		if _, done := kept[h]; done || !ok {
			return
		}
		kept[h] = t
		for _, e := range t {
			if e.dir() {
				mark(e.hash)
			}
		}
	}
	mark(root)
	s.live, s.pruneAt = kept, 2*len(kept)+slackTrees
}

func (s *store) cachedTree(h plumbing.Hash) (tree, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t, ok := s.live[h]; ok {
		return t, true
	}
	return s.past.Get(h)
}

// tree gives a decoded tree of the commit, fetching it when it was evicted.
func (s *store) tree(ctx context.Context, commit, h plumbing.Hash) (tree, error) {
	if t, ok := s.cachedTree(h); ok {
		return t, nil
	}
	objects, err := s.missing(ctx, commit, []plumbing.Hash{h}, false)
	if err != nil {
		return nil, err
	}
	for _, o := range objects {
		if o.hash == h && o.kind == plumbing.TreeObject {
			return decodeTree(o.data)
		}
	}
	return nil, fmt.Errorf("tree %s is not on the remote", h)
}

// files gives contents by hash, fetching all that are missing in one exchange.
func (s *store) files(ctx context.Context, commit plumbing.Hash, hashes []plumbing.Hash) (map[plumbing.Hash][]byte, error) {
	found := make(map[plumbing.Hash][]byte, len(hashes))
	var missing []plumbing.Hash
	s.mu.Lock()
	for _, h := range hashes {
		if data, ok := s.blobs.Get(h); ok {
			found[h] = data
		} else if _, asked := found[h]; !asked {
			missing = append(missing, h)
			found[h] = nil
		}
	}
	s.mu.Unlock()
	if len(missing) == 0 {
		return found, nil
	}
	for _, h := range missing {
		delete(found, h)
	}
	objects, err := s.missing(ctx, commit, missing, true)
	if err != nil {
		return nil, err
	}
	got := make(map[plumbing.Hash][]byte, len(objects))
	for _, o := range objects {
		if o.kind == plumbing.BlobObject {
			got[o.hash] = o.data
		}
	}
	for _, h := range missing {
		data, ok := got[h]
		switch {
		case !ok:
			return nil, fmt.Errorf("file %s is not on the remote", h)
		case int64(len(data)) > s.maxFile:
			return nil, fmt.Errorf("file %s of %d bytes: %w", h, len(data), ErrTooLarge)
		}
		found[h] = data
	}
	return found, nil
}

// missing fetches objects by hash or, from a server that does not serve them singly, the whole commit.
func (s *store) missing(ctx context.Context, commit plumbing.Hash, hashes []plumbing.Hash, contents bool) ([]rawObject, error) {
	var single error
	if s.remote.anyObject() {
		f, err := s.remote.fetch(ctx, fetchRequest{wants: hashes, contents: contents})
		if err == nil {
			return f.objects, s.add(f.objects, true)
		}
		single = err
	}
	if commit.IsZero() {
		return nil, errors.Join(errors.New("object of a commit that is not pushed is gone"), single)
	}
	f, err := s.remote.fetch(ctx, fetchRequest{wants: []plumbing.Hash{commit}, depth: 1, contents: true})
	if err != nil {
		return nil, errors.Join(err, single)
	}
	return f.objects, s.add(f.objects, true)
}

func (s *store) commit(h plumbing.Hash) (*commitObject, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, ok := s.commits[h]
	return c, ok
}

// bound records where the known history ends.
func (s *store) bound(f *fetched) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, h := range f.shallow {
		s.shallow[h] = true
	}
	for _, h := range f.unshallow {
		delete(s.shallow, h)
	}
}

func (s *store) boundary() []plumbing.Hash {
	s.mu.Lock()
	defer s.mu.Unlock()
	hashes := make([]plumbing.Hash, 0, len(s.shallow))
	for h := range s.shallow {
		hashes = append(hashes, h)
	}
	plumbing.HashesSort(hashes)
	return hashes
}

func (s *store) isShallow(h plumbing.Hash) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.shallow[h]
}

// since collects the commits reachable from tip down to, and without, base; reached tells whether base was met.
func (s *store) since(tip, base plumbing.Hash) (seen map[plumbing.Hash]bool, reached bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	seen = map[plumbing.Hash]bool{}
	for open := []plumbing.Hash{tip}; len(open) > 0; {
		h := open[len(open)-1]
		open = open[:len(open)-1]
		if h == base {
			reached = true
			continue
		}
		c, ok := s.commits[h]
		if seen[h] || !ok {
			continue
		}
		seen[h] = true
		open = append(open, c.parents...)
	}
	return seen, reached
}
