package repository

import (
	"bytes"
	"compress/zlib"
	"crypto/sha1"
	"encoding/binary"
	"fmt"

	"github.com/go-git/go-git/v5/plumbing"
)

// pack encodes the named objects as a pack of version 2 (gitformat-pack). There are no deltas: the objects are few and new. go-git's
// encoder gives each object a compressor of its own, which costs more than all else that a commit does here.
func (o *objects) pack(hashes []plumbing.Hash) ([]byte, error) {
	var b bytes.Buffer
	b.WriteString("PACK")
	b.Write(binary.BigEndian.AppendUint32(nil, 2))
	b.Write(binary.BigEndian.AppendUint32(nil, uint32(len(hashes))))
	compressor, err := zlib.NewWriterLevel(&b, zlib.BestSpeed)
	if err != nil {
		return nil, fmt.Errorf("packing: %w", err)
	}
	for _, h := range hashes {
		obj, ok := o.get(h)
		if !ok {
			return nil, fmt.Errorf("packing: object %s is missing", h)
		}
		data, _, err := o.read(h)
		if err != nil {
			return nil, fmt.Errorf("packing: %w", err)
		}
		b.Write(packHeader(obj.Type(), len(data)))
		compressor.Reset(&b)
		if _, err := compressor.Write(data); err != nil {
			return nil, fmt.Errorf("packing: %w", err)
		}
		if err := compressor.Close(); err != nil {
			return nil, fmt.Errorf("packing: %w", err)
		}
	}
	sum := sha1.Sum(b.Bytes()) // Git's own check of what came
	b.Write(sum[:])
	return b.Bytes(), nil
}

// packHeader is an object's type and size: four bits of the size with the type, then seven a byte.
func packHeader(kind plumbing.ObjectType, size int) []byte {
	header := []byte{byte(kind)<<4 | byte(size&0x0f)}
	for size >>= 4; size > 0; size >>= 7 {
		header[len(header)-1] |= 0x80
		header = append(header, byte(size&0x7f))
	}
	return header
}
