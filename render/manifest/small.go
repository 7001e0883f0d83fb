package manifest

import "bytes"

// small reports whether the bytes alone show that a stream is within the default Limits, so that it need not be parsed to be
// measured: most manifests are so plain. What it says no to may be within the limits too.
func small(data []byte) bool {
	limits := Limits{}.withDefaults()
	if len(data) > limits.Size || indicators(data) >= limits.Nodes {
		return false
	}
	// Aliases multiply what they name; UTF-16, which NUL bytes tell, and line breaks other than \n hide how deep a line is indented.
	if bytes.ContainsAny(data, "*\x00\r\u0085\u2028\u2029") {
		return false
	}
	flow, deepest := 0, 0
	for line := range bytes.Lines(data) {
		text := bytes.TrimLeft(line, " ")
		flow += bytes.Count(text, []byte("[")) + bytes.Count(text, []byte("{"))
		// A block is indented below the one it is in by a space at least, but for a sequence in a mapping; or it begins on the same line.
		deepest = max(deepest, 2*(len(line)-len(text)+indicators(text)+1))
	}
	return flow+deepest <= limits.Depth
}
