package test

import (
	"crypto/rand"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"catalyst.dev/catalyst/api/v1alpha1"
	"catalyst.dev/catalyst/render"
	"catalyst.dev/catalyst/render/worker"
	"catalyst.dev/catalyst/secrets"
	"catalyst.dev/catalyst/test/stack"
)

// peerTools are the command lines that render the examples outside of Catalyst, run in the example's folder.
var peerTools = map[string][]string{
	"compose":   {"kompose", "convert", "--stdout", "-f", "web/compose.yaml"},
	"helm":      {"helm", "template", "guestbook", "web/chart"},
	"kustomize": {"kustomize", "build", "web/overlays/preview"},
}

// The examples rendered by a warm contained worker, against the template type's own command-line tool. A type that has none is
// measured against a stand-in: this program's own `catalyst render`, a process for each render, which also seals and writes the
// folder. tool=1 says that the real tool was the peer.
func BenchmarkRender(b *testing.B) {
	pool := worker.New(worker.Options{Executable: binary})
	b.Cleanup(func() {
		if err := pool.Close(); err != nil {
			b.Error(err)
		}
	})
	certificate := writeCertificate(b)
	for _, name := range []string{"compose", "helm", "kustomize", "manifest", "prebuilt"} {
		b.Run(name, func(b *testing.B) {
			dir := filepath.Join("..", "examples", name)
			in := exampleInput(b, dir)
			s := shell{b: b, dir: dir}
			peer, tool := renderCommand(".", "web", filepath.Join(b.TempDir(), "out"), certificate), 0.0
			if command, ok := peerTools[name]; ok {
				peer, tool = append([]string{stack.Tool(b, command[0])}, command[1:]...), 1
			}
			medians := compare(b, 3*rounds,
				contender{"ours", func(int) {
					if _, err := pool.Render(b.Context(), in); err != nil {
						b.Fatal(err)
					}
				}},
				contender{"peer", func(int) { s.run(peer...) }})
			report(b, medians, "peer")
			b.ReportMetric(tool, "tool")
		})
	}
}

// renderCommand renders the documents in a folder with this program, from the source web.
func renderCommand(documents, web, out, certificate string) []string {
	return []string{binary, "render", "-f", filepath.Join(documents, "project.yaml"), "-f", filepath.Join(documents, "environment.yaml"),
		"--source", "web=" + web, "--certificate", certificate, "-o", out}
}

func writeCertificate(b *testing.B) string {
	b.Helper()
	data, _, err := secrets.GenerateKeyPair(time.Now(), rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	return writeFile(b, "sealed-secrets.pem", data)
}

func writeFile(b *testing.B, name string, data []byte) string {
	b.Helper()
	file := filepath.Join(b.TempDir(), name)
	if err := os.WriteFile(file, data, 0o644); err != nil {
		b.Fatal(err)
	}
	return file
}

// exampleInput is an example's input, on the platform that `catalyst render` takes when it is given none.
func exampleInput(b *testing.B, dir string) render.Input {
	b.Helper()
	in := render.Input{
		Platform: &v1alpha1.Platform{Spec: v1alpha1.PlatformSpec{Domain: "catalyst.localhost",
			Registry: "registry.catalyst.localhost", Ingress: v1alpha1.PlatformIngress{ClassName: "nginx"}}},
		Project: &v1alpha1.Project{}, Environment: &v1alpha1.Environment{},
		Sources: map[string]fs.FS{"web": os.DirFS(filepath.Join(dir, "web"))},
	}
	in.Platform.SetDefaults()
	for name, into := range map[string]v1alpha1.Object{"project.yaml": in.Project, "environment.yaml": in.Environment} {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			b.Fatal(err)
		}
		if err := v1alpha1.Decode(name, data, into); err != nil {
			b.Fatal(err)
		}
	}
	return in
}
