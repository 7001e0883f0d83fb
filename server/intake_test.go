package server_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"catalyst.dev/catalyst/server"
)

// heldBytes reads the gauge of the bytes of webhook bodies in memory.
func heldBytes(t *testing.T, registry *prometheus.Registry) float64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "catalyst_webhook_buffered_bytes" {
			return f.GetMetric()[0].GetGauge().GetValue()
		}
	}
	t.Fatal("there is no gauge catalyst_webhook_buffered_bytes")
	return 0
}

// heldBody is a body whose last byte comes when it is let go.
type heldBody struct {
	left    int
	reached func()
	let     <-chan struct{}
}

func (b *heldBody) Read(p []byte) (int, error) {
	switch b.left {
	case 0:
		return 0, io.EOF
	case 1:
		b.reached()
		<-b.let
	}
	n := min(len(p), max(b.left-1, 1))
	clear(p[:n])
	b.left -= n
	return n, nil
}

// TestForgedBodiesAreBounded lets 200 bodies of 25 MiB with wrong signatures be in flight at once: what is held of them
// stays within the budget, good deliveries are taken meanwhile, and all is given back.
func TestForgedBodiesAreBounded(t *testing.T) {
	const requests, budget = 200, 64 << 20
	c := config()
	c.Metrics, c.WebhookMemory = prometheus.NewRegistry(), budget
	h := handler(t, c)
	let := make(chan struct{})
	var reached, done sync.WaitGroup
	reached.Add(requests)
	codes := make([]int, requests)
	for i := range requests {
		r := httptest.NewRequest(http.MethodPost, "/webhooks/github", &heldBody{left: 25 << 20, reached: sync.OnceFunc(reached.Done), let: let})
		r.Header.Set("X-GitHub-Event", "push")
		r.Header.Set("X-GitHub-Delivery", fmt.Sprintf("d%d", i))
		r.Header.Set("X-Hub-Signature-256", sign("guess", nil))
		done.Go(func() {
			w := do(h, r)
			if codes[i] = w.Code; w.Code == http.StatusServiceUnavailable && w.Header().Get("Retry-After") == "" {
				t.Error("an answer 503 has no Retry-After")
			}
		})
	}
	reached.Wait()
	if held := heldBytes(t, c.Metrics); held < 25<<20 || held > budget {
		t.Errorf("%v bytes are held, want 25 MiB at least and %d at most", held, budget)
	}
	for i := range 20 {
		if w := do(h, webhook("ping", fmt.Sprintf("good-%d", i), []byte("{}"))); w.Code != http.StatusAccepted {
			t.Errorf("a good delivery meanwhile: got %d, want 202: %s", w.Code, w.Body)
		}
	}
	close(let)
	done.Wait()
	count := map[int]int{}
	for _, code := range codes {
		count[code]++
	}
	if count[401] == 0 || count[503] == 0 || count[401]+count[503] != requests {
		t.Errorf("got answers %v, want some 401, the rest 503", count)
	}
	if held := heldBytes(t, c.Metrics); held != 0 {
		t.Errorf("%v bytes are still held", held)
	}
	if w := do(h, webhook("ping", "large", append([]byte("{}"), bytes.Repeat([]byte(" "), 20<<20)...))); w.Code != http.StatusAccepted {
		t.Errorf("a large good delivery afterwards: got %d, want 202: %s", w.Code, w.Body)
	}
}

// A body whose signature cannot be right is read and dropped.
func TestWhatCannotBeSignedIsNotHeld(t *testing.T) {
	for name, change := range map[string]func(*http.Request){
		"no signature":     func(r *http.Request) { r.Header.Del("X-Hub-Signature-256") },
		"SHA-1":            func(r *http.Request) { r.Header.Set("X-Hub-Signature-256", "sha1="+strings.Repeat("0", 40)) },
		"signature short":  func(r *http.Request) { r.Header.Set("X-Hub-Signature-256", "sha256=00") },
		"announced larger": func(r *http.Request) { r.ContentLength = 25<<20 + 1 },
	} {
		t.Run(name, func(t *testing.T) {
			c := config()
			c.Metrics = prometheus.NewRegistry()
			h := handler(t, c)
			held := -1.0
			body := &heldBody{left: 1 << 20, reached: func() { held = heldBytes(t, c.Metrics) }, let: closed()}
			r := httptest.NewRequest(http.MethodPost, "/webhooks/github", body)
			r.Header.Set("X-Hub-Signature-256", sign(secret, nil))
			change(r)
			if w := do(h, r); w.Code != http.StatusUnauthorized && w.Code != http.StatusRequestEntityTooLarge {
				t.Errorf("got %d, want 401 or 413", w.Code)
			}
			if held != 0 {
				t.Errorf("%v bytes were held, want 0", held)
			}
		})
	}
}

func closed() <-chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}

