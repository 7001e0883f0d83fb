package forge_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"catalyst.dev/catalyst/gitops/forge"
	"catalyst.dev/catalyst/test/corpus"
)

func payloads(t *testing.T) map[string][]byte {
	t.Helper()
	return corpus.Files(t, "corpus/github", "*.json")
}

func TestParseRecordedPayloads(t *testing.T) {
	for name, body := range payloads(t) {
		event, action, _ := strings.Cut(strings.TrimSuffix(name, ".json"), ".")
		got, err := forge.Parse(event, body)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		want := forge.KindIgnored
		if event == "pull_request" || event == "push" || event == "ping" {
			want = forge.Kind(event)
		}
		if got.Kind != want {
			t.Errorf("%s: kind %s, want %s", name, got.Kind, want)
		}
		if want == forge.KindPullRequest && (got.Action != action || got.PullRequest == 0 || got.Repository.ID == 0 || got.Sender == "") {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for _, body := range []string{"", "[]", "{", `{"number":1}`, `{"number":0,"repository":{"id":1,"full_name":"a/b"}}`,
		`{"number":1,"repository":{"id":1,"full_name":"../.."}}`, `{"number":1,"repository":{"id":1,"full_name":"a/b/c"}}`} {
		if got, err := forge.Parse("pull_request", []byte(body)); err == nil {
			t.Errorf("%s: %+v", body, got)
		}
	}
}

func TestVerifySignature(t *testing.T) {
	body, secret := []byte("body"), []byte("key")
	mac := hmac.New(sha256.New, secret)
	mac.Write(body)
	good := "sha256=" + hex.EncodeToString(mac.Sum(nil))
	if err := forge.VerifySignature(body, good, []byte("new"), secret); err != nil {
		t.Errorf("the second secret: %v", err)
	}
	for name, err := range map[string]error{
		"other body": forge.VerifySignature([]byte("bodY"), good, secret), "other secret": forge.VerifySignature(body, good, []byte("x")),
		"none": forge.VerifySignature(body, "", secret), "cut": forge.VerifySignature(body, good[:20], secret),
		"sha1": forge.VerifySignature(body, "sha1="+good[7:], secret),
	} {
		if !errors.Is(err, forge.ErrSignature) {
			t.Errorf("%s: %v", name, err)
		}
	}
	empty := hmac.New(sha256.New, nil)
	empty.Write(body)
	forged := "sha256=" + hex.EncodeToString(empty.Sum(nil))
	if forge.VerifySignature(body, forged) == nil || forge.VerifySignature(body, forged, nil) == nil || forge.VerifySignature(body, forged, secret, []byte{}) == nil {
		t.Error("an empty secret lets everybody in")
	}
}

// TestGitHub serves the recorded pull request, as it is and as from forks.
func TestGitHub(t *testing.T) {
	for name, head := range map[string]any{"same": nil, "fork": map[string]any{"id": 7, "full_name": "octocat/fork"}, "deleted fork": "null"} {
		var payload map[string]any
		if err := json.Unmarshal(payloads(t)["pull_request.opened.json"], &payload); err != nil {
			t.Fatal(err)
		}
		pr := payload["pull_request"].(map[string]any)
		switch name {
		case "fork":
			pr["head"].(map[string]any)["repo"] = head
		case "deleted fork":
			pr["head"].(map[string]any)["repo"] = nil
		}
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/repos/Codertocat/Hello-World/pulls/2" || r.Header.Get("Authorization") != "Bearer token" {
				http.NotFound(w, r)
				return
			}
			_ = json.NewEncoder(w).Encode(pr) // a broken answer fails the client below
		}))
		t.Cleanup(server.Close)
		g, err := forge.NewGitHub(forge.Options{BaseURL: server.URL, Token: "token"})
		if err != nil {
			t.Fatal(err)
		}
		got, err := g.PullRequest(t.Context(), "Codertocat/Hello-World", 2)
		if err != nil || got.Fork() != (name != "same") || got.Number != 2 || got.State != "open" || got.Head.Ref != "changes" {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
		if _, err := g.PullRequest(t.Context(), "Codertocat/Hello-World", 3); !errors.Is(err, forge.ErrNotFound) {
			t.Errorf("a missing pull request: %v", err)
		}
	}
}

func TestRateLimits(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Retry-After", "90")
		w.WriteHeader(http.StatusForbidden)
	}))
	t.Cleanup(server.Close)
	g, err := forge.NewGitHub(forge.Options{BaseURL: server.URL, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	_, err = g.Branch(t.Context(), "a/b", "main")
	var limit *forge.RateLimitError
	if !errors.As(err, &limit) || !limit.RetryAfter.Equal(now.Add(90*time.Second)) {
		t.Errorf("%v", err)
	}
}

func TestBranch(t *testing.T) {
	want := strings.Repeat("ab", 20)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.EscapedPath() != "/repos/a/b/branches/feature%2Fx%3Fy" {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write([]byte(`{"name":"feature/x?y","commit":{"sha":"` + want + `"}}`)) // a broken answer fails the client below
	}))
	t.Cleanup(server.Close)
	g, err := forge.NewGitHub(forge.Options{BaseURL: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := g.Branch(t.Context(), "a/b", "feature/x?y"); got != want || err != nil {
		t.Errorf("%s, %v", got, err)
	}
	if _, err := g.Branch(t.Context(), "a/b", "none"); !errors.Is(err, forge.ErrNotFound) {
		t.Errorf("a missing branch: %v", err)
	}
}
