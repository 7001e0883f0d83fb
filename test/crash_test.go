package test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"maps"
	mathrand "math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"catalyst.dev/catalyst/gitops/forge/forgetest"
	"catalyst.dev/catalyst/gitops/gitopstest"
	"catalyst.dev/catalyst/secrets"
)

const (
	crashPulls  = 50
	crashKills  = 8
	crashSecret = "crash-webhook-secret"
	crashToken  = "crash-api-token"
	// crashCanary is a secret value of the application, which Git must never hold in the open.
	crashCanary = "canary-3b1f0c"
)

// crash is a real server that is killed, between a forge and a Git server that live on.
type crash struct {
	t     *testing.T
	data  string
	git   *gitopstest.Server
	forge *forgetest.Server
	api   *httptest.Server // the forge over HTTP
	// moments gets one value at each moment at which the server may die: a request of its own to the forge or to Git began or
	// ended, or a webhook is answered. It says whether the request is a push.
	moments chan bool

	mu     sync.Mutex
	server *exec.Cmd
	url    string // of the running server; empty until it says where it listens
	log    []string
	ready  int // servers that began to listen
}

func newCrash(t *testing.T) *crash {
	t.Helper()
	c := &crash{t: t, data: t.TempDir(), git: gitopstest.NewServer(t), moments: make(chan bool)}
	var err error
	if c.forge, err = forgetest.New(t.TempDir(), []byte(crashSecret)); err != nil {
		t.Fatal(err)
	}
	app := map[string][]byte{
		"deploy/settings.yaml": crashSettings("main", 0),
		"deploy/secret.yaml":   []byte("apiVersion: v1\nkind: Secret\nmetadata: {name: password}\nstringData: {password: " + crashCanary + "}\n"),
	}
	if err := c.forge.CreateRepository(t.Context(), "acme/shop", app); err != nil {
		t.Fatal(err)
	}
	certificate, _, err := secrets.GenerateKeyPair(time.Now(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c.git.InitBare("environments")
	c.git.Git("environments", "config", "core.logAllRefUpdates", "always")
	c.git.Commit("environments", "main", "Begin", map[string]string{
		"catalyst.yaml":           "apiVersion: catalyst.catalyst.dev/v1alpha1\nkind: Platform\nmetadata: {name: catalyst}\nspec: {domain: catalyst.localhost}\n",
		"projects/acme/shop.yaml": strings.Replace(fmt.Sprintf(lifecycleProject, c.forge.CloneURL("acme/shop")), "max: 100000", "max: 1000", 1),
		"sealed-secrets.pem":      string(certificate),
	}, time.Unix(1_700_000_000, 0))
	watch := c.watch
	c.git.Wrap.Store(&watch)
	c.api = httptest.NewServer(c.watch(c.forge.Handler()))
	t.Cleanup(c.api.Close)
	return c
}

func crashSettings(branch string, change int) []byte {
	return fmt.Appendf(nil, "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {change: %s-%d}\n", branch, change)
}

// watch makes a moment of every request's begin and end. A request is worked from its begin to its end whether or not its
// sender lives: git http-backend is not made to lose either.
func (c *crash) watch(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		push := strings.HasSuffix(r.URL.Path, "/git-receive-pack")
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // killed while it sent
		}
		r = r.Clone(context.WithoutCancel(r.Context()))
		r.Body = io.NopCloser(bytes.NewReader(body))
		r.ContentLength, r.TransferEncoding = int64(len(body)), nil
		answer := httptest.NewRecorder()
		c.moment(push)
		h.ServeHTTP(answer, r)
		c.moment(push)
		maps.Copy(w.Header(), answer.Header())
		w.WriteHeader(answer.Code)
		_, _ = w.Write(answer.Body.Bytes()) // to nobody, when it was killed
	})
}

// moment is dropped where nobody counts.
func (c *crash) moment(push bool) {
	select {
	case c.moments <- push:
	default:
	}
}

