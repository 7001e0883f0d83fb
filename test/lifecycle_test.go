package test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"catalyst.dev/catalyst/api/v1alpha1"
	"catalyst.dev/catalyst/gitops"
	"catalyst.dev/catalyst/gitops/forge"
	"catalyst.dev/catalyst/gitops/gitopstest"
	"catalyst.dev/catalyst/gitops/repository"
	"catalyst.dev/catalyst/gitops/source"
	"catalyst.dev/catalyst/render"
)

// levels is a forge that says what each pull request is now.
type levels struct {
	mu    sync.Mutex
	pulls map[int]forge.PullRequest
}

func (l *levels) PullRequest(_ context.Context, _ string, number int) (forge.PullRequest, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	pr, ok := l.pulls[number]
	if !ok {
		return forge.PullRequest{}, forge.ErrNotFound
	}
	return pr, nil
}

func (l *levels) Files(context.Context, string, int) ([]string, error) {
	return nil, errors.New("no project filters by path")
}

func (l *levels) OpenPullRequests(context.Context, string) ([]forge.PullRequest, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var open []forge.PullRequest
	for _, number := range slices.Sorted(maps.Keys(l.pulls)) {
		if pr := l.pulls[number]; pr.State == "open" {
			open = append(open, pr)
		}
	}
	return open, nil
}

func (l *levels) set(pr forge.PullRequest) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pulls[pr.Number] = pr
}

// world is the real loop between two real Git repositories, with a forge whose truth the test sets.
type world struct {
	loop     *gitops.Loop
	repo     *repository.Repository
	forge    *levels
	cloneURL string
	commits  []string
}

const lifecycleProject = `apiVersion: catalyst.catalyst.dev/v1alpha1
kind: Project
metadata: {name: shop, namespace: acme}
spec:
  sources: [{name: web, repositoryUrl: "%s", branch: main}]
  templates:
    development: {type: manifest, path: deploy}
  previews: {enabled: true, max: 100000}
`

