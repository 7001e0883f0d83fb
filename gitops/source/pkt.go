package source

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// pktType tells the packets of Git's wire format apart.
type pktType int

const (
	pktData pktType = iota
	pktFlush
	pktDelim
	pktEnd
)

// writePkt appends a line as a packet. Git's limit of 65,516 bytes is far above the lines of a request.
func writePkt(b *bytes.Buffer, line string) { fmt.Fprintf(b, "%04x%s\n", len(line)+5, line) }

// pktReader reads packets. go-git's own reader does not know the delimiter of protocol version 2.
type pktReader struct {
	r   io.Reader
	buf [65520]byte
}

// next returns one packet's payload, which is valid until the next call. An "ERR" packet becomes an error.
func (p *pktReader) next() (pktType, []byte, error) {
	if _, err := io.ReadFull(p.r, p.buf[:4]); err != nil {
		return 0, nil, fmt.Errorf("reading a packet: %w", err)
	}
	n, err := strconv.ParseUint(string(p.buf[:4]), 16, 16)
	switch {
	case err != nil || n == 3 || n > uint64(len(p.buf)):
		return 0, nil, fmt.Errorf("%w: packet length %q", ErrInvalid, p.buf[:4])
	case n < 3:
		return pktType(n) + 1, nil, nil
	}
	data := p.buf[:n-4]
	if _, err := io.ReadFull(p.r, data); err != nil {
		return 0, nil, fmt.Errorf("reading a packet: %w", err)
	}
	if message, ok := bytes.CutPrefix(data, []byte("ERR ")); ok {
		return 0, nil, serverError(string(message))
	}
	return pktData, data, nil
}

// serverError is what the server says of a request. The text is the server's: quoted and cut.
func serverError(message string) error {
	message = strings.TrimSpace(message)
	if len(message) > 200 {
		message = message[:200]
	}
	if strings.Contains(message, "not our ref") || strings.Contains(message, "no such remote ref") ||
		strings.Contains(message, "upload-pack: not our") {
		return fmt.Errorf("%w: the server says %q", ErrNotFound, message)
	}
	return fmt.Errorf("the server says %q", message)
}

// packReader hands out the pack in the packets of a packfile section.
type packReader struct {
	pkts *pktReader
	rest []byte
	done bool
}

// Read strips the sideband: 1 is the pack, 2 progress, 3 an error.
func (p *packReader) Read(b []byte) (int, error) {
	for len(p.rest) == 0 {
		if p.done {
			return 0, io.EOF
		}
		kind, data, err := p.pkts.next()
		switch {
		case err != nil:
			return 0, err
		case kind != pktData:
			p.done = true
		case len(data) == 0:
			return 0, fmt.Errorf("%w: empty sideband packet", ErrInvalid)
		case data[0] == 1:
			p.rest = data[1:]
		case data[0] == 3:
			return 0, serverError(string(data[1:]))
		case data[0] != 2:
			return 0, fmt.Errorf("%w: sideband channel %d", ErrInvalid, data[0])
		}
	}
	n := copy(b, p.rest)
	p.rest = p.rest[n:]
	return n, nil
}

// limitedReader fails, rather than ends, when more than left bytes are read.
type limitedReader struct {
	r     io.Reader
	left  int64
	limit *LimitError
}

func (l *limitedReader) Read(b []byte) (int, error) {
	if l.left < 0 {
		return 0, l.limit
	}
	if int64(len(b)) > l.left+1 {
		b = b[:l.left+1]
	}
	n, err := l.r.Read(b)
	l.left -= int64(n)
	if l.left < 0 {
		return 0, l.limit
	}
	return n, err
}
