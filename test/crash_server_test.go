package test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"catalyst.dev/catalyst/gitops/forge/forgetest"
	"catalyst.dev/catalyst/gitops/gitopstest"
	"catalyst.dev/catalyst/secrets"
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
