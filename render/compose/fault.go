package compose

import (
	"context"
	"errors"
	"slices"
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

// keysAt are the keys of the mappings at a path of the documents.
func keysAt(docs []*document, at []string) []string {
	names := map[string]bool{}
	for _, d := range docs {
		n := d.root
		for _, key := range at {
			n = child(n, key)
		}
		each(n, func(key string, _ *yaml.Node) { names[key] = true })
	}
	return sortedKeys(names)
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
	if n.Kind != yaml.MappingNode {
		return n
	}
	c := *n
	c.Content = slices.Clone(n.Content)
	if len(at) > 0 {
		for i := 0; i+1 < len(c.Content); i += 2 {
			if c.Content[i].Value == at[0] {
				c.Content[i+1] = reduceNode(c.Content[i+1], at[1:], depth, name)
			}
		}
		return &c
	}
	c.Content = nil
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		isBase := depth == 1 && strings.HasPrefix(key.Value, "catalyst.base.")
		switch {
		case key.Value == name || isBase || depth == 2 && key.Value == "image":
			c.Content = append(c.Content, key, value)
		case depth == 1:
			c.Content = append(c.Content, key, stub())
		}
	}
	if depth == 2 && child(&c, "image") == nil && name != "build" {
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
