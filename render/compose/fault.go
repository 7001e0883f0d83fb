package compose

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v4"
)

// maxTrials bounds the search for one fault.
const maxTrials = 100

// fault finds the one value for which compose-go refuses the documents. compose-go ranges over maps: of several faults it
// names another each time, and an error must be the same for the same input.
func (l *fileLoader) fault(ctx context.Context, env map[string]string, err error) error {
	trials := 0
	docs, at := l.docs, []string{"services"}
	for len(at) < 8 {
		found := false
		for _, name := range keysAt(docs, at) {
			if trials++; trials > maxTrials || ctx.Err() != nil {
				return err
			}
			trial := *l
			trial.docs = reduce(docs, at, name)
			if _, _, e := trial.model(ctx, env); e != nil && !errors.Is(e, ctx.Err()) {
				docs, err, at, found = trial.docs, e, append(at, name), true
				break
			}
		}
		if !found {
			return err
		}
	}
	return err
}

// keysAt are the keys of the mappings, or the places in the lists, at a path of the documents.
func keysAt(docs []*document, at []string) []string {
	names := map[string]bool{}
	for _, d := range docs {
		n := d.root
		for _, key := range at {
			n = entry(n, key)
		}
		if n == nil {
			continue
		}
		for _, e := range entries(n) {
			names[e.key] = true
		}
	}
	return sortedKeys(names)
}

// keyed is a value of a mapping or a list under its key or place.
type keyed struct {
	key   string
	value *yaml.Node
}

func entries(n *yaml.Node) []keyed {
	var out []keyed
	each(n, func(key string, value *yaml.Node) { out = append(out, keyed{key, value}) })
	if n.Kind == yaml.SequenceNode && len(n.Content) > 1 {
		for i, value := range n.Content {
			out = append(out, keyed{fmt.Sprintf("[%03d]", i), value})
		}
	}
	return out
}

func entry(n *yaml.Node, key string) *yaml.Node {
	if n == nil {
		return nil
	}
	for _, e := range entries(n) {
		if e.key == key {
			return e.value
		}
	}
	return nil
}

// reduce copies the documents with one key only at the path. Beside a service, the others stay as names; beside a key of a
// service, its image.
func reduce(docs []*document, at []string, name string) []*document {
	var out []*document
	for _, d := range docs {
		out = append(out, &document{file: d.file, root: reduceNode(d.root, at, len(at), name)})
	}
	return out
}

func reduceNode(n *yaml.Node, at []string, depth int, name string) *yaml.Node {
	c := *n
	all := entries(n)
	if len(all) == 0 { // a scalar, or a list of one
		return &c
	}
	c.Content = nil
	isMap := n.Kind == yaml.MappingNode
	add := func(key string, value *yaml.Node) {
		if isMap {
			c.Content = append(c.Content, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: key})
		}
		c.Content = append(c.Content, value)
	}
	for _, e := range all {
		isBase := depth == 1 && strings.HasPrefix(e.key, "catalyst.base.")
		switch {
		case len(at) > 0 && e.key == at[0]:
			add(e.key, reduceNode(e.value, at[1:], depth, name))
		case len(at) > 0, e.key == name, isBase, depth == 2 && e.key == "image":
			add(e.key, e.value)
		case depth == 1:
			add(e.key, stub())
		}
	}
	if len(at) == 0 && depth == 2 && isMap && child(&c, "image") == nil && name != "build" {
		set(&c, "image", &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: "stub"})
	}
	return &c
}

// stub is the least that a service must be.
func stub() *yaml.Node {
	n := &yaml.Node{Kind: yaml.MappingNode}
	set(n, "image", &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: "stub"})
	return n
}
