package manifest

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	yamlv2 "go.yaml.in/yaml/v2"
	yamlv3 "go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	kjson "sigs.k8s.io/json"
)

// maxListDepth is how deep Lists may stand in Lists.
const maxListDepth = 4

// Decode reads a YAML or JSON stream strictly into objects, in their order, Lists flattened. file names it in errors.
// Numbers are int64 or float64 and words mean what Kubernetes' own tools read in them (YAML 1.1: "yes" is true).
func Decode(file string, data []byte) ([]*unstructured.Unstructured, error) {
	if !small(data) {
		if err := CheckYAML(file, data); err != nil {
			return nil, err
		}
	}
	var objs []*unstructured.Unstructured
	for i, doc := range documents(data) {
		content, err := decodeDocument(doc)
		if err != nil {
			return nil, &Problem{File: file, Field: documentField(i), Message: oneLine(err.Error()), Remedy: "correct the YAML"}
		}
		if len(content) == 0 {
			continue
		}
		flat, err := flatten(file, documentField(i), content, 0)
		if err != nil {
			return nil, err
		}
		objs = append(objs, flat...)
	}
	return objs, nil
}

func documentField(i int) string { return fmt.Sprintf("document %d", i+1) }

// documents splits a stream at its "---" and "..." lines. Those end a document even inside a block scalar, so
// lines are enough; decodeDocument holds that each part is one document.
func documents(data []byte) [][]byte {
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	if json.Valid(data) {
		return [][]byte{data}
	}
	var docs [][]byte
	var doc []byte
	for line := range bytes.Lines(data) {
		mark, rest, _ := strings.Cut(strings.TrimRight(string(line), "\r\n \t"), " ")
		if mark == "---" || mark == "..." || strings.HasPrefix(mark, "---\t") {
			docs = append(docs, doc)
			doc = nil
			if mark == "..." && rest == "" {
				continue
			}
		}
		doc = append(doc, line...)
	}
	return append(docs, doc)
}

// decodeDocument reads one document into a map; nil when it is empty.
func decodeDocument(doc []byte) (map[string]any, error) {
	if len(bytes.TrimSpace(doc)) == 0 {
		return nil, nil
	}
	text := doc
	if !json.Valid(doc) {
		var err error
		if text, err = yamlToJSON(doc); err != nil || text == nil {
			return nil, err
		}
	}
	if bytes.Equal(bytes.TrimSpace(text), []byte("null")) {
		return nil, nil
	}
	var content map[string]any
	strict, err := kjson.UnmarshalStrict(text, &content)
	if err := errors.Join(append(strict, err)...); err != nil {
		return nil, err
	}
	return content, nil
}

// yamlToJSON converts one document, and refuses what the conversion would hide: keys that stand twice or are no text.
func yamlToJSON(doc []byte) ([]byte, error) {
	merges := bytes.Contains(doc, []byte("<<")) || bytes.Contains(doc, []byte("merge"))
	if merges { // strict parsing refuses a key that overrides a merged one, which is what merging is for
		if err := checkDuplicates(doc); err != nil {
			return nil, err
		}
	}
	var value, more any
	decoder := yamlv2.NewDecoder(bytes.NewReader(doc))
	decoder.SetStrict(!merges)
	err := decoder.Decode(&value)
	if errors.Is(err, io.EOF) {
		return nil, nil
	}
	if err != nil {
		return nil, cmp.Or(checkDuplicates(doc), err) // the former names keys and lines better
	}
	if err := decoder.Decode(&more); !errors.Is(err, io.EOF) {
		return nil, errors.New("several documents without a --- line between them")
	}
	if value, err = textKeys(value); err != nil {
		return nil, err
	}
	return json.Marshal(value)
}

// checkDuplicates finds keys that stand twice in one mapping.
func checkDuplicates(doc []byte) error {
	var node yamlv3.Node
	if err := yamlv3.Unmarshal(doc, &node); err != nil {
		return err
	}
	return checkNode(&node)
}