// start starts the server on the same data; its address is known when it listens.
func (c *crash) start() error {
	read, write, err := os.Pipe()
	if err != nil {
		return err
	}
	defer func() { _ = write.Close() }() // the child has its own copy
	cmd := exec.Command(binary, "serve", "--data", c.data, "--listen", "127.0.0.1:0", "--environments-repo", c.git.URL("environments"),
		"--github-api", c.api.URL+"/", "--local-sources", "--poll", "1s")
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + c.data, "CATALYST_GITHUB_WEBHOOK_SECRET=" + crashSecret,
		"CATALYST_API_TOKEN=" + crashToken, "TOKEN_ENCRYPTION_KEY=" + strings.Repeat("0123456789abcdef", 4)}
	cmd.Stderr, cmd.SysProcAttr = write, &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("starting the server: %w", err)
	}
	c.mu.Lock()
	c.server = cmd
	c.mu.Unlock()
	go c.follow(cmd, read)
	return nil
}

// follow reads what a server says.
func (c *crash) follow(cmd *exec.Cmd, stderr io.ReadCloser) {
	defer stderr.Close()
	address := regexp.MustCompile(`^catalyst: serving on (http://\S+?),`)
	lines := bufio.NewScanner(stderr)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		c.mu.Lock()
		c.log = append(c.log, fmt.Sprintf("%d: %s", cmd.Process.Pid, lines.Text()))
		if m := address.FindStringSubmatch(lines.Text()); m != nil && c.server == cmd {
			c.url = m[1]
			c.ready++
		}
		c.mu.Unlock()
	}
}

// kill kills the server as a crash would: it has no chance to do anything.
func (c *crash) kill() {
	c.mu.Lock()
	cmd := c.server
	c.server, c.url = nil, ""
	c.mu.Unlock()
	if cmd == nil {
		return
	}
	if err := syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL); err != nil {
		c.t.Errorf("killing the server: %v (it ended by itself?)", err)
	}
	_ = cmd.Wait() // says that it was killed
}

// address of the running server; empty when there is none.
func (c *crash) address() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.url
}

// listened is how many servers came to listen.
func (c *crash) listened() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ready
}

// until waits for a condition.
func until(ctx context.Context, what string, holds func() bool) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %w", what, ctx.Err())
		case <-tick.C:
		}
	}
	return nil
}

// get reads a path of the running server.
func (c *crash) get(ctx context.Context, path string) (int, string) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, c.address()+path, nil)
	if err != nil {
		return 0, ""
	}
	r.Header.Set("Authorization", "Bearer "+crashToken)
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, ""
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, ""
	}
	return res.StatusCode, string(body)
}

// deliver sends a webhook until it is taken, as GitHub's redelivery would: a delivery that fails has the same ID again.
func (c *crash) deliver(ctx context.Context, d forgetest.Delivery) error {
	return until(ctx, "a webhook to be taken", func() bool {
		r, err := d.Request(ctx, c.address()+"/webhooks/github")
		if err != nil {
			return false
		}
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			return false
		}
		_ = res.Body.Close() // only the status matters
		c.moment(false)
		return res.StatusCode == http.StatusAccepted
	})
}

// live lets one pull request live, each step told by a webhook, and returns its number.
func (c *crash) live(ctx context.Context, branch string, closes bool) (number int, err error) {
	change := 0
	files := func() map[string][]byte {
		change++
		return map[string][]byte{"deploy/settings.yaml": crashSettings(branch, change)}
	}
	d, err := c.forge.Open(ctx, "acme/shop", branch, "Change "+branch, forgetest.PullOptions{Files: files()})
	if err != nil {
		return 0, err
	}
	number = d.Number
	steps := []func() (forgetest.Delivery, error){
		func() (forgetest.Delivery, error) { return d, nil },
		func() (forgetest.Delivery, error) { return c.forge.Push(ctx, "acme/shop", number, "More", files()) },
		func() (forgetest.Delivery, error) { return c.forge.Label(ctx, "acme/shop", number, "ready", true) },
		func() (forgetest.Delivery, error) {
			if closes {
				return c.forge.Close(ctx, "acme/shop", number, false)
			}
			return c.forge.Push(ctx, "acme/shop", number, "Still more", files())
		},
	}
	for _, step := range steps {
		d, err := step()
		if err != nil {
			return 0, err
		}
		if err := c.deliver(ctx, d); err != nil {
			return 0, err
		}
	}
	return number, nil
}

