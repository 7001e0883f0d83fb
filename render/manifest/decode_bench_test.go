package manifest_test

import (
	"os"
	"path/filepath"
	"testing"

	"catalyst.dev/catalyst/render/manifest"
)

// BenchmarkDecode reads the manifests of a rendered environment, each of which is decoded again before it is committed.
func BenchmarkDecode(b *testing.B) {
	files, err := filepath.Glob(filepath.Join("..", "..", "test", "testdata", "golden", "compose", "manifests", "*.yaml"))
	if err != nil || len(files) == 0 {
		b.Fatalf("no manifests: %v", err)
	}
	var docs [][]byte
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			b.Fatal(err)
		}
		docs = append(docs, data)
	}
	b.ReportAllocs()
	for b.Loop() {
		for _, data := range docs {
			if _, err := manifest.Decode("x.yaml", data); err != nil {
				b.Fatal(err)
			}
		}
	}
}
