package manifest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	yamlv3 "go.yaml.in/yaml/v3"
)

// Limits bound a YAML stream. A zero field takes its default.
type Limits struct {
	// Size in bytes; 10 MiB.
	Size int
	// Nodes with aliases expanded; 100,000.
	Nodes int
	// Depth of nesting; 100.
	Depth int
}

// indicatorsPerNode allows for text that looks like YAML inside block scalars, such as a dashboard in a ConfigMap.
const indicatorsPerNode = 10

// CheckYAML measures a YAML or JSON stream before a library parses it, under the default Limits.
func CheckYAML(file string, data []byte) error { return Limits{}.Check(file, data) }

// Check measures a YAML or JSON stream. Its own parser keeps aliases as they are, and is only asked once a scan of the
// bytes shows that the tree will be small.
func (l Limits) Check(file string, data []byte) error {
	l = l.withDefaults()
	if len(data) > l.Size {
		return tooBig(file, fmt.Sprintf("the stream has %d bytes, more than %d", len(data), l.Size))
	}
	if n := indicators(data); n > l.Nodes*indicatorsPerNode {
		return tooBig(file, fmt.Sprintf("the stream has %d separators, more than %d", n, l.Nodes*indicatorsPerNode))
	}
	if json.Valid(data) {
		return l.checkJSON(file, data)
	}
	decoder := yamlv3.NewDecoder(bytes.NewReader(data))
	m := measure{sizes: map[*yamlv3.Node]size{}, open: map[*yamlv3.Node]bool{}, limit: l.Nodes}
	total := 0
	for {
		var node yamlv3.Node
		err := decoder.Decode(&node)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return &Problem{File: file, Message: oneLine(err.Error()), Remedy: "correct the YAML"}
		}
		got, err := m.node(&node)
		if err != nil {
			return &Problem{File: file, Message: err.Error(), Remedy: "write the value out"}
		}
		if total += got.nodes; total > l.Nodes {
			return tooBig(file, fmt.Sprintf("the stream has more than %d values, aliases expanded", l.Nodes))
		}
		if got.depth > l.Depth+1 { // the document is a node too
			return tooBig(file, fmt.Sprintf("values are nested more than %d deep", l.Depth))
		}
	}
}

func (l Limits) withDefaults() Limits {
	if l.Size == 0 {
		l.Size = 10 << 20
	}
	if l.Nodes == 0 {
		l.Nodes = 100_000
	}
	if l.Depth == 0 {
		l.Depth = 100
	}
	return l
}

func tooBig(file, message string) error {
	return &Problem{File: file, Message: message, Remedy: "split the file or make it smaller"}
}

// indicators counts the bytes without which no further YAML node begins.
func indicators(data []byte) int {
	n := 0
	for i, c := range data {
		switch c {
		case ',', '[', '{':
			n++
		case '-', ':', '?':
			if i+1 == len(data) || bytes.IndexByte([]byte(" \t\r\n"), data[i+1]) >= 0 {
				n++
			}
		}
	}
	return n
}

// checkJSON counts the tokens of JSON, which may be indented with tabs, as YAML may not.
func (l Limits) checkJSON(file string, data []byte) error {
	decoder := json.NewDecoder(bytes.NewReader(data))
	nodes, depth := 0, 0
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return &Problem{File: file, Message: oneLine(err.Error()), Remedy: "correct the JSON"}
		}
		switch token {
		case json.Delim('{'), json.Delim('['):
			depth++
		case json.Delim('}'), json.Delim(']'):
			depth--
			continue
		}
		if nodes++; nodes > l.Nodes {
			return tooBig(file, fmt.Sprintf("the stream has more than %d values", l.Nodes))
		}
		if depth > l.Depth {
			return tooBig(file, fmt.Sprintf("values are nested more than %d deep", l.Depth))
		}
	}
}

// size of a tree of nodes, aliases expanded.
type size struct{ nodes, depth int }

// measure sizes trees, each anchored one once.
type measure struct {
	sizes map[*yamlv3.Node]size
	open  map[*yamlv3.Node]bool
	limit int
}

// node sizes a tree. The count stops growing just above the limit, so it cannot overflow.
func (m *measure) node(n *yamlv3.Node) (size, error) {
	if n.Kind == yamlv3.AliasNode {
		return m.alias(n)
	}
	if n.Anchor != "" {
		m.open[n] = true
		defer delete(m.open, n)
	}
	got := size{nodes: 1}
	for _, child := range n.Content {
		s, err := m.node(child)
		if err != nil {
			return size{}, err
		}
		got.nodes = min(got.nodes+s.nodes, m.limit+1)
		got.depth = max(got.depth, s.depth)
	}
	if n.Kind != yamlv3.ScalarNode {
		got.depth++
	}
	if n.Anchor != "" {
		m.sizes[n] = got
	}
	return got, nil
}

func (m *measure) alias(n *yamlv3.Node) (size, error) {
	if m.open[n.Alias] {
		return size{}, fmt.Errorf("line %d: alias *%s lies inside what it names", n.Line, n.Value)
	}
	if s, ok := m.sizes[n.Alias]; ok {
		return s, nil
	}
	return m.node(n.Alias)
}
