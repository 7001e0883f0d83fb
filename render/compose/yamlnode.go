package compose

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// expandAliases returns n as a tree: aliases copied, merge keys merged. CheckYAML has bounded what that gives.
func expandAliases(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return expandAliases(n.Alias)
	}
	out := *n
	out.Anchor, out.Alias, out.HeadComment, out.LineComment, out.FootComment = "", nil, "", "", ""
	out.Content = nil
	if out.Kind == yaml.ScalarNode && out.Tag == "!!null" && out.Value == "" {
		out.Value = "null" // the encoder writes an empty one in a flow mapping as empty text
	}
	if out.Kind == yaml.ScalarNode && (out.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0 || out.Tag == "!!str" && strings.ContainsAny(out.Value, "\n\t")) {
		out.Style = out.Style&yaml.TaggedStyle | yaml.DoubleQuotedStyle // the encoder's blocks gain line breaks, or cannot be read again
	}
	for _, c := range n.Content {
		out.Content = append(out.Content, expandAliases(c))
	}
	if out.Kind == yaml.MappingNode {
		mergeKeys(&out)
	}
	return &out
}

// mergeKeys resolves << of a mapping whose aliases are expanded: what stands in the mapping itself wins, then the earlier source.
func mergeKeys(m *yaml.Node) {
	var own, sources []*yaml.Node
	for i := 0; i+1 < len(m.Content); i += 2 {
		if m.Content[i].Value != "<<" || m.Content[i].Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) != 0 {
			own = append(own, m.Content[i], m.Content[i+1])
			continue
		}
		if m.Content[i+1].Kind == yaml.SequenceNode {
			sources = append(sources, m.Content[i+1].Content...)
		} else {
			sources = append(sources, m.Content[i+1])
		}
	}
	m.Content = own
	if len(sources) == 0 {
		return
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(own); i += 2 {
		seen[own[i].Value] = true
	}
	for _, s := range sources {
		for i := 0; s.Kind == yaml.MappingNode && i+1 < len(s.Content); i += 2 {
			if !seen[s.Content[i].Value] {
				seen[s.Content[i].Value] = true
				m.Content = append(m.Content, s.Content[i], s.Content[i+1])
			}
		}
	}
}

// child is the value of a key of a mapping; nil without one.
func child(n *yaml.Node, key string) *yaml.Node {
	if n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}

// remove takes a key out of a mapping.
func remove(n *yaml.Node, key string) {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			n.Content = slices.Delete(n.Content, i, i+2)
			return
		}
	}
}

// set writes a key of a mapping.
func set(n *yaml.Node, key string, value *yaml.Node) {
	remove(n, key)
	n.Content = append(n.Content, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: key}, value)
}

// each visits the pairs of a mapping.
func each(n *yaml.Node, visit func(key string, value *yaml.Node)) {
	if n == nil || n.Kind != yaml.MappingNode {
		return
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		visit(n.Content[i].Value, n.Content[i+1])
	}
}

// items are the elements of a sequence, or the scalar itself as one.
func items(n *yaml.Node) []*yaml.Node {
	switch {
	case n == nil:
		return nil
	case n.Kind == yaml.SequenceNode:
		return n.Content
	case n.Kind == yaml.ScalarNode && n.Tag != "!!null":
		return []*yaml.Node{n}
	}
	return nil
}
