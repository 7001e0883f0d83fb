package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
)

// local reads the objects of a repository on this machine where they are.
type local struct {
	dir  string
	file int64
	mu   sync.Mutex // go-git builds its index on first use, without a lock
	repo *git.Repository
}

func openLocal(dir string, file int64) (*local, error) {
	repo, err := git.PlainOpenWithOptions(dir, &git.PlainOpenOptions{EnableDotGitCommonDir: true})
	if errors.Is(err, git.ErrRepositoryNotExists) {
		return nil, fmt.Errorf("%w: no Git repository there", ErrNotFound)
	}
	if err != nil {
		return nil, fmt.Errorf("opening the repository: %w", err)
	}
	return &local{dir: dir, file: file, repo: repo}, nil
}

func localBranch(dir string, ref plumbing.ReferenceName) (string, error) {
	l, err := openLocal(dir, 0)
	if err != nil {
		return "", err
	}
	r, err := l.repo.Reference(ref, true)
	if errors.Is(err, plumbing.ErrReferenceNotFound) {
		return "", ErrNotFound
	}
	if err != nil {
		return "", err
	}
	return r.Hash().String(), nil
}

// read adds objects to s; those that the repository does not hold stay missing.
func (l *local) read(ctx context.Context, s *state, wants []plumbing.Hash) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, w := range wants {
		if err := ctx.Err(); err != nil {
			return err
		}
		o, err := l.one(w)
		if errors.Is(err, plumbing.ErrObjectNotFound) {
			continue
		}
		if err != nil {
			return fmt.Errorf("reading object %s: %w", w, err)
		}
		s.mu.Lock()
		s.objects[w] = o
		s.inflated += int64(len(o.data))
		over := s.inflated > 4*s.limits.bytes
		s.mu.Unlock()
		if over {
			return &LimitError{What: "unpacked commit", Limit: 4 * s.limits.bytes}
		}
	}
	return nil
}

// one reads an object; after a repack by another process, with a fresh view of the packs.
func (l *local) one(hash plumbing.Hash) (object, error) {
	encoded, err := l.repo.Storer.EncodedObject(plumbing.AnyObject, hash)
	if err != nil {
		fresh, openErr := openLocal(l.dir, l.file)
		if openErr != nil {
			return object{}, openErr
		}
		l.repo = fresh.repo
		if encoded, err = l.repo.Storer.EncodedObject(plumbing.AnyObject, hash); err != nil {
			return object{}, err
		}
	}
	o := object{kind: encoded.Type(), size: encoded.Size()}
	if o.kind == plumbing.BlobObject && o.size > l.file {
		return o, nil
	}
	r, err := encoded.Reader()
	if err != nil {
		return object{}, err
	}
	defer r.Close()
	if o.data, err = io.ReadAll(r); err != nil {
		return object{}, err
	}
	if plumbing.ComputeHash(o.kind, o.data) != hash {
		return object{}, fmt.Errorf("%w: its content has another hash", ErrInvalid)
	}
	return o, nil
}
