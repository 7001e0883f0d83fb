//go:build linux

package test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"catalyst.dev/catalyst/gitops/forge/forgetest"
)

const (
	hostileSecret = "webhook-secret"
	hostileToken  = "api-token"
	hostileKey    = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
	// maxGrowth of the server's resident memory over everything that it is sent.
	maxGrowth = 64 << 20
)

const goodMap = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {change: one}\n"

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
