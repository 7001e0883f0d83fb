package worker

import (
	"regexp"
	"strings"
	"sync"

	"catalyst.dev/catalyst/render/manifest"
)

// maxStderr is how much of a child's stderr is kept: its beginning, where the runtime says why it dies.
const maxStderr = 64 << 10

// head keeps the first maxStderr bytes and drops the rest.
type head struct {
	mu   sync.Mutex
	data []byte
}

func (h *head) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.data = append(h.data, p[:min(len(p), maxStderr-len(h.data))]...)
	return len(p), nil
}

func (h *head) String() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return string(h.data)
}

// elided is in a trace of at least a thousand frames: many more than templates that end ever nest. Recursion may run out
// of memory before it runs out of stack.
var elided = regexp.MustCompile(`\.\.\.\d{4,} frames elided\.\.\.`)

// classify says why a child died, from what it wrote on stderr and how it ended. It shows nothing raw.
func classify(stderr, state string, l limits) error {
	has := func(s string) bool { return strings.Contains(stderr, s) }
	switch {
	case has("stack exceeds") || has("stack overflow") || elided.MatchString(stderr):
		return stackProblem()
	case has("SIGSEGV") && has("goroutine 0 ") && has("/runtime/mgc"):
		// The collector itself follows a nil pointer where it is given no memory for its own lists (Go 1.26).
		return memoryProblem(l)
	case has("out of memory") || has("cannot allocate") || has("failed to reserve") || has("failed to create new OS thread") || has("pthread_create failed"):
		return memoryProblem(l)
	}
	if _, after, found := strings.Cut(stderr, "panic: "); found {
		line, _, _ := strings.Cut(after, "\n")
		return failure{Panic: line}.err()
	}
	return &manifest.Problem{
		Message: "the render process ended: " + clean(state, 200),
		Remedy:  "render again; if it ends again, the template is at fault or needs more than spec.render in catalyst.yaml allows",
	}
}

// clean strips control characters and cuts to at most n bytes.
func clean(s string, n int) string {
	s = strings.ToValidUTF8(s[:min(len(s), n)], "")
	return strings.Map(func(r rune) rune {
		if r != '\n' && (r < ' ' || r >= 0x7f && r < 0xa0) {
			return -1
		}
		return r
	}, s)
}
