package test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"catalyst.dev/catalyst/gitops"
	"catalyst.dev/catalyst/gitops/forge"
	"catalyst.dev/catalyst/gitops/repository"
	"catalyst.dev/catalyst/gitops/source"
	"catalyst.dev/catalyst/render/worker"
	"catalyst.dev/catalyst/test/stack"
)

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
	begun := time.Unix(1_700_000_000, 0)
	d.git.Commit("guestbook", "main", "Begin", applicationFiles(b), begun)
	for i := range d.heads {
		d.git.Git("guestbook", "branch", branch(i), "main")
		d.heads[i] = d.git.Commit("guestbook", branch(i), "Change", map[string]string{
			"chart/templates/credentials.yaml": credentials(i),
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

// applicationFiles are a repository of 4,380 files, of which a few are the Helm example's.
func applicationFiles(b *testing.B) map[string]string {
	b.Helper()
	files := readTree(b, filepath.Join("..", "examples", "helm", "web"))
	for i := range 4380 - len(files) {
		files[fmt.Sprintf("src/module-%02d/package-%d/file-%d.go", i%40, i%7, i)] = strings.Repeat(fmt.Sprintf("// line of file %d\n", i), 200)
	}
	return files
}

// credentials are a Secret of five values, all others at each commit: every event has as much to seal as a script has.
func credentials(commit int) string {
	var b strings.Builder
	b.WriteString("apiVersion: v1\nkind: Secret\nmetadata: {name: credentials}\nstringData:\n")
	for i := range 5 {
		fmt.Fprintf(&b, "  key-%d: value-%d-of-%d\n", i, i, commit)
	}
	return b.String()
}

// script does an event's work as people script it: a shallow clone of the application, helm template, kubeseal, and git add, commit
// and push on a clone of the environments repository that is kept.
type script struct {
	*delivery
	kept           shell
	helm, kubeseal string
}

func (d *delivery) script(b *testing.B) script {
	b.Helper()
	return script{delivery: d, kept: d.git.clone(b, "peer"), helm: stack.Tool(b, "helm"), kubeseal: stack.Tool(b, "kubeseal")}
}

func (s script) event(b *testing.B, head int) {
	b.Helper()
	web := filepath.Join(b.TempDir(), "web")
	s.kept.run("git", "clone", "-q", "--depth", "1", "--branch", branch(head), s.git.URL("guestbook"), web)
	rendered := output(b, "", s.helm, "template", "guestbook", filepath.Join(web, "chart"), "--namespace", "acme-guestbook-pr-1")
	secret := strings.Replace(credentials(head), "{name: credentials}", "{name: credentials, namespace: acme-guestbook-pr-1}", 1)
	sealed := output(b, secret, s.kubeseal, "--cert", s.certificate, "--format", "yaml")
	s.kept.replace(previewDir, map[string][]byte{"manifests/rendered.yaml": rendered, "manifests/sealedsecret.yaml": sealed})
	s.kept.push(previewDir)
}

// output runs a program and returns what it prints.
func output(b *testing.B, stdin, program string, args ...string) []byte {
	b.Helper()
	cmd := exec.Command(program, args...)
	cmd.Stdin = strings.NewReader(stdin)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		b.Fatalf("%s: %v\n%s", cmd, err, &stderr)
	}
	return out
}

// away puts a server behind a network: each of its answers comes later by a round trip.
func (p *population) away(roundTrip time.Duration) {
	inner := *p.Wrap.Load()
	wrap := func(git http.Handler) http.Handler {
		next := inner(git)
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(roundTrip)
			next.ServeHTTP(w, r)
		})
	}
	p.Wrap.Store(&wrap)
}

// A pull request whose head moved, from the event to the pushed commit, in an environments repository of 1,000 and of 10,000, and
// 40 ms away from the Git server.
func BenchmarkWebhookToCommit(b *testing.B) {
	for _, n := range []int{1000, 10_000} {
		for _, roundTrip := range []time.Duration{0, 40 * time.Millisecond} {
			b.Run(fmt.Sprintf("%d/%s", n, roundTrip), func(b *testing.B) { benchmarkWebhookToCommit(b, n, roundTrip) })
		}
	}
}

func benchmarkWebhookToCommit(b *testing.B, n int, roundTrip time.Duration) {
	d := newDelivery(b, n)
	d.event(b, 63)
	peer, before, events := d.script(b), d.git.Pushes.Load(), 0
	d.git.away(roundTrip)
	medians := compare(b, rounds,
		contender{"ours", func(round int) { d.event(b, (round+1)%len(d.heads)); events++ }},
		contender{"peer", func(round int) { peer.event(b, (round+1)%len(d.heads)) }})
	if pushed := int(d.git.Pushes.Load() - before); pushed != 2*events {
		b.Fatalf("%d events of each side made %d pushes", events, pushed)
	}
	report(b, medians, "peer")
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
