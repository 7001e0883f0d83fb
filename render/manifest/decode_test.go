package manifest_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"catalyst.dev/catalyst/render/manifest"
)

func TestDecode(t *testing.T) {
	objs, err := manifest.Decode("a.yaml", []byte(`# comment
---
apiVersion: v1
kind: ConfigMap
metadata: {name: a}
immutable: yes
---
apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: Service, metadata: {name: b}, spec: {count: 1, ratio: 1.5}}
...
`))
	if err != nil {
		t.Fatal(err)
	}
	var got []any
	for _, obj := range objs {
		got = append(got, obj.Object)
	}
	want := []any{
		map[string]any{"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": "a"}, "immutable": true},
		map[string]any{"apiVersion": "v1", "kind": "Service", "metadata": map[string]any{"name": "b"},
			"spec": map[string]any{"count": int64(1), "ratio": 1.5}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Decode (-want +got):\n%s", diff)
	}
}

func TestDecodeRefuses(t *testing.T) {
	const head = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"
	for name, tc := range map[string]struct{ in, want string }{
		"duplicate key":      {head + "data: {a: x, a: y}", "stands twice"},
		"duplicate JSON key": {`{"apiVersion":"v1","kind":"A","kind":"B","metadata":{"name":"a"}}`, "duplicate"},
		"boolean key":        {head + "data: {on: x}", "not text"},
		"number key":         {head + "data: {1: x}", "not text"},
		"no kind":            {"apiVersion: v1\nmetadata: {name: a}", "kind is missing"},
		"no name":            {"apiVersion: v1\nkind: A\nmetadata: {}", "name is missing"},
		"generateName":       {"apiVersion: v1\nkind: A\nmetadata: {generateName: a-}", "generated name"},
		"number as label":    {"apiVersion: v1\nkind: A\nmetadata: {name: a, labels: {b: 1}}", "not text"},
		"scalar":             {"hello", "cannot unmarshal"},
		"self alias":         {head + "data: &a [*a]", "inside what it names"},
		"alias bomb":         {bomb(), "aliases expanded"},
		"flow depth":         {head + "data: " + strings.Repeat("[", 200) + strings.Repeat("]", 200), "nested"},
		"flow flood":         {strings.Repeat("[", 2_000_000), "separators"},
		"sequence flood":     {strings.Repeat("- ", 20_000) + "a", "depth"},
		"size":               {strings.Repeat("#", 11<<20), "bytes"},
		"list depth":         {strings.Repeat(`{"apiVersion":"v1","kind":"List","items":[`, 9) + strings.Repeat("]}", 9), "Lists"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := manifest.Decode("a.yaml", []byte(tc.in))
			var p *manifest.Problem
			if !errors.As(err, &p) || !strings.Contains(err.Error(), tc.want) || p.File != "a.yaml" {
				t.Errorf("Decode: got %v, want a Problem of a.yaml with %q", err, tc.want)
			}
		})
	}
}

func TestDecodeMergesKeys(t *testing.T) {
	objs, err := manifest.Decode("a.yaml", []byte("apiVersion: v1\nkind: A\nmetadata: {name: a}\nfirst: &x {p: 1}\nsecond: {<<: *x, p: 2}\n"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]any{"p": int64(2)}, objs[0].Object["second"]); diff != "" {
		t.Errorf("merged mapping (-want +got):\n%s", diff)
	}
}

func bomb() string {
	var b strings.Builder
	b.WriteString("a0: &a0 [x,x,x,x,x,x,x,x,x]\n")
	for i := 1; i < 10; i++ {
		one := string(rune('0' + i - 1))
		b.WriteString("a" + string(rune('0'+i)) + ": &a" + string(rune('0'+i)) + " [" + strings.Repeat("*a"+one+",", 9) + "]\n")
	}
	return b.String()
}