// checkNode does not follow aliases: what they name is walked where it stands.
func checkNode(node *yamlv3.Node) error {
	if node.Kind == yamlv3.MappingNode {
		seen := map[string]bool{}
		for i := 0; i < len(node.Content); i += 2 {
			key := node.Content[i]
			if key.Kind == yamlv3.AliasNode {
				key = key.Alias
			}
			if key.Kind != yamlv3.ScalarNode {
				return fmt.Errorf("line %d: a key is not text", key.Line)
			}
			if seen[key.Value] {
				return fmt.Errorf("line %d: key %q stands twice", key.Line, key.Value)
			}
			seen[key.Value] = true
		}
	}
	for _, child := range node.Content {
		if err := checkNode(child); err != nil {
			return err
		}
	}
	return nil
}

// textKeys turns mappings into such as JSON has. It refuses keys that YAML 1.1 reads as a number, a boolean or null: they would
// turn into other text.
func textKeys(value any) (any, error) {
	switch value := value.(type) {
	case map[any]any:
		out := make(map[string]any, len(value))
		for key, child := range value {
			text, ok := key.(string)
			if !ok {
				return nil, fmt.Errorf("key %v is not text: put it in quotes", key)
			}
			var err error
			if out[text], err = textKeys(child); err != nil {
				return nil, err
			}
		}
		return out, nil
	case []any:
		for i, child := range value {
			var err error
			if value[i], err = textKeys(child); err != nil {
				return nil, err
			}
		}
	}
	return value, nil
}

// flatten checks an object's identity and replaces a List by its items.
func flatten(file, field string, content map[string]any, depth int) ([]*unstructured.Unstructured, error) {
	obj := &unstructured.Unstructured{Object: content}
	kind, isText := content["kind"].(string)
	items, isList := content["items"].([]any)
	if !isText || !isList || !strings.HasSuffix(kind, "List") {
		if p := checkIdentity(content); p != nil {
			p.File, p.Field = file, field+": "+p.Field
			return nil, p
		}
		return []*unstructured.Unstructured{obj}, nil
	}
	if depth >= maxListDepth {
		return nil, &Problem{File: file, Field: field, Message: "Lists stand too deep in Lists", Remedy: "write the objects as documents of their own"}
	}
	var objs []*unstructured.Unstructured
	for i, item := range items {
		where := fmt.Sprintf("%s: items[%d]", field, i)
		child, ok := item.(map[string]any)
		if !ok {
			return nil, &Problem{File: file, Field: where, Message: "not an object", Remedy: "list objects only"}
		}
		flat, err := flatten(file, where, child, depth+1)
		if err != nil {
			return nil, err
		}
		objs = append(objs, flat...)
	}
	return objs, nil
}

// checkIdentity holds that apiVersion, kind and metadata.name are there.
func checkIdentity(content map[string]any) *Problem {
	for _, field := range []string{"apiVersion", "kind"} {
		if s, ok := content[field].(string); !ok || s == "" {
			return &Problem{Field: field, Message: field + " is missing or not text", Remedy: "give every object its apiVersion and kind"}
		}
	}
	metadata, ok := content["metadata"].(map[string]any)
	if !ok {
		return &Problem{Field: "metadata", Message: "metadata is missing or not a mapping", Remedy: "give every object metadata.name"}
	}
	if name, ok := metadata["name"].(string); ok && name != "" {
		return checkMetadata(metadata)
	}
	if _, ok := metadata["generateName"]; ok {
		return &Problem{Field: "metadata.generateName", Message: "a generated name cannot stand in Git", Remedy: "set metadata.name"}
	}
	return &Problem{Field: "metadata.name", Message: "the name is missing or not text", Remedy: "set metadata.name"}
}

// checkMetadata holds that labels and annotations are text: the accessors of unstructured objects read a map that
// holds anything else as empty, and checks that use them would pass.
func checkMetadata(metadata map[string]any) *Problem {
	for _, field := range []string{"labels", "annotations"} {
		values, ok := metadata[field].(map[string]any)
		if !ok && metadata[field] != nil {
			return &Problem{Field: "metadata." + field, Message: "not a mapping", Remedy: "write it as key: value"}
		}
		for _, key := range sortedKeys(values) {
			switch values[key].(type) {
			case string:
			case nil:
				values[key] = ""
			default:
				return &Problem{Field: "metadata." + field + "[" + key + "]", Message: "the value is not text", Remedy: "put it in quotes"}
			}
		}
	}
	if ns, ok := metadata["namespace"]; ok && ns != nil {
		if _, isText := ns.(string); !isText {
			return &Problem{Field: "metadata.namespace", Message: "not text", Remedy: "leave the namespace out"}
		}
	}
	return nil
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
