package test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"catalyst.dev/catalyst/api/v1alpha1"
	"catalyst.dev/catalyst/render"
	"catalyst.dev/catalyst/render/worker"
	"catalyst.dev/catalyst/secrets"
	"catalyst.dev/catalyst/test/composeapp"
	"catalyst.dev/catalyst/test/stack"
)

// composeOf is a Compose file of n services, each with what services commonly have.
func composeOf(n int) string {
	var b strings.Builder
	b.WriteString("services:\n")
	for i := range n {
		fmt.Fprintf(&b, `  service-%[1]d:
    image: registry.example.com/service-%[1]d:1.0
    restart: unless-stopped
    ports: ["%[2]d:8080"]
    environment:
      LOG_LEVEL: info
      UPSTREAM: http://service-%[3]d:8080
      DB_PASSWORD: correct-horse-%[1]d
    volumes: ["data-%[1]d:/var/lib/service"]
    healthcheck:
      test: ["CMD", "curl", "-f", "http://localhost:8080/healthz"]
      interval: 10s
`, i, 10000+i, i/2)
		if i > 0 {
			fmt.Fprintf(&b, "    depends_on: [service-%d]\n", i/2)
		}
	}
	b.WriteString("volumes:\n")
	for i := range n {
		fmt.Fprintf(&b, "  data-%d: {}\n", i)
	}
	return b.String()
}

// An application of 10 services: this program as a process, which also seals and writes the folder, against `kompose convert` of the
// same file, and a warm worker.
func BenchmarkComposeVersusKompose(b *testing.B) {
	file := writeFile(b, "compose.yaml", []byte(composeOf(10)))
	app := composeapp.App{Name: "bench", Dir: filepath.Dir(file), File: "compose.yaml"}
	s, kompose, out := shell{b: b, dir: b.TempDir()}, stack.Tool(b, "kompose"), filepath.Join(b.TempDir(), "out")
	ours := append(append([]string{binary}, app.RenderArgs(b)...), "--certificate", writeCertificate(b), "-o", out)
	pool := worker.New(worker.Options{Executable: binary})
	b.Cleanup(func() {
		if err := pool.Close(); err != nil {
			b.Error(err)
		}
	})
	in := composeInput(b, 10)
	medians := compare(b, 3*rounds,
		contender{"ours", func(int) { s.run(ours...) }},
		contender{"kompose", func(int) { s.run(kompose, "convert", "--stdout", "-f", file) }},
		contender{"worker", func(int) {
			if _, err := pool.Render(b.Context(), in); err != nil {
				b.Fatal(err)
			}
		}})
	report(b, medians, "kompose", "worker")
}

// The cost of a service in applications of several sizes, in this process: it must not grow with the application.
func BenchmarkComposeService(b *testing.B) {
	for _, n := range []int{10, 100, 500} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			in := composeInput(b, n)
			var before, after runtime.MemStats
			renders := 0
			start := time.Now()
			runtime.ReadMemStats(&before)
			for b.Loop() {
				if _, err := render.Render(b.Context(), in); err != nil {
					b.Fatal(err)
				}
				renders++
			}
			runtime.ReadMemStats(&after)
			services := float64(n * renders)
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(milliseconds(time.Since(start))/services, "ms/service")
			b.ReportMetric(float64(after.Mallocs-before.Mallocs)/services, "allocs/service")
		})
	}
}

// composeInput is an application of n services on the platform of the examples, with a quota for any number.
func composeInput(b *testing.B, n int) render.Input {
	b.Helper()
	in := exampleInput(b, filepath.Join("..", "examples", "compose"))
	in.Sources = map[string]fs.FS{"web": fstest.MapFS{"compose.yaml": {Data: []byte(composeOf(n))}}}
	template := in.Project.Spec.Templates["development"]
	template.Builds = nil
	in.Project.Spec.Templates = map[string]v1alpha1.Template{"development": template}
	in.Platform.Spec.Render.Objects = int32(10 * n)
	plenty := resource.MustParse("100000Gi")
	in.Project.Spec.Resources.DefaultQuota = corev1.ResourceList{"pods": plenty, "persistentvolumeclaims": plenty,
		"requests.cpu": plenty, "requests.memory": plenty, "requests.storage": plenty}
	return in
}

// Secrets of 1 and 20 values: sealed as the loop does, where nothing is in Git and where nothing changed, against kubeseal.
func BenchmarkSealVersusKubeseal(b *testing.B) {
	kubeseal := stack.Tool(b, "kubeseal")
	for _, n := range []int{1, 20} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			secret := secretOf(n)
			manifest, err := yaml.Marshal(secret.Object)
			if err != nil {
				b.Fatal(err)
			}
			file, certificate := writeFile(b, "secret.yaml", manifest), writeCertificate(b)
			sealer := newSealer(b, certificate)
			s := shell{b: b, dir: filepath.Dir(file)}
			committed := seal(b, sealer, secret, nil)
			medians := compare(b, 3*rounds,
				contender{"ours", func(int) { seal(b, sealer, secret, nil) }},
				contender{"kubeseal", func(int) {
					s.run(kubeseal, "--cert", certificate, "-f", file, "-w", filepath.Join(s.dir, "sealed.yaml"))
				}},
				contender{"unchanged", func(int) { seal(b, sealer, secret, committed) }})
			report(b, medians, "kubeseal", "unchanged")
		})
	}
}

func secretOf(n int) *unstructured.Unstructured {
	data := map[string]any{}
	for i := range n {
		data[fmt.Sprintf("KEY_%02d", i)] = fmt.Sprintf("correct-horse-%02d", i)
	}
	return &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Secret",
		"metadata": map[string]any{"name": "db", "namespace": "acme-shop-pr-1"}, "stringData": data}}
}

func newSealer(b *testing.B, certificate string) *secrets.Sealer {
	b.Helper()
	mac, err := secrets.DeriveMACKey(make([]byte, 32))
	if err != nil {
		b.Fatal(err)
	}
	data, err := os.ReadFile(certificate)
	if err != nil {
		b.Fatal(err)
	}
	parsed, err := secrets.ParseCertificate(data)
	if err != nil {
		b.Fatal(err)
	}
	return &secrets.Sealer{Certificate: parsed, MACKey: mac}
}

func seal(b *testing.B, sealer *secrets.Sealer, secret, committed *unstructured.Unstructured) *unstructured.Unstructured {
	b.Helper()
	sealed, err := sealer.Seal(secret, committed, nil)
	if err != nil {
		b.Fatal(err)
	}
	return sealed
}
