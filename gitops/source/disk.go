package source

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// disk keeps packs as DIR/HASH-OF-URL/COMMIT/*.pack. A pack is written beside its place and renamed, so a crash leaves
// no half one under its name. Nothing in it is believed: names come from hashing again.
type disk struct {
	dir string
	max int64
	mu  sync.Mutex
}

func newDisk(dir string, max int64) (*disk, error) {
	if dir == "" {
		return &disk{}, nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the source cache: %w", err)
	}
	return &disk{dir: dir, max: max}, nil
}

func (d *disk) folder(url, sha string) string {
	sum := sha256.Sum256([]byte(url))
	return filepath.Join(d.dir, hex.EncodeToString(sum[:16]), sha)
}

// read unpacks the packs of a commit into s.
func (d *disk) read(url, sha string, s *state) error {
	if d.dir == "" {
		return fs.ErrNotExist
	}
	folder := d.folder(url, sha)
	packs, err := filepath.Glob(filepath.Join(folder, "*.pack"))
	if err != nil || len(packs) == 0 {
		return fs.ErrNotExist
	}
	for _, name := range packs {
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		if err := s.unpack(f, nil); err != nil {
			return err
		}
	}
	now := time.Now()
	return os.Chtimes(folder, now, now) // the time of last use, for prune
}

func (d *disk) remove(url, sha string) {
	if d.dir != "" {
		_ = os.RemoveAll(d.folder(url, sha)) // what stays is replaced or found damaged again
	}
}

// writer begins a pack file; nil, which is fit for use, when there is no cache folder or it cannot be written.
func (d *disk) writer(url, sha string) *packFile {
	if d.dir == "" {
		return nil
	}
	folder := d.folder(url, sha)
	if os.MkdirAll(folder, 0o700) != nil {
		return nil
	}
	f, err := os.CreateTemp(folder, ".tmp-*")
	if err != nil {
		return nil
	}
	return &packFile{f: f, disk: d}
}

// prune removes the commits unused for longest until the folder is within its bound.
func (d *disk) prune() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	type used struct {
		folder string
		size   int64
		when   time.Time
	}
	var all []used
	var total int64
	commits, err := filepath.Glob(filepath.Join(d.dir, "*", "*"))
	if err != nil {
		return fmt.Errorf("listing the source cache: %w", err)
	}
	for _, folder := range commits {
		info, err := os.Stat(folder)
		if err != nil {
			continue // another process removed it
		}
		u := used{folder: folder, when: info.ModTime()}
		files, _ := os.ReadDir(folder)
		for _, f := range files {
			if info, err := f.Info(); err == nil {
				u.size += info.Size()
			}
		}
		total += u.size
		all = append(all, u)
	}
	slices.SortFunc(all, func(a, b used) int { return a.when.Compare(b.when) })
	for _, u := range all {
		if total <= d.max {
			break
		}
		if err := os.RemoveAll(u.folder); err != nil {
			return fmt.Errorf("pruning the source cache: %w", err)
		}
		total -= u.size
	}
	return nil
}

// packFile is a pack being written. Its failures do not fail the fetch: the cache is only a convenience.
type packFile struct {
	f      *os.File
	disk   *disk
	failed error
	ended  bool
}

// Write never fails, so that a full disk does not end a fetch.
func (p *packFile) Write(b []byte) (int, error) {
	if p != nil && p.failed == nil {
		_, p.failed = p.f.Write(b)
	}
	return len(b), nil
}

// commit puts the pack in its place.
func (p *packFile) commit() error {
	if p == nil || p.failed != nil {
		return nil
	}
	p.ended = true
	name := p.f.Name()
	if err := errors.Join(p.f.Close(), os.Rename(name, filepath.Join(filepath.Dir(name), filepath.Base(name)[5:]+".pack"))); err != nil {
		_ = os.Remove(name)
		return nil
	}
	return p.disk.prune()
}

// abandon removes an unfinished pack.
func (p *packFile) abandon() {
	if p == nil || p.ended {
		return
	}
	_ = p.f.Close()
	_ = os.Remove(p.f.Name())
}
