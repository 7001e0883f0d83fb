//go:build linux

package test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"catalyst.dev/catalyst/gitops/forge/forgetest"
	"catalyst.dev/catalyst/gitops/gitopstest"
)

// site is the real server between a forge and an environments repository.
type site struct {
	t     *testing.T
	forge *forgetest.Server
	git   *gitopstest.Server
	url   string
	pid   int
	log   *logBuffer
	// seed is the environments repository's first commit.
	seed string
}

// newSite starts everything. The environments repository holds a project for each application, and two broken files.
func newSite(t *testing.T, applications []application) *site {
	t.Helper()
	s := &site{t: t, git: gitopstest.NewServer(t), log: &logBuffer{}}
	var err error
	if s.forge, err = forgetest.New(t.TempDir(), []byte(hostileSecret)); err != nil {
		t.Fatal(err)
	}
	api := httptest.NewServer(s.forge.Handler())
	t.Cleanup(api.Close)
	files := map[string]string{
		"catalyst.yaml": "apiVersion: catalyst.catalyst.dev/v1alpha1\nkind: Platform\nmetadata: {name: catalyst}\n" +
			"spec: {domain: catalyst.localhost, render: {timeout: 3s}}\n",
		"projects/acme/broken.yaml": "apiVersion: catalyst.catalyst.dev/v1alpha1\nkind: Project\nmetadata: {name: broken, namespace: acme\n",
		"environments/acme/good-manifest/by-hand/environment.yaml": "apiVersion: catalyst.catalyst.dev/v1alpha1\nkind: Environment\n" +
			"metadata: {name: by-hand, namespace: acme-good-manifest}\nspec: {projectRef: {name: good-manifest}, typ: development}\n",
	}
	for _, a := range applications {
		source := map[string][]byte{}
		for name, text := range a.files {
			source[name] = []byte(text)
		}
		if err := s.forge.CreateRepository(t.Context(), a.repository(), source); err != nil {
			t.Fatal(err)
		}
		files["projects/"+a.team+"/"+a.name+".yaml"] = fmt.Sprintf("apiVersion: catalyst.catalyst.dev/v1alpha1\nkind: Project\n"+
			"metadata: {name: %s, namespace: %s}\nspec:\n  sources: [{name: web, repositoryUrl: %q}]\n"+
			"  templates:\n    development: {type: %s, path: %s}\n  previews: {enabled: true, max: 100000}\n",
			a.name, a.team, s.forge.CloneURL(a.repository()), a.kind, a.path)
	}
	s.git.InitBare("environments")
	s.seed = s.git.Commit("environments", "main", "Begin", files, time.Unix(1_700_000_000, 0))
	s.start(api.URL + "/")
	return s
}

// start runs the server until the test ends.
func (s *site) start(forgeURL string) {
	s.t.Helper()
	s.url, s.pid = startServer(s.t, s.log, []string{"CATALYST_GITHUB_WEBHOOK_SECRET=" + hostileSecret,
		"CATALYST_API_TOKEN=" + hostileToken, "TOKEN_ENCRYPTION_KEY=" + hostileKey},
		"--environments-repo", s.git.URL("environments"), "--github-api", forgeURL, "--local-sources", "--poll", "1s")
}

// eventually polls until the condition holds.
func (s *site) eventually(what string, holds func() bool) {
	s.t.Helper()
	eventually(s.t, what, holds)
}

func (s *site) get(path string) (status int, body []byte, err error) {
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, s.url+path, nil)
	if err != nil {
		return 0, nil, err
	}
	r.Header.Set("Authorization", "Bearer "+hostileToken)
	return send(r)
}

func send(r *http.Request) (status int, body []byte, err error) {
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	body, err = io.ReadAll(resp.Body)
	return resp.StatusCode, body, err
}

// deliver sends a webhook and checks the answer's status.
func (s *site) deliver(d forgetest.Delivery, want int) {
	s.t.Helper()
	r, err := d.Request(s.t.Context(), s.url+"/webhooks/github")
	if err != nil {
		s.t.Fatal(err)
	}
	status, body, err := send(r)
	if err != nil || status != want {
		s.t.Errorf("a webhook got %d %s %v, want %d", status, body, err, want)
	}
}

// open opens a pull request that changes nothing but a note, delivers it, and returns its number.
func (s *site) open(a application, branch, title string) int {
	s.t.Helper()
	d, err := s.forge.Open(s.t.Context(), a.repository(), branch, title,
		forgetest.PullOptions{Files: map[string][]byte{"note": []byte(branch)}, Subject: title})
	if err != nil {
		s.t.Fatal(err)
	}
	s.deliver(d, http.StatusAccepted)
	return d.Number
}

// outcome of an environment's last job; empty before the first.
func (s *site) outcome(key string) (state, message string) {
	status, body, err := s.get("/api/v1/environments/" + key)
	if err != nil || status != http.StatusOK {
		return "", ""
	}
	var answer struct {
		Outcome *struct{ State, Message string } `json:"outcome"`
	}
	if err := json.Unmarshal(body, &answer); err != nil || answer.Outcome == nil {
		return "", ""
	}
	return answer.Outcome.State, answer.Outcome.Message
}

// awaitState waits for an outcome, and returns its message. Committed stands for unchanged too: a job may run twice.
func (s *site) awaitState(key, want string) string {
	s.t.Helper()
	var state, message string
	s.eventually(key+" has an outcome", func() bool {
		state, message = s.outcome(key)
		return state != ""
	})
	if state == "unchanged" {
		state = "committed"
	}
	if state != want {
		s.t.Errorf("%s is %s, want %s: %s", key, state, want, message)
	}
	return message
}

// checkAlive checks that the server is well and has given back what it took.
func (s *site) checkAlive(before int) {
	s.t.Helper()
	status, _, err := s.get("/healthz")
	if diff := cmp.Diff(http.StatusOK, status); diff != "" || err != nil {
		s.t.Fatalf("the server is not healthy: %s%v", diff, err)
	}
	if log := s.log.String(); strings.Contains(log, "goroutine ") || strings.Contains(log, "panic:") {
		s.t.Error("the server panicked")
	}
	s.t.Logf("memory: %d MiB before, %d MiB after", before>>20, s.memory()>>20)
	s.eventually("memory is back", func() bool { return s.memory()-before < maxGrowth })
}

// memory that the server has resident, in bytes.
func (s *site) memory() int {
	s.t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.pid))
	if err != nil {
		s.t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		if fields := strings.Fields(line); len(fields) == 3 && fields[0] == "VmRSS:" {
			kilobytes, err := strconv.Atoi(fields[1])
			if err != nil {
				s.t.Fatal(err)
			}
			return kilobytes << 10
		}
	}
	s.t.Fatal("the server has no VmRSS: it is dead")
	return 0
}
