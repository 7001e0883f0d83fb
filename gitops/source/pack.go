package source

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/packfile"
)

// object is a Git object. data is nil when the blob is above the file limit; size is right either way.
type object struct {
	kind plumbing.ObjectType
	data []byte
	size int64
}

// packLimits bound what a pack unfolds to: a small pack can hold gigabytes.
type packLimits struct {
	objects int64
	bytes   int64
	file    int64
}

// packParser unpacks a stream of objects, resolving deltas within the pack.
type packParser struct {
	limits   packLimits
	inflated int64
	byHash   map[plumbing.Hash]object
	byOffset map[int64]object
	pending  []delta
}

// delta is an object whose base came later in the pack.
type delta struct {
	header *packfile.ObjectHeader
	data   []byte
}

// parsePack reads all objects of a pack. Each is named by the hash of its content, so nothing the pack claims is
// believed; a pack with deltas whose bases it does not hold is an error, except for bases above the file limit.
func parsePack(r io.Reader, limits packLimits) (map[plumbing.Hash]object, error) {
	p := &packParser{limits: limits, byHash: map[plumbing.Hash]object{}, byOffset: map[int64]object{}}
	scanner := packfile.NewScanner(r)
	_, count, err := scanner.Header()
	if err != nil {
		return nil, classify(err)
	}
	if int64(count) > limits.objects {
		return nil, &LimitError{What: "tree", Limit: limits.objects}
	}
	for range count {
		if err := p.next(scanner); err != nil {
			return nil, classify(err)
		}
	}
	if _, err := scanner.Checksum(); err != nil {
		return nil, classify(err)
	}
	if _, err := io.Copy(io.Discard, r); err != nil {
		return nil, classify(err)
	}
	return p.byHash, p.resolvePending()
}

// classify marks go-git's own complaints as a malformed repository; transport and limit errors stay what they are.
func classify(err error) error {
	var limit *LimitError
	if errors.As(err, &limit) || errors.Is(err, ErrInvalid) || errors.Is(err, ErrNotFound) {
		return err
	}
	for _, malformed := range []error{packfile.ErrBadSignature, packfile.ErrEmptyPackfile, packfile.ErrZLib,
		packfile.ErrInvalidObject, packfile.ErrInvalidDelta, packfile.ErrDeltaCmd} {
		if errors.Is(err, malformed) {
			return fmt.Errorf("%w: reading the pack: %w", ErrInvalid, err)
		}
	}
	return fmt.Errorf("reading the pack: %w", err)
}

func (p *packParser) next(scanner *packfile.Scanner) error {
	header, err := scanner.NextObjectHeader()
	if err != nil {
		return err
	}
	if header.Length < 0 {
		return fmt.Errorf("%w: negative object size", ErrInvalid)
	}
	if header.Type == plumbing.BlobObject && header.Length > p.limits.file {
		return p.skip(scanner, header)
	}
	if err := p.account(header.Length); err != nil {
		return err
	}
	buf := bytes.NewBuffer(make([]byte, 0, min(header.Length, 64<<10)))
	if _, _, err := scanner.NextObject(&exactWriter{w: buf, left: header.Length}); err != nil {
		return err
	}
	if int64(buf.Len()) != header.Length {
		return fmt.Errorf("%w: object shorter than its header says", ErrInvalid)
	}
	if !header.Type.IsDelta() {
		p.add(header.Offset, object{kind: header.Type, data: buf.Bytes(), size: header.Length})
		return nil
	}
	d := delta{header: header, data: buf.Bytes()}
	resolved, err := p.resolve(d)
	if err == nil && !resolved {
		p.pending = append(p.pending, d)
	}
	return err
}

// skip hashes a blob above the limit without keeping it, so that its size is known.
func (p *packParser) skip(scanner *packfile.Scanner, header *packfile.ObjectHeader) error {
	if header.Length > p.limits.bytes {
		return &LimitError{What: "unpacked commit", Limit: p.limits.bytes}
	}
	hasher := plumbing.NewHasher(plumbing.BlobObject, header.Length)
	if _, _, err := scanner.NextObject(&exactWriter{w: hasher, left: header.Length}); err != nil {
		return err
	}
	o := object{kind: plumbing.BlobObject, size: header.Length}
	p.byOffset[header.Offset] = o
	p.byHash[hasher.Sum()] = o
	return nil
}

func (p *packParser) account(n int64) error {
	if p.inflated += n; p.inflated > p.limits.bytes || n > p.limits.bytes {
		return &LimitError{What: "unpacked commit", Limit: p.limits.bytes}
	}
	return nil
}

func (p *packParser) add(offset int64, o object) {
	p.byOffset[offset] = o
	p.byHash[plumbing.ComputeHash(o.kind, o.data)] = o
}

// resolve applies a delta if its base is known.
func (p *packParser) resolve(d delta) (bool, error) {
	base, ok := p.byHash[d.header.Reference]
	if d.header.Type == plumbing.OFSDeltaObject {
		base, ok = p.byOffset[d.header.OffsetReference]
	}
	if !ok {
		return false, nil
	}
	_, n := binary.Uvarint(d.data)
	if n <= 0 {
		return false, fmt.Errorf("%w: delta without a size", ErrInvalid)
	}
	size, n := binary.Uvarint(d.data[n:])
	if n <= 0 || size > uint64(p.limits.bytes) {
		return false, &LimitError{What: "unpacked commit", Limit: p.limits.bytes}
	}
	if base.data == nil && base.size > 0 { // a blob above the limit: its variants cannot be had either
		p.byOffset[d.header.Offset] = object{kind: base.kind, size: int64(size)}
		return true, nil
	}
	if err := p.account(int64(size)); err != nil {
		return false, err
	}
	data, err := packfile.PatchDelta(base.data, d.data)
	if err != nil {
		return false, err
	}
	p.add(d.header.Offset, object{kind: base.kind, data: data, size: int64(len(data))})
	return true, nil
}

// resolvePending applies the deltas whose bases came later, until a round resolves nothing more.
func (p *packParser) resolvePending() error {
	for len(p.pending) > 0 {
		var left []delta
		for _, d := range p.pending {
			resolved, err := p.resolve(d)
			if err != nil {
				return classify(err)
			}
			if !resolved {
				left = append(left, d)
			}
		}
		if len(left) == len(p.pending) {
			return fmt.Errorf("%w: the pack holds deltas without their bases", ErrInvalid)
		}
		p.pending = left
	}
	return nil
}

// exactWriter refuses more bytes than announced: go-git inflates until the stream ends.
type exactWriter struct {
	w    io.Writer
	left int64
}

func (e *exactWriter) Write(b []byte) (int, error) {
	if e.left -= int64(len(b)); e.left < 0 {
		return 0, fmt.Errorf("%w: object longer than its header says", ErrInvalid)
	}
	return e.w.Write(b)
}