// liveAll lets all pull requests live, a few at once, and returns the commit that each environment must
// end at.
func (c *crash) liveAll(ctx context.Context, random *mathrand.Rand) (map[string]string, error) {
	var group errgroup.Group
	group.SetLimit(6)
	var mu sync.Mutex
	open := map[int]bool{}
	for i := range crashPulls {
		closes := random.IntN(2) == 0
		group.Go(func() error {
			number, err := c.live(ctx, fmt.Sprintf("branch-%d", i), closes)
			mu.Lock()
			defer mu.Unlock()
			open[number] = !closes
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return c.heads(ctx, open)
}

// heads are the commits of the open pull requests, by the names of their environments.
func (c *crash) heads(ctx context.Context, open map[int]bool) (map[string]string, error) {
	heads := map[string]string{}
	for number, isOpen := range open {
		if !isOpen {
			continue
		}
		ref := fmt.Sprintf("refs/pull/%d/head", number)
		out, err := exec.CommandContext(ctx, "git", "ls-remote", c.forge.CloneURL("acme/shop"), ref).Output()
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", ref, err)
		}
		heads[fmt.Sprintf("pr-%d", number)], _, _ = strings.Cut(string(out), "\t")
	}
	return heads, nil
}

// killAll kills the server at random moments, half of them while or just after it pushes, and starts it again each time.
func (c *crash) killAll(ctx context.Context, random *mathrand.Rand) error {
	for i := range crashKills {
		least, most := 1+random.IntN(25), 60
		for n := 0; n < most; n++ {
			select {
			case push := <-c.moments:
				if n >= least && (push || i%2 == 0) {
					n = most
				}
			case <-ctx.Done():
				return fmt.Errorf("waiting for a moment to kill the server: %w", ctx.Err())
			}
		}
		c.kill()
		if err := c.start(); err != nil {
			return err
		}
	}
	return nil
}

// environments are the environments that Git holds, with their commits.
func (c *crash) environments() map[string]string {
	got := map[string]string{}
	for _, name := range strings.Fields(c.git.Git("environments", "ls-tree", "-d", "--name-only", "main", "environments/acme/shop/")) {
		got[name[strings.LastIndex(name, "/")+1:]] = ""
	}
	// The platform's domain is there always: without a match git fails.
	found := c.git.Git("environments", "grep", "-E", "commitSha:|domain:", "main", "--", "environments", "catalyst.yaml")
	commit := regexp.MustCompile(`main:environments/acme/shop/([^/]+)/environment\.yaml:\s*commitSha: ([0-9a-f]+)`)
	for _, m := range commit.FindAllStringSubmatch(found, -1) {
		got[m[1]] = m[2]
	}
	return got
}

// idle reports whether the server has nothing left to do.
func (c *crash) idle(ctx context.Context) bool {
	code, metrics := c.get(ctx, "/metrics")
	jobs := regexp.MustCompile(`(?m)^catalyst_queue_jobs\{.*\} (\d+)$`).FindAllStringSubmatch(metrics, -1)
	return code == http.StatusOK && len(jobs) > 0 && !slices.ContainsFunc(jobs, func(m []string) bool { return m[1] != "0" })
}

// A server that is killed again and again loses no webhook that it took, and does nothing twice.
func TestKilledServerLosesNothing(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	c := newCrash(t)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	t.Cleanup(cancel)
	t.Cleanup(c.kill)
	t.Cleanup(c.report)
	begin := time.Now()
	if err := c.start(); err != nil {
		t.Fatal(err)
	}
	var want map[string]string
	var group errgroup.Group
	group.Go(func() error { return c.killAll(ctx, mathrand.New(mathrand.NewPCG(seed, 1))) })
	group.Go(func() (err error) {
		want, err = c.liveAll(ctx, mathrand.New(mathrand.NewPCG(seed, 2)))
		return err
	})
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	sent := time.Since(begin)
	if err := until(ctx, "the last server to be ready", func() bool { code, _ := c.get(ctx, "/readyz"); return code == http.StatusOK }); err != nil {
		t.Fatal(err)
	}
	if err := until(ctx, "the queue to be empty", func() bool { return c.idle(ctx) }); err != nil {
		t.Error(err)
	}
	t.Logf("%d kills, %d servers came to listen; all webhooks taken after %v, done after %v", crashKills, c.listened(), sent, time.Since(begin))
	if diff := cmp.Diff(want, c.environments()); diff != "" {
		t.Errorf("environments (-want +got):\n%s", diff)
	}
	t.Logf("%d commits in %d pushes", c.checkHistory(), c.git.Pushes.Load())
}

// checkHistory checks every commit, and returns how many there are.
func (c *crash) checkHistory() int {
	c.t.Helper()
	format := "%H|%P|%(trailers:key=Catalyst-Environment,valueonly,separator=%x2C)|%(trailers:key=Catalyst-Action,valueonly,separator=%x2C)|%(trailers:key=Argocd-reference-commit-sha,valueonly,separator=%x2C)"
	var tips []string
	done, folder := map[string]string{}, map[string]string{}
	for i, line := range strings.Split(strings.TrimSpace(c.git.Git("environments", "log", "--reverse", "--format="+format, "main")), "\n") {
		field := strings.Split(line, "|")
		commit, parents, environment, action, source := field[0], field[1], field[2], field[3], field[4]
		if i > 0 && parents != tips[i-1] {
			c.t.Errorf("commit %s has the parents %q, want %q", commit, parents, tips[i-1])
		}
		tips = append(tips, commit)
		if environment == "" {
			if i > 0 && action != "init" {
				c.t.Errorf("commit %s is about no environment", commit)
			}
			continue
		}
		did := environment + " " + source // a commit of the application is deployed once, and an environment deleted once
		if done[did] != "" {
			c.t.Errorf("commit %s does what commit %s did: %s %s", commit, done[did], action, did)
		}
		done[did] = commit
		tree := c.git.Git("environments", "ls-tree", commit, "environments/"+environment)
		if before, seen := folder[environment]; seen && before == tree {
			c.t.Errorf("commit %s (%s) changes nothing of %s", commit, action, environment)
		}
		folder[environment] = tree
	}
	c.checkTips(tips)
	c.checkSecrets()
	c.git.Git("environments", "fsck", "--strict", "--no-dangling")
	return len(tips)
}

// checkTips checks that the branch only ever moved forward, along the commits it has now.
func (c *crash) checkTips(commits []string) {
	c.t.Helper()
	at := -1
	moves := strings.Fields(c.git.Git("environments", "reflog", "show", "--format=%H", "main"))
	slices.Reverse(moves)
	for _, tip := range moves {
		next := slices.Index(commits, tip)
		if next <= at {
			c.t.Errorf("the branch moved to %s, which is no commit after its tip", tip)
		}
		at = next
	}
	if at != len(commits)-1 {
		c.t.Errorf("the branch moved to commit %d of %d last", at+1, len(commits))
	}
}

// checkSecrets checks that no commit holds a plain Secret, and that there is a sealed one.
func (c *crash) checkSecrets() {
	c.t.Helper()
	all := c.git.Git("environments", "log", "-p", "--format=%B", "main")
	if plain := regexp.MustCompile(`(?m)^\+\s*kind: Secret$|` + crashCanary).FindString(all); plain != "" {
		c.t.Errorf("Git holds %q", plain)
	}
	if !strings.Contains(all, "+kind: SealedSecret") {
		c.t.Error("no secret was sealed")
	}
}

// report shows what the servers complained of, when the test failed.
func (c *crash) report() {
	if !c.t.Failed() {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, line := range c.log {
		if !strings.Contains(line, `"level":"INFO"`) {
			c.t.Log(line)
		}
	}
}
