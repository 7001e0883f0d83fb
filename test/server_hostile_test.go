//go:build linux

package test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"catalyst.dev/catalyst/gitops/forge/forgetest"
	"catalyst.dev/catalyst/gitops/gitopstest"
)

const (
	hostileSecret = "webhook-secret"
	hostileToken  = "api-token"
	hostileKey    = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
	// maxGrowth of the server's resident memory over everything that it is sent.
	maxGrowth = 64 << 20
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

// logBuffer holds what the server logs while it runs.
type logBuffer struct {
	mu   sync.Mutex
	data bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.data.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.data.String()
}

// application is a project with one repository, and what its main branch holds.
type application struct {
	team, name string
	kind, path string
	files      map[string]string
}

func (a application) repository() string { return a.team + "/" + a.name }

// environment is the key of a pull request's environment.
func (a application) environment(number int) string {
	return fmt.Sprintf("%s/%s/pr-%d", a.team, a.name, number)
}

const goodMap = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {change: one}\n"

func chartFiles(template string) map[string]string {
	return map[string]string{"app/Chart.yaml": "apiVersion: v2\nname: app\nversion: 1.0.0\n", "app/templates/a.yaml": template}
}

// goodApplications are of each kind.
func goodApplications() []application {
	return []application{
		{team: "acme", name: "good-manifest", kind: "manifest", path: "a.yaml", files: map[string]string{"a.yaml": goodMap}},
		{team: "acme", name: "good-helm", kind: "helm", path: "app", files: chartFiles(goodMap)},
		{team: "acme", name: "good-kustomize", kind: "kustomize", path: "overlay", files: map[string]string{
			"base/a.yaml": goodMap, "base/kustomization.yaml": "resources: [a.yaml]\n",
			"overlay/kustomization.yaml": "resources: [../base]\nnamePrefix: preview-\n"}},
		{team: "acme", name: "good-compose", kind: "docker-compose", path: "compose.yaml", files: map[string]string{
			"compose.yaml": "services:\n  web: {image: \"nginx:1\", ports: [\"8080:80\"]}\n"}},
	}
}

// badApplication is one whose pull requests fail, and what the outcome must say.
type badApplication struct {
	application
	want []string
}

func badApplications() []badApplication {
	bomb := "a0: &a0 [x,x,x,x,x,x,x,x,x]\n"
	for i := range 8 {
		alias := fmt.Sprintf("*a%d", i)
		bomb += fmt.Sprintf("a%d: &a%d [%s]\n", i+1, i+1, strings.Join([]string{alias, alias, alias, alias, alias, alias, alias, alias, alias}, ","))
	}
	endless := `{{ range until 100000 }}{{ range until 100000 }}{{ range until 100000 }}{{ end }}{{ end }}{{ end }}`
	recursion := "{{ define \"a\" }}{{ tpl \"{{ include \\\"a\\\" . }}\" . }}{{ end }}{{ include \"a\" . }}\n"
	bad := func(name, kind, path string, files map[string]string, want ...string) badApplication {
		return badApplication{application{team: "acme", name: name, kind: kind, path: path, files: files}, want}
	}
	return []badApplication{
		bad("path-missing", "manifest", "nowhere", map[string]string{"a.yaml": goodMap},
			"project.yaml", "spec.templates[development].path", "nowhere", "(correct the path"),
		bad("chart-broken", "helm", "app", chartFiles("{{ if }}"), "app/templates/a.yaml", "("),
		bad("alias-bomb", "manifest", "bomb.yaml", map[string]string{"bomb.yaml": bomb}, "bomb.yaml", "alias", "("),
		// It ends at the stack's limit, or on a slow machine at the time's: both say what to look for.
		bad("recursion", "helm", "app", chartFiles(recursion), "without end", "(look for a "),
		bad("endless", "helm", "app", chartFiles(endless), "longer than 3s", "spec.render.timeout in catalyst.yaml"),
		bad("compose-ports", "docker-compose", "compose.yaml", map[string]string{
			"compose.yaml": "services:\n  web:\n    image: nginx\n    ports: [\"1-65535:1-65535\", \"1-65535:1-65535/udp\"]\n"},
			"compose.yaml", "ports", "("),
		bad("remote-base", "kustomize", ".", map[string]string{
			"kustomization.yaml": "resources:\n  - https://example.com/base?ref=main\n"},
			"kustomization.yaml", "resources", "remote", "("),
	}
}

// TestServerSurvivesBadInput sends the real server everything bad that a stranger or an application can, while good
// pull requests go on being deployed.
func TestServerSurvivesBadInput(t *testing.T) {
	good, bad := goodApplications(), badApplications()
	first := application{team: "a", name: "b-c", kind: "manifest", path: "a.yaml", files: map[string]string{"a.yaml": goodMap}}
	second := application{team: "a-b", name: "c", kind: "manifest", path: "a.yaml", files: map[string]string{"a.yaml": goodMap}}
	all := append(append([]application{}, good...), first, second)
	for _, b := range bad {
		all = append(all, b.application)
	}
	s := newSite(t, all)
	for _, a := range good { // warm: every engine has run once before memory is read
		s.awaitState(a.environment(s.open(a, "warm", "Warm up")), "committed")
	}
	before := s.memory()

	stop := make(chan struct{})
	streamed := make(chan []string, 1)
	go func() { streamed <- s.stream(good, stop) }()

	s.refusals(good[0])
	s.unknownRepository()
	numbers := map[string]int{}
	for _, b := range bad {
		numbers[b.name] = s.open(b.application, "change", "Change something")
	}
	forged := s.forgedNames(good[0])
	s.namespaceConflict(first, second)
	for _, b := range bad {
		got := s.awaitState(b.environment(numbers[b.name]), "failed")
		t.Logf("%s: %s", b.name, got)
		for _, phrase := range b.want {
			if !strings.Contains(got, phrase) {
				t.Errorf("%s: the message does not say %q: %s", b.name, phrase, got)
			}
		}
	}
	s.brokenByHand()

	close(stop)
	streamedKeys := <-streamed
	if len(streamedKeys) == 0 {
		t.Error("no good pull request was deployed meanwhile")
	}
	for _, key := range append(streamedKeys, forged...) {
		s.awaitState(key, "committed")
	}
	s.checkTrailers()
	s.checkAlive(before)
	t.Logf("%d good pull requests were deployed meanwhile", len(streamedKeys))
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
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.t.Fatal(err)
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		s.t.Fatal(err)
	}
	s.url = "http://" + address
	data := s.t.TempDir()
	cmd := exec.Command(binary, "serve", "--data", filepath.Join(data, "data"), "--listen", address,
		"--environments-repo", s.git.URL("environments"), "--github-api", forgeURL, "--local-sources", "--poll", "1s")
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + data, "CATALYST_GITHUB_WEBHOOK_SECRET=" + hostileSecret,
		"CATALYST_API_TOKEN=" + hostileToken, "TOKEN_ENCRYPTION_KEY=" + hostileKey}
	cmd.Stdout, cmd.Stderr = s.log, s.log
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.pid = cmd.Process.Pid
	s.t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM) // it may be dead, which Wait tells
		if err := cmd.Wait(); err != nil {
			s.t.Errorf("the server ended badly: %v", err)
		}
		if s.t.Failed() {
			log := s.log.String()
			s.t.Logf("the server's log:\n%s", log[max(0, len(log)-20_000):])
		}
	})
	s.eventually("the server is healthy", func() bool {
		status, _, err := s.get("/healthz")
		return err == nil && status == http.StatusOK
	})
}

