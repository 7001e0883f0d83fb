package v1alpha1

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	yamlnode "go.yaml.in/yaml/v3"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/yaml"
)

// What a document may be at most, checked before it is expanded.
const (
	maxDocument = 1 << 20
	maxNodes    = 100_000
	maxDepth    = 100
)

// Object is one of the kinds: *Platform, *Team, *Project or *Environment.
// +kubebuilder:object:generate=false
type Object interface {
	runtime.Object
	metav1.Object
	// SetDefaults fills what was left out.
	SetDefaults()
	// Validate reports every fault of a defaulted object, as *FieldError joined.
	Validate() error
}

var (
	_ Object = (*Platform)(nil)
	_ Object = (*Team)(nil)
	_ Object = (*Project)(nil)
	_ Object = (*Environment)(nil)
)

// Decode reads one YAML or JSON document strictly into an empty object, sets its defaults and validates it.
// file names the document in errors. Every fault is reported, as *FieldError joined. On an error into holds nothing to rely on.
func Decode(file string, data []byte, into Object) error {
	err := decode(data, into)
	for _, e := range FieldErrors(err) {
		e.File = file
	}
	return err
}

// decode is Decode without the file's name.
func decode(data []byte, into Object) error {
	var p problems
	if len(data) > maxDocument {
		p.add(nil, "the document has %d bytes, more than %d", len(data), maxDocument)
		return p.err()
	}
	root, err := singleDocument(data)
	if err != nil {
		p.add(nil, "%s", err)
		return p.err()
	}
	s := shape{problems: &p}
	if s.walk(nil, root, 0); s.over || len(p) > 0 {
		return p.err()
	}
	var tree any
	if err := yaml.Unmarshal(data, &tree); err != nil {
		p.add(nil, "%s", plainYAMLError(err))
		return p.err()
	}
	doc, ok := tree.(map[string]any)
	if !ok {
		p.add(nil, "the document is no mapping")
		return p.err()
	}
	if checkKind(&p, doc, into); len(p) > 0 {
		return p.err() // with another kind every field would look unknown
	}
	if checkFields(&p, doc, into); len(p) > 0 {
		return p.err()
	}
	if err := yaml.Unmarshal(data, into); err != nil {
		p.add(nil, "%s", plainYAMLError(err))
		return p.err()
	}
	into.SetDefaults()
	return into.Validate()
}

// singleDocument parses the only document in data without expanding aliases.
func singleDocument(data []byte) (*yamlnode.Node, error) {
	dec := yamlnode.NewDecoder(bytes.NewReader(data))
	var root, next yamlnode.Node
	if err := dec.Decode(&root); errors.Is(err, io.EOF) {
		return nil, errors.New("the document is empty")
	} else if err != nil {
		return nil, errors.New(plainYAMLError(err))
	}
	if err := dec.Decode(&next); err == nil {
		return nil, errors.New("there is more than one document in the file")
	} else if !errors.Is(err, io.EOF) {
		return nil, errors.New(plainYAMLError(err))
	}
	return &root, nil
}

// plainYAMLError is a YAML library's error without its prefixes.
func plainYAMLError(err error) string {
	s := err.Error()
	for _, prefix := range []string{"error converting YAML to JSON: ", "error unmarshaling JSON: ", "while decoding JSON: ", "json: "} {
		s = strings.TrimPrefix(s, prefix)
	}
	return strings.ReplaceAll(s, "\n", " ")
}

// shape measures a document with its aliases expanded and finds keys that stand twice.
type shape struct {
	*problems
	nodes int
	over  bool
}

// walk visits a node and what is below it, and stops at the first limit.
func (s *shape) walk(at *field.Path, n *yamlnode.Node, depth int) {
	if s.over {
		return
	}
	s.nodes++
	switch {
	case depth > maxDepth:
		s.over = true
		s.add(nil, "the document is nested more than %d deep", maxDepth)
	case s.nodes > maxNodes:
		s.over = true
		s.fix(nil, "write fewer aliases", "the document has more than %d nodes with its aliases expanded", maxNodes)
	case n.Kind == yamlnode.AliasNode:
		s.walk(at, n.Alias, depth+1)
	case n.Kind == yamlnode.MappingNode:
		s.mapping(at, n, depth)
	default:
		for i, child := range n.Content {
			below := at
			if n.Kind == yamlnode.SequenceNode && at != nil {
				below = at.Index(i)
			}
			s.walk(below, child, depth+1)
		}
	}
}

// mapping visits the entries of a mapping.
func (s *shape) mapping(at *field.Path, n *yamlnode.Node, depth int) {
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		for key.Kind == yamlnode.AliasNode {
			key = key.Alias
		}
		below := child(at, key.Value)
		switch {
		case key.Kind != yamlnode.ScalarNode:
			s.add(at, "line %d: a key is no plain text", key.Line)
		case key.Tag == "!!merge":
			s.fix(at, "write the fields out", `line %d: the merge key "<<" is not supported`, key.Line)
		case seen[key.Value]:
			s.add(below, "line %d: the key stands twice", key.Line)
		}
		seen[key.Value] = true
		s.walk(below, n.Content[i+1], depth+1)
	}
}

// child of a path that may be the root's nil.
func child(at *field.Path, name string) *field.Path {
	if at == nil {
		return field.NewPath(name)
	}
	return at.Child(name)
}

// checkKind compares apiVersion and kind with those of the object.
func checkKind(p *problems, doc map[string]any, into Object) {
	for _, want := range []struct{ key, value string }{
		{"apiVersion", GroupVersion.String()},
		{"kind", kindOf(into)},
	} {
		switch got := doc[want.key]; got {
		case want.value:
		case nil:
			p.fix(field.NewPath(want.key), fmt.Sprintf("write %q", want.value), "is missing")
		default:
			p.add(field.NewPath(want.key), "is %q, want %q", fmt.Sprint(got), want.value)
		}
	}
}

// kindOf an object, whether or not its TypeMeta is set.
func kindOf(obj Object) string {
	switch obj.(type) {
	case *Platform:
		return KindPlatform
	case *Team:
		return KindTeam
	case *Project:
		return KindProject
	case *Environment:
		return KindEnvironment
	}
	return ""
}
