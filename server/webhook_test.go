package server_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"catalyst.dev/catalyst/gitops/forge"
	"catalyst.dev/catalyst/gitops/queue"
	"catalyst.dev/catalyst/server"
	"catalyst.dev/catalyst/test/corpus"
)

func sign(key string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write(body)
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}

func webhook(event, id string, body []byte) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/webhooks/github", bytes.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-GitHub-Event", event)
	r.Header.Set("X-GitHub-Delivery", id)
	r.Header.Set("X-Hub-Signature-256", sign(secret, body))
	return r
}

func TestEveryRecordedPayload(t *testing.T) {
	h := handler(t, config())
	for name, body := range corpus.Files(t, "corpus/github", "*.json") {
		t.Run(name, func(t *testing.T) {
			event, _, _ := strings.Cut(name, ".")
			id := strings.ReplaceAll(name, ".", "-")
			unsigned := webhook(event, id, body)
			unsigned.Header.Del("X-Hub-Signature-256")
			wantProblem(t, do(h, unsigned), http.StatusUnauthorized)
			for _, result := range []string{"accepted", "duplicate"} {
				w := do(h, webhook(event, id, body))
				want := server.DeliveryAnswer{Delivery: id, Result: result}
				if got := decode[server.DeliveryAnswer](t, w); w.Code != http.StatusAccepted || got != want {
					t.Errorf("got %d %+v, want 202 %+v", w.Code, got, want)
				}
			}
		})
	}
}

func TestBadWebhooks(t *testing.T) {
	calls := 0
	c := config()
	c.Intake = func(context.Context, queue.Delivery, forge.Event) (bool, error) { calls++; return true, nil }
	h := handler(t, c)
	body := []byte(`{"zen":"Keep it logically awesome."}`)
	set := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	signed := func(event, body string) *http.Request { return webhook(event, "d1", []byte(body)) }
	large := bytes.Repeat([]byte(" "), 25<<20+1)
	for name, c := range map[string]struct {
		request *http.Request
		change  func(*http.Request)
		want    int
	}{
		"no signature":            {webhook("ping", "d1", body), set("X-Hub-Signature-256", ""), 401},
		"other secret":            {webhook("ping", "d1", body), set("X-Hub-Signature-256", sign("guess", body)), 401},
		"empty secret":            {webhook("ping", "d1", body), set("X-Hub-Signature-256", sign("", body)), 401},
		"other body":              {webhook("ping", "d1", body), set("X-Hub-Signature-256", sign(secret, []byte("{}"))), 401},
		"SHA-1":                   {webhook("ping", "d1", body), set("X-Hub-Signature-256", "sha1=da39a3ee5e6b4b0d3255bfef95601890afd80709"), 401},
		"not hex":                 {webhook("ping", "d1", body), set("X-Hub-Signature-256", "sha256=zz"), 401},
		"unsigned nonsense":       {webhook("ping", "d1", []byte("{")), set("X-Hub-Signature-256", ""), 401},
		"no event":                {webhook("", "d1", body), nil, 400},
		"no delivery":             {webhook("ping", "", body), nil, 400},
		"delivery with line":      {webhook("ping", "d1\nlevel=ERROR", body), nil, 400},
		"delivery too long":       {webhook("ping", strings.Repeat("d", 101), body), nil, 400},
		"delivery Unicode":        {webhook("ping", "dé", body), nil, 400},
		"not JSON":                {signed("pull_request", "payload=%7B%7D"), nil, 400},
		"JSON cut off":            {signed("pull_request", `{"number": 1`), nil, 400},
		"ignored event, not JSON": {signed("star", "{"), nil, 400},
		"empty body":              {signed("pull_request", ""), nil, 400},
		"wrong types":             {signed("pull_request", `{"number": "one"}`), nil, 400},
		"no repository":           {signed("pull_request", `{"number": 1, "action": "opened"}`), nil, 400},
		"too large":               {webhook("ping", "d1", large), nil, 413},
		"GET":                     {httptest.NewRequest(http.MethodGet, "/webhooks/github", nil), nil, 405},
	} {
		t.Run(name, func(t *testing.T) {
			if c.change != nil {
				c.change(c.request)
			}
			wantProblem(t, do(h, c.request), c.want)
		})
	}
	if calls != 0 {
		t.Errorf("%d bad webhooks reached the queue", calls)
	}
}

func TestBothWebhookSecretsAreGood(t *testing.T) {
	h := handler(t, config())
	r := webhook("ping", "d1", []byte("{}"))
	r.Header.Set("X-Hub-Signature-256", sign("old-secret", []byte("{}")))
	if w := do(h, r); w.Code != http.StatusAccepted {
		t.Errorf("got %d, want 202: %s", w.Code, w.Body)
	}
}

func TestUnavailableDatabase(t *testing.T) {
	c := config()
	c.Intake = func(context.Context, queue.Delivery, forge.Event) (bool, error) {
		return false, errors.New("database is locked: canary-7c1")
	}
	w := do(handler(t, c), webhook("ping", "d1", []byte("{}")))
	p := wantProblem(t, w, http.StatusServiceUnavailable)
	if w.Header().Get("Retry-After") == "" || strings.Contains(p.Detail, "canary") {
		t.Errorf("got headers %v and detail %q, want Retry-After and no inner error", w.Header(), p.Detail)
	}
}