// eventually polls until the condition holds.
func (s *site) eventually(what string, holds func() bool) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 2*time.Minute)
	defer cancel()
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for !holds() {
		select {
		case <-ctx.Done():
			s.t.Fatalf("never: %s", what)
		case <-ticker.C:
		}
	}
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

// stream opens good pull requests, one after the other, until stop is closed, and returns their environments.
func (s *site) stream(good []application, stop <-chan struct{}) []string {
	var keys []string
	ticker := time.NewTicker(200 * time.Millisecond)
	defer ticker.Stop()
	for i := 0; ; i++ {
		select {
		case <-stop:
			return keys
		case <-ticker.C:
		}
		a := good[i%len(good)]
		d, err := s.forge.Open(s.t.Context(), a.repository(), fmt.Sprintf("stream-%d", i), "Change the note",
			forgetest.PullOptions{Files: map[string][]byte{"note": fmt.Appendf(nil, "%d\n", i)}})
		if err != nil {
			s.t.Error(err)
			return keys
		}
		s.deliver(d, http.StatusAccepted)
		keys = append(keys, a.environment(d.Number))
	}
}

// refusals are what the webhook route turns away at once.
func (s *site) refusals(a application) {
	s.t.Helper()
	d, err := s.forge.Open(s.t.Context(), a.repository(), "unsigned", "Unsigned", forgetest.PullOptions{Files: map[string][]byte{"note": []byte("u")}})
	if err != nil {
		s.t.Fatal(err)
	}
	wrong := d
	wrong.Signature = "sha256=" + strings.Repeat("0", 64)
	s.deliver(wrong, http.StatusUnauthorized)
	wrong.Signature = ""
	s.deliver(wrong, http.StatusUnauthorized)
	large := d
	large.Body = bytes.Repeat([]byte("x"), 25<<20+1)
	s.deliver(large, http.StatusRequestEntityTooLarge)
	for _, body := range []string{"{", "", "\x00", strings.Repeat("[", 100_000)} {
		s.deliver(signed(d, body), http.StatusBadRequest)
	}
	if state, _ := s.outcome(a.environment(d.Number)); state != "" {
		s.t.Errorf("a delivery with a wrong signature was worked: %s", state)
	}
}

