package test

import (
	"context"
	"crypto/rand"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"testing"
	"time"

	"catalyst.dev/catalyst/api/v1alpha1"
	"catalyst.dev/catalyst/gitops"
	"catalyst.dev/catalyst/gitops/forge"
	"catalyst.dev/catalyst/gitops/repository"
	"catalyst.dev/catalyst/gitops/source"
	"catalyst.dev/catalyst/render"
	"catalyst.dev/catalyst/render/worker"
	"catalyst.dev/catalyst/secrets"
)

// peerTools are the command lines that render the examples outside of Catalyst, run in the example's folder.
func peerTools() map[string][]string {
	return map[string][]string{
		"compose":   {"kompose", "convert", "--stdout", "-f", "web/compose.yaml"},
		"helm":      {"helm", "template", "guestbook", "web/chart"},
		"kustomize": {"kustomize", "build", "web/overlays/preview"},
	}
}

// The examples rendered by a warm contained worker, against the template type's own command-line tool where it is on PATH. Where
// it is not, the peer is a stand-in: this program's own `catalyst render`, a process for each render, which also seals and
// writes the folder. tool=1 says that the real tool was the peer.
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
			peer, tool := peerTools()[name], 1.0
			if len(peer) == 0 || !onPath(peer[0]) {
				peer, tool = renderCommand(".", "web", filepath.Join(b.TempDir(), "out"), certificate), 0
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

func onPath(program string) bool {
	_, err := exec.LookPath(program)
	return err == nil
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

const (
	benchPlatform = "apiVersion: catalyst.catalyst.dev/v1alpha1\nkind: Platform\nmetadata: {name: catalyst}\nspec: {domain: catalyst.localhost}\n"
	benchProject  = `apiVersion: catalyst.catalyst.dev/v1alpha1
kind: Project
metadata: {name: guestbook, namespace: acme}
spec:
  sources: [{name: web, repositoryUrl: %q, branch: main}]
  templates:
    development: {type: helm, path: chart, values: {ingress: {host: "${CATALYST_HOST}"}}}
  previews: {enabled: true, max: 100000}
`
	previewDir = "environments/acme/guestbook/pr-1"
)

// delivery is the whole way of an event: a pull request of an application with the Helm example, an environments repository of
// many environments, and the loop with contained workers between them.
type delivery struct {
	git         *population
	loop        *gitops.Loop
	repository  *repository.Repository
	forge       *levels
	heads       [64]string
	certificate string
}

func newDelivery(b *testing.B, n int) *delivery {
	b.Helper()
	d := &delivery{git: populate(b, n, "environments"), forge: &levels{pulls: map[int]forge.PullRequest{}}, certificate: writeCertificate(b)}
	d.git.InitBare("guestbook")
	chart := readTree(b, filepath.Join("..", "examples", "helm", "web"))
	begun := time.Unix(1_700_000_000, 0)
	d.git.Commit("guestbook", "main", "Begin", chart, begun)
	for i := range d.heads {
		d.git.Git("guestbook", "branch", branch(i), "main")
		d.heads[i] = d.git.Commit("guestbook", branch(i), "Change", map[string]string{
			"chart/templates/change.yaml": fmt.Sprintf("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: change}\ndata: {change: \"%d\"}\n", i),
		}, begun)
	}
	pem, err := os.ReadFile(d.certificate)
	if err != nil {
		b.Fatal(err)
	}
	d.git.Commit("environments", "main", "Add the project", map[string]string{
		"catalyst.yaml": benchPlatform, "sealed-secrets.pem": string(pem),
		"projects/acme/guestbook.yaml": fmt.Sprintf(benchProject, d.git.URL("guestbook")),
	}, begun)
	if err := os.CopyFS(d.git.Dir("peer"), os.DirFS(d.git.Dir("environments"))); err != nil {
		b.Fatal(err)
	}
	d.start(b)
	return d
}

func branch(i int) string { return fmt.Sprintf("feature-%d", i) }

func (d *delivery) start(b *testing.B) {
	b.Helper()
	pool := worker.New(worker.Options{Executable: binary})
	b.Cleanup(func() {
		if err := pool.Close(); err != nil {
			b.Error(err)
		}
	})
	sources, err := source.New(source.Options{AllowLocal: true})
	if err != nil {
		b.Fatal(err)
	}
	d.repository = d.git.open(b, "environments")
	d.loop, err = gitops.New(gitops.Config{Repository: d.repository, Sources: sources, Forge: d.forge, Render: pool.Render,
		Record: func(_ context.Context, o gitops.Outcome) error {
			if o.State == gitops.StateFailed {
				b.Errorf("the environment failed: %s", o.Message)
			}
			return nil
		},
		RepositoryURL: d.git.URL("environments"), Version: "bench", MACKey: make([]byte, 32), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
}

// event tells the loop of the pull request at one of its heads, and returns when what follows from it is pushed.
func (d *delivery) event(b *testing.B, head int) {
	b.Helper()
	d.forge.set(forge.PullRequest{Repository: forge.Repository{ID: 1, FullName: "acme/guestbook", CloneURL: d.git.URL("guestbook")},
		Number: 1, State: "open", Head: forge.Head{Ref: branch(head), SHA: d.heads[head], RepositoryID: 1}})
	cause := gitops.Cause{Actor: "github:octocat", Delivery: fmt.Sprint(time.Now().UnixNano())}
	if err := d.loop.PullRequest(b.Context(), "acme/guestbook", 1, cause); err != nil {
		b.Fatal(err)
	}
}

// documents are those that a script would render: the project, and the environment as it was committed.
func (d *delivery) documents(b *testing.B) string {
	b.Helper()
	dir := b.TempDir()
	for to, from := range map[string]string{"project.yaml": "projects/acme/guestbook.yaml", "environment.yaml": path.Join(previewDir, "environment.yaml")} {
		data, err := d.repository.Snapshot().ReadFile(b.Context(), from)
		if err != nil {
			b.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, to), data, 0o644); err != nil {
			b.Fatal(err)
		}
	}
	return dir
}

// A pull request whose head moved, from the event to the pushed commit, against a script: a shallow clone of the application, a
// render, and git add, commit and push on a kept clone. `catalyst render` stands in for helm template and kubeseal.
func BenchmarkWebhookToCommit(b *testing.B) {
	for _, n := range []int{1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			d := newDelivery(b, n)
			d.event(b, 63)
			documents, kept, before := d.documents(b), d.git.clone(b, "peer"), d.git.Pushes.Load()
			events := 0
			medians := compare(b, rounds,
				contender{"ours", func(round int) { d.event(b, (round+1)%len(d.heads)); events++ }},
				contender{"peer", func(round int) {
					web := filepath.Join(b.TempDir(), "web")
					kept.run("git", "clone", "-q", "--depth", "1", "--branch", branch((round+1)%len(d.heads)), d.git.URL("guestbook"), web)
					kept.run(renderCommand(documents, web, filepath.Join(kept.dir, previewDir), d.certificate)...)
					kept.push(previewDir)
				}})
			if pushed := int(d.git.Pushes.Load() - before); pushed != 2*events {
				b.Fatalf("%d events of each side made %d pushes", events, pushed)
			}
			report(b, medians, "peer")
		})
	}
}

// An event that says nothing new (ours) against one that does (peer). requests are those to Git servers for the former, of which
// none is a push.
func BenchmarkNoChange(b *testing.B) {
	d := newDelivery(b, 1000)
	var requests, pushes int64
	head := 0
	d.event(b, head)
	medians := compare(b, rounds,
		contender{"ours", func(int) {
			before, pushed := d.git.requests.Load(), d.git.Pushes.Load()
			d.event(b, head)
			requests, pushes = d.git.requests.Load()-before, pushes+d.git.Pushes.Load()-pushed
		}},
		contender{"peer", func(int) { head = (head + 1) % len(d.heads); d.event(b, head) }})
	if pushes != 0 {
		b.Fatalf("events without a change made %d pushes", pushes)
	}
	report(b, medians, "peer")
	b.ReportMetric(float64(requests), "requests")
}