func newWorld(t testing.TB) *world {
	t.Helper()
	git := gitopstest.NewServer(t)
	git.InitBare("shop")
	git.InitBare("environments")
	w := &world{forge: &levels{pulls: map[int]forge.PullRequest{}}, cloneURL: git.URL("shop")}
	for i := range 4 {
		w.commits = append(w.commits, git.Commit("shop", "main", fmt.Sprintf("Change %d", i), map[string]string{
			"deploy/settings.yaml": fmt.Sprintf("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {change: %q}\n", fmt.Sprint(i)),
		}, time.Unix(1_700_000_000+int64(i), 0)))
	}
	git.Commit("environments", "main", "Begin", map[string]string{
		"catalyst.yaml":           "apiVersion: catalyst.catalyst.dev/v1alpha1\nkind: Platform\nmetadata: {name: catalyst}\nspec: {domain: catalyst.localhost}\n",
		"projects/acme/shop.yaml": fmt.Sprintf(lifecycleProject, w.cloneURL),
	}, time.Unix(1_700_000_000, 0))
	var err error
	w.repo, err = repository.Open(t.Context(), repository.Options{URL: git.URL("environments"), Branch: "main",
		Committer: repository.Signature{Name: "Catalyst", Email: "catalyst@catalyst.dev"}})
	if err != nil {
		t.Fatal(err)
	}
	sources, err := source.New(source.Options{AllowLocal: true})
	if err != nil {
		t.Fatal(err)
	}
	w.loop, err = gitops.New(gitops.Config{
		Repository: w.repo, Sources: sources, Forge: w.forge, Render: render.Render,
		RepositoryURL: git.URL("environments"), Version: "test", MACKey: make([]byte, 32), Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// life is one pull request's states, first to last; each has an event that tells of it.
func (w *world) life(number int, random *rand.Rand) []forge.PullRequest {
	state := func(commit int, open, draft bool) forge.PullRequest {
		pr := forge.PullRequest{Repository: forge.Repository{ID: 1, FullName: "acme/shop", CloneURL: w.cloneURL},
			Number: number, State: "closed", Draft: draft,
			Head: forge.Head{Ref: "feature", SHA: w.commits[commit], RepositoryID: 1}}
		if open {
			pr.State = "open"
		}
		return pr
	}
	states := []forge.PullRequest{state(0, true, false), state(1, true, false), state(1, true, true),
		state(1, true, false), state(1, false, false), state(1, true, false), state(2, true, false), state(3, true, false)}
	if random.IntN(2) == 0 {
		states = append(states, state(3, false, false))
	}
	return states[:1+random.IntN(len(states))]
}

// However the events of a pull request's life are repeated and reordered, its environment ends as the last state says.
func TestReorderedEventsEndInOneState(t *testing.T) {
	const lives = 1000
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	w := newWorld(t)
	var group errgroup.Group
	group.SetLimit(16)
	last := make([]forge.PullRequest, lives)
	for i := range lives {
		random := rand.New(rand.NewPCG(seed, uint64(i)))
		states := w.life(i+1, random)
		last[i] = states[len(states)-1]
		group.Go(func() error { return w.live(t.Context(), states, random) })
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	snapshot, err := w.repo.Refresh(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{} // by commit: what an environment of that commit holds
	for i, pr := range last {
		key := v1alpha1.EnvironmentKey{Team: "acme", Project: "shop", Environment: fmt.Sprintf("pr-%d", i+1)}
		files, err := snapshot.Files(t.Context(), path.Join("environments", key.String()))
		if pr.State != "open" || pr.Draft {
			if !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s should not exist: %d files, %v", key, len(files), err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s should exist: %v", key, err)
			continue
		}
		got := normalized(files, key)
		if want[pr.Head.SHA] == "" {
			want[pr.Head.SHA] = got
			if !strings.Contains(got, "commitSha: "+pr.Head.SHA) {
				t.Errorf("%s is not at commit %s:\n%s", key, pr.Head.SHA, got)
			}
		}
		if diff := cmp.Diff(want[pr.Head.SHA], got); diff != "" {
			t.Errorf("%s differs from another environment of its commit:\n%s", key, diff)
		}
	}
}

// live moves the pull request through its states while events of states already reached are worked, at random, some
// several times, some by two workers at once. Each event is worked once at least; the last one after the last state.
func (w *world) live(ctx context.Context, states []forge.PullRequest, random *rand.Rand) error {
	var pending []int
	work := func(event int) error {
		cause := gitops.Cause{Actor: "github:octocat", Delivery: fmt.Sprintf("%d-%d", states[0].Number, event)}
		return w.loop.PullRequest(ctx, "acme/shop", states[0].Number, cause)
	}
	for i, state := range states {
		w.forge.set(state)
		pending = append(pending, i)
		for len(pending) > 1 && random.IntN(3) == 0 {
			at := random.IntN(len(pending))
			if err := work(pending[at]); err != nil {
				return err
			}
			if random.IntN(3) > 0 { // else it is delivered again
				pending = append(pending[:at], pending[at+1:]...)
			}
		}
	}
	random.Shuffle(len(pending), func(i, j int) { pending[i], pending[j] = pending[j], pending[i] })
	var rest errgroup.Group
	for _, event := range append(pending, len(states)-1) {
		rest.Go(func() error { return work(event) })
	}
	return rest.Wait()
}

// normalized is an environment's folder as text, its own number and what follows from it aside.
func normalized(files map[string][]byte, key v1alpha1.EnvironmentKey) string {
	var b strings.Builder
	for _, name := range sorted(files) {
		if name == "hydrator.metadata" || strings.Contains(name, "namespace-") {
			continue // hold digests over the number
		}
		text := strings.ReplaceAll(string(files[name]), key.Environment, "pr-N")
		text = strings.ReplaceAll(text, "prNumber: "+strings.TrimPrefix(key.Environment, "pr-")+"\n", "prNumber: N\n")
		fmt.Fprintf(&b, "%s\n%s\n", name, text)
	}
	return b.String()
}
