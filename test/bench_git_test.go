package test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"catalyst.dev/catalyst/gitops/gitopstest"
	"catalyst.dev/catalyst/gitops/repository"
)

// rounds that a benchmark measures of each side at least, in turns.
const rounds = 7

// contender is one side of a comparison. It is given the round's number and does one unit of work.
type contender struct {
	name string
	run  func(round int)
}

// compare lets the contenders take turns and returns their medians in milliseconds, in order. The first is ours, the second
// the peer; others are peers too.
func compare(b *testing.B, rounds int, contenders ...contender) []float64 {
	b.Helper()
	times := make([][]float64, len(contenders))
	for _, c := range contenders {
		c.run(-1) // what happens once a process is not measured
	}
	for round := 0; b.Loop(); {
		for range rounds {
			for i, c := range contenders {
				start := time.Now()
				c.run(round)
				times[i] = append(times[i], milliseconds(time.Since(start)))
			}
			round++
		}
	}
	medians := make([]float64, len(contenders))
	for i := range contenders {
		medians[i] = median(times[i])
	}
	return medians
}

// report prints ours, and each peer's figure and how many times ours it is.
func report(b *testing.B, medians []float64, peers ...string) {
	b.Helper()
	b.ReportMetric(0, "ns/op") // of no meaning: all contenders together
	b.ReportMetric(medians[0], "ours-ms")
	for i, peer := range peers {
		prefix := ""
		if peer != "peer" {
			prefix = peer + "-"
		}
		b.ReportMetric(medians[i+1], peer+"-ms")
		b.ReportMetric(medians[i+1]/medians[0], prefix+"ratio")
	}
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func median(values []float64) float64 {
	slices.Sort(values)
	return values[len(values)/2]
}

// shell runs command-line tools in a folder as a script would, without the user's or the system's Git settings.
type shell struct {
	b   *testing.B
	dir string
}

func (s shell) run(args ...string) {
	s.b.Helper()
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir = s.dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL="+os.DevNull, "GIT_TERMINAL_PROMPT=0",
		"GIT_AUTHOR_NAME=Octo Cat", "GIT_AUTHOR_EMAIL=octocat@example.com", "GIT_COMMITTER_NAME=Octo Cat", "GIT_COMMITTER_EMAIL=octocat@example.com")
	if out, err := cmd.CombinedOutput(); err != nil {
		s.b.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// replace writes the files of a folder of the clone, in place of what is there.
func (s shell) replace(dir string, files map[string][]byte) {
	s.b.Helper()
	dir = filepath.Join(s.dir, dir)
	if err := os.RemoveAll(dir); err != nil {
		s.b.Fatal(err)
	}
	for name, content := range files {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			s.b.Fatal(err)
		}
		if err := os.WriteFile(file, content, 0o644); err != nil {
			s.b.Fatal(err)
		}
	}
}

// push commits a folder of the clone and pushes it.
func (s shell) push(dir string) {
	s.b.Helper()
	s.run("git", "add", "--all", dir)
	s.run("git", "commit", "-q", "-m", "Update "+dir)
	s.run("git", "push", "-q", "origin", "main")
}

// hydrate does what Argo CD's commit server does for one environment, in the same order: a clone from nothing, a checkout, the
// path emptied and written, one commit, one push.
func (s shell) hydrate(url, dir string, files map[string][]byte) {
	s.b.Helper()
	for _, args := range [][]string{
		{"git", "init", "-q", "-b", "main", "."},
		{"git", "remote", "add", "origin", url},
		{"git", "fetch", "-q", "origin", "--tags", "--force", "--prune"},
		{"git", "checkout", "-q", "-B", "main", "origin/main"},
		{"git", "rm", "-q", "-r", "--ignore-unmatch", "--", dir},
	} {
		s.run(args...)
	}
	s.replace(dir, files)
	s.push(".")
}

// population is a Git server with equal environments repositories of n environments, ten files each.
type population struct {
	*gitopstest.Server
	n int
	// inServer is how long requests took inside the server, in nanoseconds.
	inServer atomic.Int64
	requests atomic.Int64
}

func populate(b *testing.B, n int, names ...string) *population {
	b.Helper()
	p := &population{Server: gitopstest.NewServer(b), n: n}
	p.InitBare(names[0])
	p.Git(names[0], "config", "gc.auto", "0") // maintenance in between would hit one side or the other
	p.Git(names[0], "config", "receive.autogc", "false")
	var stream strings.Builder
	stream.WriteString("commit refs/heads/main\ncommitter Octo Cat <octocat@example.com> 1700000000 +0000\ndata 5\nBegin\n")
	for i := range n {
		for name, content := range environmentFiles(i, 0) {
			fmt.Fprintf(&stream, "M 100644 inline %s/%s\ndata %d\n%s\n", environmentPath(i), name, len(content), content)
		}
	}
	p.Import(names[0], stream.String())
	for _, name := range names[1:] {
		if err := os.CopyFS(p.Dir(name), os.DirFS(p.Dir(names[0]))); err != nil {
			b.Fatal(err)
		}
	}
	wrap := func(git http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			start := time.Now()
			git.ServeHTTP(w, r)
			p.inServer.Add(int64(time.Since(start)))
			p.requests.Add(1)
		})
	}
	p.Wrap.Store(&wrap)
	return p
}

// environmentPath spreads environments over ten teams of ten projects.
func environmentPath(i int) string {
	return fmt.Sprintf("environments/team-%d/project-%d/pr-%d", i%10, i/10%10, i)
}

