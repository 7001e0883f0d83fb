package compose

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"catalyst.dev/catalyst/render/manifest"
)

// maxTrials bounds the search for one fault.
const maxTrials = 100

// fault finds the one value for which compose-go refuses the documents. compose-go ranges over maps: of several faults it
// names another each time, and an error must be the same for the same input.
func (l *fileLoader) fault(ctx context.Context, env map[string]string, err error) error {
	if problem := new(manifest.Problem); errors.As(err, &problem) {
		return err // the loader's own, found in a fixed order
	}
	trials := 0
	docs, at := l.docs, []string(nil)
	sections := append([]string{"services"}, keysAt(docs, nil)...)
	for len(at) < 8 {
		found := false
		for _, path := range candidates(docs, at, sections) {
			if trials++; trials > maxTrials || ctx.Err() != nil {
				return err
			}
			trial := *l
			trial.docs = reduce(docs, path)
			if _, _, e := trial.model(ctx, env); e != nil && !errors.Is(e, ctx.Err()) {
				docs, err, at, found = trial.docs, e, path, true
				break
			}
		}
		if !found {
			return err
		}
	}
	return err
}

// candidates are the paths one step below a path; at first those of all sections, services before the others.
func candidates(docs []*document, at, sections []string) [][]string {
	var out [][]string
	if at != nil {
		sections = []string{at[0]}
	}
	for _, section := range sections {
		path := at
		if at == nil {
			path = []string{section}
		}
		for _, name := range keysAt(docs, path) {
			out = append(out, append(slices.Clone(path), name))
		}
	}
	return out
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

// reduce copies the documents with nothing beside a path. Beside a service or a volume, the others stay as names; beside a
// key of a service, its image.
func reduce(docs []*document, path []string) []*document {
	var out []*document
	for _, d := range docs {
		out = append(out, &document{file: d.file, root: reduceNode(d.root, path, 0)})
	}
	return out
}

func reduceNode(n *yaml.Node, path []string, depth int) *yaml.Node {
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
	service := path[0] == "services"
	for _, e := range all {
		isBase := service && depth == 1 && strings.HasPrefix(e.key, "catalyst.base.")
		switch {
		case e.key == path[depth] && depth+1 < len(path):
			add(e.key, reduceNode(e.value, path, depth+1))
		case depth == 0:
			add(e.key, stubs(e.key, e.value))
		case e.key == path[depth], isBase, service && depth == 2 && e.key == "image":
			add(e.key, e.value)
		case depth == 1 && stub(path[0]) != nil:
			add(e.key, stub(path[0]))
		}
	}
	if service && depth == 2 && isMap && child(&c, "image") == nil && path[2] != "build" {
		set(&c, "image", &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: "stub"})
	}
	return &c
}

// stubs are the names of a section alone, so that what refers to them finds them.
func stubs(section string, n *yaml.Node) *yaml.Node {
	if n.Kind != yaml.MappingNode || stub(section) == nil {
		return n
	}
	c := *n
	c.Content = nil
	for _, e := range entries(n) {
		set(&c, e.key, stub(section))
	}
	return &c
}

// stub is the least that an entry of a section must be; nil for what is no section of names.
func stub(section string) *yaml.Node {
	pairs := map[string][2]string{"services": {"image", "stub"}, "models": {"model", "stub"}, "secrets": {"file", "stub"}, "configs": {"file", "stub"}}
	n := &yaml.Node{Kind: yaml.MappingNode}
	if pair, ok := pairs[section]; ok {
		set(n, pair[0], &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: pair[1]})
	} else if section != "networks" && section != "volumes" {
		return nil
	}
	return n
}
