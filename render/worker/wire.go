package worker

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"catalyst.dev/catalyst/api/v1alpha1"
	"catalyst.dev/catalyst/render/manifest"
)

// The frames: a type byte, the payload's length as a big-endian uint32, the payload.
const (
	frameConfig  = 'C' // parent: config, once
	frameHello   = 'H' // child: []string, its containment
	frameRequest = 'R' // parent: request
	frameFile    = 'F' // child: fileRequest
	frameAnswer  = 'A' // parent: answer, see encodeAnswer
	frameObject  = 'J' // child: one object as JSON
	frameDone    = 'D' // child: done
	frameError   = 'E' // child: failure
)

// What a frame may hold at most, where no limit of the Platform says so.
const (
	maxControl = 64 << 10
	maxFailure = 1 << 20
	maxFrame   = 1 << 30
)

// config is what a child learns before it restricts itself.
type config struct {
	Memory     uint64 `json:"memory"`     // bytes of address space
	CPUSeconds uint64 `json:"cpuSeconds"` // for its whole life
}

// request is a render.Input without the trees.
type request struct {
	Platform    *v1alpha1.Platform    `json:"platform"`
	Project     *v1alpha1.Project     `json:"project"`
	Environment *v1alpha1.Environment `json:"environment"`
	Sources     []string              `json:"sources"`
	SecretNames []string              `json:"secretNames"`
}

// done is a render.Output without the objects.
type done struct {
	Unstable []string        `json:"unstable,omitempty"`
	URL      string          `json:"url,omitempty"`
	Report   manifest.Report `json:"report"`
}

// failure is an error on its way to the parent: problems, or a text where it is something else.
type failure struct {
	Problems []*manifest.Problem `json:"problems,omitempty"`
	Text     string              `json:"text,omitempty"`
	Panic    string              `json:"panic,omitempty"`
}

type fileOp string

const (
	opStat fileOp = "stat"
	opDir  fileOp = "dir"
	opRead fileOp = "read"
)

type fileRequest struct {
	Op     fileOp `json:"op"`
	Source string `json:"source"`
	Path   string `json:"path"`
}

// answer to a fileRequest. Data follows the JSON raw, the entries' one after the other.
type answer struct {
	Missing bool    `json:"missing,omitempty"`
	Error   string  `json:"error,omitempty"`
	Entries []entry `json:"entries,omitempty"`
}

// entry is a file or directory. Length is that of its content in the answer; -1 when the content is not there.
type entry struct {
	Name   string      `json:"name"`
	Mode   fs.FileMode `json:"mode"`
	Size   int64       `json:"size"`
	Length int64       `json:"length"`
}

// errProtocol means that the other side does not keep to the protocol.
var errProtocol = errors.New("malformed frame")

func writeFrame(w io.Writer, kind byte, payload []byte) error {
	if len(payload) > maxFrame {
		return fmt.Errorf("writing a frame of %d bytes: %w", len(payload), errProtocol)
	}
	head := make([]byte, 5, 5+min(len(payload), maxControl))
	head[0] = kind
	binary.BigEndian.PutUint32(head[1:], uint32(len(payload))) //nolint:gosec // at most maxFrame
	if len(payload) <= maxControl {
		_, err := w.Write(append(head, payload...))
		return err
	}
	if _, err := w.Write(head); err != nil {
		return err
	}
	_, err := w.Write(payload)
	return err
}

func writeJSON(w io.Writer, kind byte, value any) error {
	data, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("encoding frame %q: %w", kind, err)
	}
	return writeFrame(w, kind, data)
}

// readHead reads the type and length of the next frame.
func readHead(r io.Reader) (byte, int64, error) {
	var head [5]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, 0, err
	}
	return head[0], int64(binary.BigEndian.Uint32(head[1:])), nil
}

// readPayload reads n bytes, growing as they come: a length alone allocates nothing.
func readPayload(r io.Reader, n, most int64) ([]byte, error) {
	if n > most {
		return nil, fmt.Errorf("a frame of %d bytes where %d may be: %w", n, most, errProtocol)
	}
	if n <= maxControl {
		data := make([]byte, n)
		_, err := io.ReadFull(r, data)
		return data, err
	}
	data, err := io.ReadAll(io.LimitReader(r, n))
	if err == nil && int64(len(data)) < n {
		err = io.ErrUnexpectedEOF
	}
	return data, err
}

func encodeAnswer(a answer, data [][]byte) ([]byte, error) {
	head, err := json.Marshal(a)
	if err != nil {
		return nil, err
	}
	size := 4 + len(head)
	for _, d := range data {
		size += len(d)
	}
	out := binary.BigEndian.AppendUint32(make([]byte, 0, size), uint32(len(head))) //nolint:gosec // a listing
	out = append(out, head...)
	for _, d := range data {
		out = append(out, d...)
	}
	return out, nil
}

// decodeAnswer returns the answer and, by entry, its content; nil where there is none.
func decodeAnswer(payload []byte) (answer, [][]byte, error) {
	var a answer
	if len(payload) < 4 {
		return a, nil, errProtocol
	}
	n := int(binary.BigEndian.Uint32(payload))
	if n > len(payload)-4 {
		return a, nil, errProtocol
	}
	if err := json.Unmarshal(payload[4:4+n], &a); err != nil {
		return a, nil, err
	}
	rest := payload[4+n:]
	data := make([][]byte, len(a.Entries))
	for i, e := range a.Entries {
		if e.Length < 0 {
			continue
		}
		if e.Length > int64(len(rest)) {
			return a, nil, errProtocol
		}
		data[i], rest = rest[:e.Length:e.Length], rest[e.Length:]
	}
	return a, data, nil
}

// encodeError flattens joined errors into problems. One that is no Problem makes the whole a text.
func encodeError(err error) failure {
	var f failure
	var walk func(error) bool
	walk = func(err error) bool {
		if joined, ok := err.(interface{ Unwrap() []error }); ok {
			for _, e := range joined.Unwrap() {
				if !walk(e) {
					return false
				}
			}
			return true
		}
		var p *manifest.Problem
		if !errors.As(err, &p) {
			return false
		}
		f.Problems = append(f.Problems, p)
		return true
	}
	if !walk(err) || len(f.Problems) == 0 {
		return failure{Text: clean(err.Error(), maxControl)}
	}
	return f
}

func (f failure) err() error {
	var errs []error
	for _, p := range f.Problems {
		if p != nil {
			errs = append(errs, p)
		}
	}
	switch {
	case f.Panic != "":
		return &manifest.Problem{
			Message: "rendering panicked: " + clean(f.Panic, 500),
			Remedy:  "this is a fault of the template or of Catalyst: report it with the template",
		}
	case len(errs) > 0:
		return errors.Join(errs...)
	}
	return errors.New(clean(f.Text, maxControl))
}