// environmentFiles are ten files that differ between environments and versions.
func environmentFiles(i, version int) map[string][]byte {
	files := map[string][]byte{}
	for f := range 8 {
		files[fmt.Sprintf("manifests/0%d-configmap-part-%d.yaml", f, f)] = fmt.Appendf(nil,
			"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: part-%d\n  namespace: acme-shop-pr-%d\n  labels:\n"+
				"    app.kubernetes.io/managed-by: catalyst\n    catalyst.dev/environment: pr-%d\ndata:\n  version: %q\n", f, i, i, fmt.Sprint(version))
	}
	files["environment.yaml"] = fmt.Appendf(nil, "apiVersion: catalyst.catalyst.dev/v1alpha1\nkind: Environment\nmetadata: {name: pr-%d}\nspec: {version: %d}\n", i, version)
	files["hydrator.metadata"] = fmt.Appendf(nil, "{\"drySha\": \"%040d\"}\n", version)
	return files
}

// open is the repository as the server opens it.
func (p *population) open(b *testing.B, name string) *repository.Repository {
	b.Helper()
	r, err := repository.Open(b.Context(), repository.Options{URL: p.URL(name), Branch: "main",
		Committer: repository.Signature{Name: "Catalyst", Email: "catalyst@catalyst.dev"}})
	if err != nil {
		b.Fatal(err)
	}
	return r
}

// clone is a clone that a script keeps.
func (p *population) clone(b *testing.B, name string) shell {
	b.Helper()
	s := shell{b: b, dir: b.TempDir()}
	s.run("git", "clone", "-q", p.URL(name), ".")
	return s
}

// commit replaces one environment through the repository.
func commit(b *testing.B, r *repository.Repository, i, version int) error {
	b.Helper()
	_, err := r.Commit(b.Context(), replacement(i, version))
	return err
}

func replacement(i, version int) repository.Change {
	files := environmentFiles(i, version)
	return repository.Change{Author: repository.Signature{Name: "Octo Cat", Email: "octocat@example.com"}, Message: "Update",
		Edit: func(context.Context, *repository.Snapshot) (repository.Edit, error) {
			return repository.Edit{Replace: map[string]map[string][]byte{environmentPath(i): files}}, nil
		}}
}

// One environment's ten files replaced, committed and pushed, against the git command line on a kept clone ("peer"), a shallow
// clone for each ("fresh") and what Argo CD's commit server does ("hydrator"). client-ms is ours without the time inside the server.
func BenchmarkCommitAndPush(b *testing.B) {
	for _, n := range []int{100, 1000, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			p := populate(b, n, "ours", "peer", "fresh", "hydrator")
			ours, kept := p.open(b, "ours"), p.clone(b, "peer")
			var client []float64
			medians := compare(b, rounds,
				contender{"ours", func(round int) {
					p.inServer.Store(0)
					start := time.Now()
					if err := commit(b, ours, (round+1)%n, round+2); err != nil {
						b.Fatal(err)
					}
					client = append(client, milliseconds(time.Since(start))-float64(p.inServer.Load())/1e6)
				}},
				contender{"peer", func(round int) {
					i := (round + 1) % n
					kept.replace(environmentPath(i), environmentFiles(i, round+2))
					kept.push(environmentPath(i))
				}})
			report(b, append(medians, slowly(b, p)...), "peer", "fresh", "hydrator")
			b.ReportMetric(median(client), "client-ms")
		})
	}
}

// slowly measures the two peers that begin from nothing, three times, and once where each takes many seconds.
func slowly(b *testing.B, p *population) []float64 {
	b.Helper()
	var fresh, hydrator []float64
	rounds := 3
	if p.n > 1000 {
		rounds = 1
	}
	for round := range rounds {
		i := (round + 1) % p.n
		files := environmentFiles(i, round+2)
		start := time.Now()
		s := shell{b: b, dir: b.TempDir()}
		s.run("git", "clone", "-q", "--depth", "1", p.URL("fresh"), ".")
		s.replace(environmentPath(i), files)
		s.push(environmentPath(i))
		fresh = append(fresh, milliseconds(time.Since(start)))
		start = time.Now()
		shell{b: b, dir: b.TempDir()}.hydrate(p.URL("hydrator"), environmentPath(i), files)
		hydrator = append(hydrator, milliseconds(time.Since(start)))
	}
	return []float64{median(fresh), median(hydrator)}
}

// A hundred environments that change at once, against as many single pushes of the command line: peer-ms is a hundred times the
// median of one.
func BenchmarkGroupOf100(b *testing.B) {
	const size = 100
	for _, n := range []int{1000, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			p := populate(b, n, "ours", "peer")
			ours, kept := p.open(b, "ours"), p.clone(b, "peer")
			var pushes []float64
			medians := compare(b, rounds,
				contender{"ours", func(round int) {
					before := p.Pushes.Load()
					var group errgroup.Group
					for i := range size {
						group.Go(func() error { return commit(b, ours, i, round+2) })
					}
					if err := group.Wait(); err != nil {
						b.Fatal(err)
					}
					pushes = append(pushes, float64(p.Pushes.Load()-before))
				}},
				contender{"peer", func(round int) {
					i := (round + 1) % n
					kept.replace(environmentPath(i), environmentFiles(i, round+2))
					kept.push(environmentPath(i))
				}})
			b.ReportMetric(medians[0]/size, "ours-each-ms")
			b.ReportMetric(median(pushes), "pushes")
			medians[1] *= size
			report(b, medians, "peer")
		})
	}
}
