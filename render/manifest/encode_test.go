package manifest_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"catalyst.dev/catalyst/render/manifest"
)

// Encode writes what Kubernetes' own encoder writes.
func TestEncodeWritesAsKubernetesDoes(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for range 300 {
		obj := &unstructured.Unstructured{Object: map[string]any{"kind": "X", "apiVersion": "v1", "spec": anyValue(random, 4)}}
		want, err := yaml.Marshal(obj.Object)
		if err != nil {
			continue // it cannot read some control characters in the JSON that it wrote
		}
		got, err := manifest.Encode(obj)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), string(got)); diff != "" {
			t.Fatalf("%#v (-want +got):\n%s", obj.Object, diff)
		}
	}
}

// anyValue is something that an object can hold.
func anyValue(random *rand.Rand, depth int) any {
	texts := []string{"", "a", "true", "null", "1", "0x1F", "1e3", "~", "yes", "a: b", "- a", "line\nline\n", " padded ", "tab\t", "<&>", "é", "\u2028", "\x00", "\x7f",
		"2006-01-02", "a\r\nb", "\xff", "#", "'", "\"", "{", "%", "@", "=", "<<", ".5", "0o7", "12:30:45", "-"}
	if depth == 0 || random.IntN(3) == 0 {
		switch random.IntN(6) {
		case 0:
			return random.Int64()
		case 1:
			return float64(random.IntN(100)) / 8
		case 2:
			return random.IntN(2) == 0
		case 3:
			return nil
		case 4:
			return []float64{1e21, 1e-9, 100000000, 0.1, -0.5, 12345678.9}[random.IntN(6)]
		}
		return texts[random.IntN(len(texts))]
	}
	if random.IntN(2) == 0 {
		list := []any{}
		for range random.IntN(4) {
			list = append(list, anyValue(random, depth-1))
		}
		return list
	}
	m := map[string]any{}
	for range random.IntN(5) {
		m[fmt.Sprint(texts[random.IntN(len(texts))], random.IntN(12))] = anyValue(random, depth-1)
	}
	return m
}
