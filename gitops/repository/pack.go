package repository

import (
	"bytes"
	"crypto/sha1" //nolint:gosec // Git's object format
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/packfile"
)

// maxInflated bounds what one pack may grow to in memory, as a multiple of the largest pack.
const maxInflated = 4

// rawObject is an object of a pack.
type rawObject struct {
	hash plumbing.Hash
	kind plumbing.ObjectType
	data []byte
}

func newObject(kind plumbing.ObjectType, data []byte) rawObject {
	return rawObject{hash: plumbing.ComputeHash(kind, data), kind: kind, data: data}
}

type pendingDelta struct {
	offset     int64
	base       plumbing.Hash // zero: by baseOffset
	baseOffset int64
	delta      []byte
}

// unpacker reads a pack with every size checked before memory is taken for it.
type unpacker struct {
	left     int64
	maxSize  int64
	objects  []rawObject
	byOffset map[int64]int
	byHash   map[plumbing.Hash]int
	pending  []pendingDelta
}

// decodePack reads a pack. No object may be larger than maxObject bytes, nor all together than maxTotal.
func decodePack(data []byte, maxObject, maxTotal int64) ([]rawObject, error) {
	if len(data) < 32 {
		return nil, errors.New("pack cut short")
	}
	sum := sha1.Sum(data[:len(data)-20]) //nolint:gosec // Git's object format
	if !bytes.Equal(sum[:], data[len(data)-20:]) {
		return nil, errors.New("pack with a wrong checksum")
	}
	s := packfile.NewScanner(bytes.NewReader(data))
	_, count, err := s.Header()
	if err != nil {
		return nil, fmt.Errorf("reading the pack's header: %w", err)
	}
	u := &unpacker{left: maxTotal, maxSize: maxObject, byOffset: map[int64]int{}, byHash: map[plumbing.Hash]int{}}
	for range count {
		if err := u.next(s); err != nil {
			return nil, fmt.Errorf("reading the pack: %w", err)
		}
	}
	if err := u.resolve(); err != nil {
		return nil, fmt.Errorf("reading the pack: %w", err)
	}
	return u.objects, nil
}

func (u *unpacker) next(s *packfile.Scanner) error {
	h, err := s.NextObjectHeader()
	if err != nil {
		return err
	}
	if err := u.take(h.Length); err != nil {
		return err
	}
	w := &boundedBuffer{left: h.Length}
	if _, _, err := s.NextObject(w); err != nil {
		return err
	}
	if w.left != 0 {
		return errors.New("object shorter than its header says")
	}
	switch h.Type {
	case plumbing.OFSDeltaObject:
		u.pending = append(u.pending, pendingDelta{offset: h.Offset, baseOffset: h.OffsetReference, delta: w.Bytes()})
	case plumbing.REFDeltaObject:
		u.pending = append(u.pending, pendingDelta{offset: h.Offset, base: h.Reference, delta: w.Bytes()})
	case plumbing.CommitObject, plumbing.TreeObject, plumbing.BlobObject, plumbing.TagObject:
		u.add(h.Offset, newObject(h.Type, w.Bytes()))
	default:
		return fmt.Errorf("object of unknown type %d", h.Type)
	}
	return nil
}

func (u *unpacker) take(size int64) error {
	if size < 0 || size > u.maxSize || size > u.left {
		return fmt.Errorf("object of %d bytes: %w", size, ErrTooLarge)
	}
	u.left -= size
	return nil
}

func (u *unpacker) add(offset int64, o rawObject) {
	u.byOffset[offset], u.byHash[o.hash] = len(u.objects), len(u.objects)
	u.objects = append(u.objects, o)
}

// resolve applies deltas until none is left. Git writes bases first, so one round does nearly always.
func (u *unpacker) resolve() error {
	for len(u.pending) > 0 {
		var rest []pendingDelta
		for _, d := range u.pending {
			base, ok := u.byOffset[d.baseOffset]
			if !d.base.IsZero() {
				base, ok = u.byHash[d.base]
			}
			if !ok {
				rest = append(rest, d)
				continue
			}
			if err := u.patch(d, u.objects[base]); err != nil {
				return err
			}
		}
		if len(rest) == len(u.pending) {
			return fmt.Errorf("%d deltas without their base", len(rest))
		}
		u.pending = rest
	}
	return nil
}

func (u *unpacker) patch(d pendingDelta, base rawObject) error {
	_, n := binary.Uvarint(d.delta)
	if n <= 0 {
		return errors.New("delta without sizes")
	}
	size, m := binary.Uvarint(d.delta[n:])
	if m <= 0 || size > uint64(u.maxSize) { //nolint:gosec // a positive option
		return fmt.Errorf("delta to %d bytes: %w", size, ErrTooLarge)
	}
	if err := u.take(int64(size)); err != nil {
		return err
	}
	data, err := packfile.PatchDelta(base.data, d.delta)
	if err != nil {
		return err
	}
	u.add(d.offset, newObject(base.kind, data))
	return nil
}

// boundedBuffer refuses more than it was promised.
type boundedBuffer struct {
	bytes.Buffer
	left int64
}

func (b *boundedBuffer) Write(p []byte) (int, error) {
	if int64(len(p)) > b.left {
		return 0, errors.New("object longer than its header says")
	}
	b.left -= int64(len(p))
	return b.Buffer.Write(p)
}

// ReadFrom hides the embedded one, which knows no bound.
func (b *boundedBuffer) ReadFrom(r io.Reader) (int64, error) {
	return io.Copy(struct{ io.Writer }{b}, io.LimitReader(r, b.left+1))
}