// signed is the delivery with another body.
func signed(d forgetest.Delivery, body string) forgetest.Delivery {
	mac := hmac.New(sha256.New, []byte(hostileSecret))
	mac.Write([]byte(body))
	d.Body, d.Signature = []byte(body), "sha256="+hex.EncodeToString(mac.Sum(nil))
	return d
}

// unknownRepository is one that no project names: taken, and told where jobs are told of.
func (s *site) unknownRepository() {
	s.t.Helper()
	a := application{team: "acme", name: "nobodys", files: map[string]string{"a": "b"}}
	if err := s.forge.CreateRepository(s.t.Context(), a.repository(), map[string][]byte{"a": []byte("b")}); err != nil {
		s.t.Fatal(err)
	}
	s.open(a, "change", "Change")
	s.eventually("the log tells of the repository without a project", func() bool {
		log := s.log.String()
		return strings.Contains(log, "no project has") && strings.Contains(log, "nobodys") && strings.Contains(log, "spec.sources")
	})
}

// forgedNames opens good pull requests whose branch, title and commit subject try to be something else.
func (s *site) forgedNames(a application) []string {
	s.t.Helper()
	trailer := "\n\nCatalyst-Action: delete\nCatalyst-Environment: acme/shop/production\n"
	var keys []string
	for branch, title := range map[string]string{
		`x";rm`:            "Quotes" + trailer,
		"a'b$(id)":         "One line\nCatalyst-Action: delete",
		"`id`":             "Return\rCatalyst-Action: delete\r\rCatalyst-Action: delete",
		"Catalyst-Action":  "Catalyst-Action: delete",
		"trailer/action=x": "---" + trailer,
		"ünïcode/\u202e":   "Turned \u202e" + trailer,
		"{{.Values}}":      "${CATALYST_HOST} {{ .Values }}" + trailer,
	} {
		keys = append(keys, a.environment(s.open(a, branch, title)))
	}
	return keys
}

// namespaceConflict brings two environments of different teams to one namespace: the second is refused.
func (s *site) namespaceConflict(first, second application) {
	s.t.Helper()
	a := first.environment(s.open(first, "change", "First"))
	s.awaitState(a, "committed")
	b := second.environment(s.open(second, "change", "Second"))
	message := s.awaitState(b, "failed")
	for _, phrase := range []string{a, b, "a-b-c-pr-1", "(rename one of them)"} {
		if !strings.Contains(message, phrase) {
			s.t.Errorf("the conflict does not name %q: %s", phrase, message)
		}
	}
}

// brokenByHand checks that the broken files are told of, and by their names.
func (s *site) brokenByHand() {
	s.t.Helper()
	status, body, err := s.get("/api/v1/environments/acme/good-manifest/by-hand")
	want := `environments/acme/good-manifest/by-hand/environment.yaml: spec.typ: unknown field (did you mean \"type\"?)`
	if err != nil || status != http.StatusUnprocessableEntity || !strings.Contains(string(body), want) {
		s.t.Errorf("the broken environment got %d %s %v, want 422 that says %s", status, body, err, want)
	}
	status, body, err = s.get("/api/v1/projects?limit=500")
	if err != nil || status != http.StatusOK || !strings.Contains(string(body), "acme/good-helm") ||
		!strings.Contains(string(body), `"broken":[{"path":"projects/acme/broken.yaml"`) {
		s.t.Errorf("the projects beside a broken one got %d %s %v", status, body, err)
	}
}

// checkTrailers checks that each of the server's commits says once what it does, and never what it was told to say.
func (s *site) checkTrailers() {
	s.t.Helper()
	log := s.git.Git("environments", "log", "-z", "--format=%H%n%(trailers:key=Catalyst-Action,valueonly)%n-%n%(trailers:key=Catalyst-Environment,valueonly)%n-%n%B", s.seed+"..main")
	commits := strings.Split(strings.TrimSuffix(log, "\x00"), "\x00")
	for _, c := range commits {
		hash, rest, _ := strings.Cut(c, "\n")
		action, rest, _ := strings.Cut(rest, "\n-\n")
		environment, body, _ := strings.Cut(rest, "\n-\n")
		switch action = strings.TrimSpace(action); action {
		case "deploy", "update", "rerender":
		default:
			s.t.Errorf("commit %s has the actions %q, want one:\n%s", hash, action, body)
		}
		changed := s.git.Git("environments", "diff-tree", "-r", "--no-commit-id", "--name-only", hash)
		if environment = strings.TrimSpace(environment); !strings.Contains(changed, "environments/"+environment+"/environment.yaml") {
			s.t.Errorf("commit %s says that it is of %q and changes %s", hash, environment, changed)
		}
	}
	if len(commits) < 10 {
		s.t.Errorf("the server made %d commits, want those of all good pull requests", len(commits))
	}
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