func TestWebhookHeaders(t *testing.T) {
	h := handler(t, config())
	body := []byte(`{"zen":"Keep it logically awesome."}`)
	for name, c := range map[string]struct {
		change func(http.Header)
		want   int
	}{
		"JSON":                      {func(http.Header) {}, 202},
		"JSON with charset":         {func(h http.Header) { h.Set("Content-Type", "application/json; charset=utf-8") }, 202},
		"no content type":           {func(h http.Header) { h.Del("Content-Type") }, 202},
		"form":                      {func(h http.Header) { h.Set("Content-Type", "application/x-www-form-urlencoded") }, 415},
		"text":                      {func(h http.Header) { h.Set("Content-Type", "text/json") }, 415},
		"content type that is none": {func(h http.Header) { h.Set("Content-Type", ";;") }, 415},
		"form, unsigned": {func(h http.Header) {
			h.Set("Content-Type", "application/x-www-form-urlencoded")
			h.Del("X-Hub-Signature-256")
		}, 401},
		"two content types": {func(h http.Header) { h.Add("Content-Type", "application/json") }, 400},
		"two signatures":    {func(h http.Header) { h.Add("X-Hub-Signature-256", sign("guess", body)) }, 400},
		"two deliveries":    {func(h http.Header) { h.Add("X-GitHub-Delivery", "d2") }, 400},
		"two events":        {func(h http.Header) { h.Add("X-GitHub-Event", "push") }, 400},
		"no event":          {func(h http.Header) { h.Del("X-GitHub-Event") }, 400},
		"no delivery":       {func(h http.Header) { h.Del("X-GitHub-Delivery") }, 400},
	} {
		t.Run(name, func(t *testing.T) {
			r := webhook("ping", strings.ReplaceAll(name, ",", ""), body)
			r.Header.Set("X-GitHub-Delivery", fmt.Sprintf("h%d", len(name)))
			c.change(r.Header)
			if w := do(h, r); w.Code != c.want {
				t.Errorf("got %d, want %d: %s", w.Code, c.want, w.Body)
			}
		})
	}
}

func TestWebhookMemoryHasALeast(t *testing.T) {
	c := config()
	c.WebhookMemory = 1 << 20
	if _, err := server.New(c); err == nil {
		t.Error("1 MiB would hold no large delivery, and is taken")
	}
}

// listen runs the server on a port of its own until the test ends, and returns the address.
func listen(t *testing.T, c server.Config) string {
	t.Helper()
	s, err := server.New(c)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx, listener) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return listener.Addr().String()
}

// dial sends text, and returns all that is answered until the server hangs up.
func dial(t *testing.T, address, text string) string {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }() // the server has hung up
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	return string(answer)
}

// A client that stops in the middle is hung up on: otherwise these tests would not end.
func TestSlowClients(t *testing.T) {
	c := config()
	c.HeaderTimeout, c.BodyTimeout = 100*time.Millisecond, 100*time.Millisecond
	address := listen(t, c)
	t.Run("headers", func(t *testing.T) {
		dial(t, address, "POST /webhooks/github HTTP/1.1\r\nHost: x\r\nX-Slow: ")
	})
	head := "POST /webhooks/github HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\nX-GitHub-Event: ping\r\nX-GitHub-Delivery: d1\r\n"
	for name, header := range map[string]string{"signed": "X-Hub-Signature-256: " + sign(secret, nil) + "\r\n", "unsigned": ""} {
		t.Run("body, "+name, func(t *testing.T) {
			want := map[string]string{"signed": "408", "unsigned": "401"}[name]
			if got := dial(t, address, head+header+"\r\n{"); !strings.HasPrefix(got, "HTTP/1.1 "+want) {
				t.Errorf("got %q, want %s", got, want)
			}
		})
	}
}

func TestBodyThatEndsEarly(t *testing.T) {
	address := listen(t, config())
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }() // nothing more is sent
	if _, err := fmt.Fprintf(conn, "POST /webhooks/github HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\nX-GitHub-Event: ping\r\nX-GitHub-Delivery: d1\r\nX-Hub-Signature-256: %s\r\n\r\n{}",
		sign(secret, []byte("{}"))); err != nil {
		t.Fatal(err)
	}
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(conn)
	if err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 400") {
		t.Errorf("got %q, %v, want 400: what came is signed, and yet not the body", answer, err)
	}
}

// A client that has sent all of an oversized body sees the answer, not a broken connection.
func TestOversizedBodyIsAnswered(t *testing.T) {
	address := listen(t, config())
	for name, body := range map[string]io.Reader{
		"announced": bytes.NewReader(make([]byte, 30<<20)), "chunked": io.LimitReader(neverEnding{}, 30<<20),
	} {
		t.Run(name, func(t *testing.T) {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+address+"/webhooks/github", body)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("X-Hub-Signature-256", sign(secret, nil))
			res, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = res.Body.Close() }() // the status is all that matters
			if res.StatusCode != http.StatusRequestEntityTooLarge {
				t.Errorf("got %d, want 413", res.StatusCode)
			}
		})
	}
}

type neverEnding struct{}

func (neverEnding) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}
