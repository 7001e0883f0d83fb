package server_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"catalyst.dev/catalyst/api/v1alpha1"
	"catalyst.dev/catalyst/gitops"
	"catalyst.dev/catalyst/gitops/forge"
	"catalyst.dev/catalyst/gitops/queue"
	"catalyst.dev/catalyst/server"
)

const (
	secret = "webhook-secret"
	token  = "api-token"
)

// config of a server over a few fixed objects; deliveries are remembered in memory.
func config() server.Config {
	var mu sync.Mutex
	seen := map[string]bool{}
	return server.Config{
		WebhookSecrets: [][]byte{[]byte("old-secret"), []byte(secret)},
		APIToken:       token,
		Intake: func(_ context.Context, d queue.Delivery, _ forge.Event) (bool, error) {
			mu.Lock()
			defer mu.Unlock()
			known := seen[d.ID]
			seen[d.ID] = true
			return !known, nil
		},
		Data: data(),
	}
}

func data() server.Data {
	keys := []v1alpha1.EnvironmentKey{
		{Team: "acme", Project: "shop", Environment: "pr-2"},
		{Team: "acme", Project: "shop", Environment: "broken"},
		{Team: "acme", Project: "blog", Environment: "staging"},
		{Team: "acme", Project: "shop", Environment: "pr-1"},
		{Team: "beta", Project: "shop", Environment: "pr-1"},
	}
	return server.Data{
		Teams: func(context.Context) ([]*v1alpha1.Team, error) {
			return []*v1alpha1.Team{{ObjectMeta: metav1.ObjectMeta{Name: "acme"}}, {ObjectMeta: metav1.ObjectMeta{Name: "beta"}}}, nil
		},
		Projects: func(context.Context) ([]*v1alpha1.Project, error) {
			return []*v1alpha1.Project{
				{ObjectMeta: metav1.ObjectMeta{Name: "shop", Namespace: "acme"}},
				{ObjectMeta: metav1.ObjectMeta{Name: "shop", Namespace: "beta"}},
			}, nil
		},
		Keys: func(_ context.Context, team, project string) ([]v1alpha1.EnvironmentKey, error) {
			return slices.DeleteFunc(slices.Clone(keys), func(k v1alpha1.EnvironmentKey) bool {
				return team != "" && k.Team != team || project != "" && k.Project != project
			}), nil
		},
		Environment: func(_ context.Context, key v1alpha1.EnvironmentKey) (server.Environment, error) {
			e := server.Environment{Spec: v1alpha1.EnvironmentSpec{Type: "development"}, Revision: "abc"}
			switch {
			case key.Environment == "broken":
				return e, fmt.Errorf("%w: environment.yaml: spec.typo: unknown field", gitops.ErrInvalid)
			case !slices.Contains(keys, key):
				return e, fmt.Errorf("reading %s: %w", key, gitops.ErrNotFound)
			case key.Environment == "staging":
				e.Spec.Type = "deployment"
				e.Outcome = &server.Outcome{State: queue.StateCommitted, Revision: "abc"}
			}
			return e, nil
		},
		Manifests: func(context.Context, v1alpha1.EnvironmentKey) (map[string][]byte, error) {
			return map[string][]byte{"service-web.yaml": []byte("kind: Service\n"), "deployment-web.yaml": []byte("kind: Deployment\n")}, nil
		},
		History: func(_ context.Context, key v1alpha1.EnvironmentKey, limit int) ([]server.Change, error) {
			if key.Team == "beta" {
				return nil, errors.New("pq: password canary-7c1 refused")
			}
			return make([]server.Change, limit), nil
		},
		Broken:   func(context.Context) ([]gitops.BrokenFile, error) { return nil, nil },
		BrokenOf: func(context.Context, v1alpha1.EnvironmentKey) ([]gitops.BrokenFile, error) { return nil, nil },
	}
}

func handler(t *testing.T, c server.Config) http.Handler {
	t.Helper()
	s, err := server.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return s.Handler()
}

func do(h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func get(path string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	r.Header.Set("Authorization", "Bearer "+token)
	return r
}

func decode[T any](t *testing.T, w *httptest.ResponseRecorder) T {
	t.Helper()
	var v T
	if err := json.Unmarshal(w.Body.Bytes(), &v); err != nil {
		t.Fatalf("status %d, body %q: %v", w.Code, w.Body, err)
	}
	return v
}

// wantProblem checks that the answer is a problem document of that status and returns it.
func wantProblem(t *testing.T, w *httptest.ResponseRecorder, status int) server.Problem {
	t.Helper()
	if got := w.Header().Get("Content-Type"); w.Code != status || got != "application/problem+json" {
		t.Fatalf("got %d %s, want problem %d: %s", w.Code, got, status, w.Body)
	}
	p := decode[server.Problem](t, w)
	if p.Status != status || p.Title != http.StatusText(status) || p.Detail == "" {
		t.Errorf("incomplete problem: %+v", p)
	}
	return p
}

// TestEveryRouteAndToken holds what may be asked without a token; every other route must refuse, also new ones.
func TestEveryRouteAndToken(t *testing.T) {
	h := handler(t, config())
	public := map[string]int{
		"GET /healthz": 200, "GET /readyz": 200, "GET /openapi.json": 200,
		"POST /webhooks/github": 401, // signed instead
	}
	routes := h.(*gin.Engine).Routes()
	for _, route := range routes {
		name := route.Method + " " + route.Path
		path := strings.NewReplacer(":team", "acme", ":project", "shop", ":environment", "pr-1").Replace(route.Path)
		for header, right := range map[string]bool{
			"": false, "Bearer": false, "Bearer ": false, "Bearer wrong": false, "Bearer " + token + "x": false,
			"Basic " + token: false, token: false, "Bearer " + token: true,
		} {
			r := httptest.NewRequest(route.Method, path, nil)
			if header != "" {
				r.Header.Set("Authorization", header)
			}
			want, isPublic := public[name]
			if !isPublic {
				want = http.StatusUnauthorized
				if right {
					want = http.StatusOK
				}
			}
			w := do(h, r)
			if w.Code != want {
				t.Errorf("%s with %q: got %d, want %d", name, header, w.Code, want)
			}
			for _, security := range []string{"Content-Security-Policy", "X-Content-Type-Options", "X-Frame-Options", "Referrer-Policy"} {
				if w.Header().Get(security) == "" {
					t.Errorf("%s: no %s", name, security)
				}
			}
			if w.Header().Get("Access-Control-Allow-Origin") != "" {
				t.Errorf("%s allows other origins", name)
			}
		}
	}
	if len(routes) < 13 {
		t.Errorf("got %d routes", len(routes))
	}
}

func TestDescriptionCoversTheRoutes(t *testing.T) {
	c := config()
	c.Version = "v1.2.3"
	h := handler(t, c)
	doc := decode[struct {
		Info  struct{ Version string }
		Paths map[string]map[string]struct {
			OperationID string
			Security    *[]map[string][]string
		}
	}](t, do(h, get("/openapi.json")))
	var got, want []string
	ids := map[string]bool{}
	for path, methods := range doc.Paths {
		for method, operation := range methods {
			got = append(got, strings.ToUpper(method)+" "+path)
			ids[operation.OperationID] = true
		}
	}
	for _, route := range h.(*gin.Engine).Routes() {
		parts := strings.Split(route.Path, "/")
		for i, p := range parts {
			if name, ok := strings.CutPrefix(p, ":"); ok {
				parts[i] = "{" + name + "}"
			}
		}
		want = append(want, route.Method+" "+strings.Join(parts, "/"))
	}
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("openapi.json (-routes +described):\n%s", diff)
	}
	if len(ids) != len(got) || doc.Info.Version != "v1.2.3" {
		t.Errorf("got operations %v of version %q", slices.Sorted(maps.Keys(ids)), doc.Info.Version)
	}
}

func TestEnvironmentPages(t *testing.T) {
	h := handler(t, config())
	for query, want := range map[string][]string{
		"":                            {"acme/blog/staging", "acme/shop/broken", "acme/shop/pr-1", "acme/shop/pr-2", "beta/shop/pr-1"},
		"?team=acme&project=shop":     {"acme/shop/broken", "acme/shop/pr-1", "acme/shop/pr-2"},
		"?type=deployment":            {"acme/blog/staging"},
		"?q=PR-1":                     {"acme/shop/pr-1", "beta/shop/pr-1"},
		"?team=nobody":                nil,
		"?team=acme&type=development": {"acme/shop/pr-1", "acme/shop/pr-2"},
	} {
		for _, limit := range []int{1, 2, 3, 500} {
			var got []string
			next := ""
			for {
				separator := "?"
				if query != "" {
					separator = "&"
				}
				w := do(h, get(fmt.Sprintf("/api/v1/environments%s%slimit=%d&continue=%s", query, separator, limit, next)))
				page := decode[server.List[server.Environment]](t, w)
				if w.Code != http.StatusOK || len(page.Items) > limit || page.Continue != "" && len(page.Items) < limit {
					t.Fatalf("%s: status %d, %d items, continue %q", query, w.Code, len(page.Items), page.Continue)
				}
				for _, e := range page.Items {
					got = append(got, e.Key)
				}
				if next = page.Continue; next == "" {
					break
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s by %d (-want +got):\n%s", query, limit, diff)
			}
		}
	}
}

func TestObjects(t *testing.T) {
	h := handler(t, config())
	got := decode[server.Environment](t, do(h, get("/api/v1/environments/acme/blog/staging")))
	want := server.Environment{
		Key: "acme/blog/staging", Namespace: "acme-blog-staging", Spec: v1alpha1.EnvironmentSpec{Type: "deployment"},
		Revision: "abc", Phase: "Deploying", Outcome: &server.Outcome{State: "committed", Revision: "abc"},
		Conditions: []server.Condition{
			{Type: "Rendered", Status: "True", Reason: "Rendered"}, {Type: "Committed", Status: "True", Reason: "Committed"},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("environment (-want +got):\n%s", diff)
	}
	manifests := decode[server.List[server.Manifest]](t, do(h, get("/api/v1/environments/acme/shop/pr-1/manifests")))
	if diff := cmp.Diff([]server.Manifest{
		{Name: "deployment-web.yaml", Content: "kind: Deployment\n"}, {Name: "service-web.yaml", Content: "kind: Service\n"},
	}, manifests.Items); diff != "" {
		t.Errorf("manifests (-want +got):\n%s", diff)
	}
	history := decode[server.List[server.Change]](t, do(h, get("/api/v1/environments/acme/shop/pr-1/history?limit=7")))
	if len(history.Items) != 7 {
		t.Errorf("got %d changes, want 7", len(history.Items))
	}
	if got := decode[server.Team](t, do(h, get("/api/v1/teams/acme"))).Name; got != "acme" {
		t.Errorf("got team %q", got)
	}
	if got := decode[server.Project](t, do(h, get("/api/v1/projects/beta/shop"))).Key; got != "beta/shop" {
		t.Errorf("got project %q", got)
	}
}

func TestProblems(t *testing.T) {
	h := handler(t, config())
	for path, want := range map[string]int{
		"/nothing":                                             404,
		"/api/v1/teams/nobody":                                 404,
		"/api/v1/projects/acme/nothing":                        404,
		"/api/v1/environments/acme/shop/pr-9":                  404,
		"/api/v1/environments/acme/shop/..%2f..":               404,
		"/api/v1/environments/acme/shop/PR_1":                  404,
		"/api/v1/environments/acme/shop/broken":                422,
		"/api/v1/environments?limit=0":                         400,
		"/api/v1/environments?limit=501":                       400,
		"/api/v1/environments?limit=many":                      400,
		"/api/v1/environments?continue=%21":                    400,
		"/api/v1/environments/acme/shop/pr-1/history?limit=-1": 400,
	} {
		t.Run(path, func(t *testing.T) { wantProblem(t, do(h, get(path)), want) })
	}
}

func TestInternalErrorsStayInside(t *testing.T) {
	var log bytes.Buffer
	c := config()
	c.Logger = slog.New(slog.NewTextHandler(&log, nil))
	p := wantProblem(t, do(handler(t, c), get("/api/v1/environments/beta/shop/pr-1/history")), http.StatusInternalServerError)
	if p.Detail != "internal error" || p.ID == "" {
		t.Errorf("got %+v", p)
	}
	if !strings.Contains(log.String(), "canary-7c1") || !strings.Contains(log.String(), p.ID) {
		t.Errorf("the log has neither the error nor its ID:\n%s", &log)
	}
}

func TestPanicHarmsNoOtherRequest(t *testing.T) {
	c := config()
	c.Data.Teams = func(context.Context) ([]*v1alpha1.Team, error) { panic("canary-7c1") }
	h := handler(t, c)
	if p := wantProblem(t, do(h, get("/api/v1/teams")), http.StatusInternalServerError); p.ID == "" {
		t.Errorf("got %+v, want an ID", p)
	}
	if w := do(h, get("/api/v1/projects")); w.Code != http.StatusOK {
		t.Errorf("got %d after a panic", w.Code)
	}
}

func TestLogLinesCannotBeForged(t *testing.T) {
	var log bytes.Buffer
	c := config()
	c.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	do(handler(t, c), get("/api/v1/teams/x%0Atime=now%20level=ERROR%20msg=forged%1b%5B31m"))
	if got := strings.Count(log.String(), "\n"); got != 1 || strings.Contains(log.String(), "\x1b") {
		t.Errorf("got %d lines:\n%q", got, &log)
	}
}

func TestReadiness(t *testing.T) {
	var log bytes.Buffer
	c := config()
	c.Logger = slog.New(slog.NewTextHandler(&log, nil))
	c.Ready = func(context.Context) error { return errors.New("no repository: canary-7c1") }
	if p := wantProblem(t, do(handler(t, c), get("/readyz")), http.StatusServiceUnavailable); strings.Contains(p.Detail, "canary") {
		t.Errorf("everybody is told %q", p.Detail)
	}
	if !strings.Contains(log.String(), "canary-7c1") {
		t.Errorf("the log does not say why:\n%s", &log)
	}
}

func TestMetrics(t *testing.T) {
	c := config()
	c.QueueStats = func(context.Context) (queue.Stats, error) { return queue.Stats{Waiting: 42}, nil }
	h := handler(t, c)
	do(h, webhook("ping", "d1", []byte("{}")))
	do(h, webhook("surprise", "d2", []byte("{}")))
	do(h, get("/secret-path"))
	do(h, httptest.NewRequest("BREW", "/api/v1/teams", nil))
	got := do(h, get("/metrics")).Body.String()
	for _, want := range []string{
		`catalyst_queue_jobs{state="waiting"} 42`,
		`catalyst_webhook_deliveries_total{event="ping",result="accepted"} 1`,
		`catalyst_webhook_deliveries_total{event="other",result="accepted"} 1`,
		`catalyst_http_requests_total{code="202",method="POST",route="/webhooks/github"} 2`,
		`catalyst_http_requests_total{code="404",method="GET",route="none"} 1`,
		`catalyst_http_request_duration_seconds_count{method="POST",route="/webhooks/github"} 2`,
	} {
		if !strings.Contains(got, want+"\n") {
			t.Errorf("no %s", want)
		}
	}
	for _, free := range []string{"surprise", "secret-path", "BREW"} {
		if strings.Contains(got, free) {
			t.Errorf("a client chose the label %s", free)
		}
	}
}

func TestConfigurationIsChecked(t *testing.T) {
	for name, change := range map[string]func(*server.Config){
		"no webhook secret":    func(c *server.Config) { c.WebhookSecrets = nil },
		"empty webhook secret": func(c *server.Config) { c.WebhookSecrets = [][]byte{[]byte(secret), nil} },
		"no token":             func(c *server.Config) { c.APIToken = "" },
		"no intake":            func(c *server.Config) { c.Intake = nil },
		"no data":              func(c *server.Config) { c.Data.History = nil },
	} {
		c := config()
		change(&c)
		if _, err := server.New(c); err == nil {
			t.Errorf("%s: got no error", name)
		}
	}
}

func TestDemoAnswersToThisMachineOnly(t *testing.T) {
	c := config()
	c.APIToken, c.Demo = "", true
	h := handler(t, c)
	for host, want := range map[string]int{
		"localhost": 200, "localhost:8080": 200, "127.0.0.1:8080": 200, "[::1]:8080": 200, "[::1]": 200,
		"evil.example": 403, "localhost.evil.example:8080": 403, "127.0.0.1.evil.example": 403, "10.0.0.1:8080": 403, "": 403,
	} {
		r := httptest.NewRequest(http.MethodGet, "/api/v1/teams", nil)
		r.Host = host
		if got := do(h, r).Code; got != want {
			t.Errorf("host %q: got %d, want %d", host, got, want)
		}
	}
}

func TestRunStopsAfterRequestsInFlight(t *testing.T) {
	c := config()
	entered, proceed := make(chan struct{}), make(chan struct{})
	c.Ready = func(context.Context) error { close(entered); <-proceed; return nil }
	s, err := server.New(c)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ran, answered := make(chan error, 1), make(chan string, 1)
	go func() { ran <- s.Run(ctx, listener) }()
	go func() {
		res, err := http.Get("http://" + listener.Addr().String() + "/readyz")
		if err != nil {
			answered <- err.Error()
			return
		}
		defer res.Body.Close()
		body, _ := io.ReadAll(res.Body)
		answered <- string(body)
	}()
	<-entered
	cancel()
	close(proceed)
	if got, want := <-answered, `{"status":"ok"}`; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if err := <-ran; err != nil {
		t.Error(err)
	}
}

type address struct{ net.Listener }

func (address) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(10, 0, 0, 1), Port: 8080} }
func (address) Close() error   { return nil }

func TestDemoWithoutTokenListensOnLoopbackOnly(t *testing.T) {
	c := config()
	c.APIToken, c.Demo = "", true
	s, err := server.New(c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := s.Run(ctx, address{}); err == nil || !strings.Contains(err.Error(), "loopback") {
		t.Errorf("got %v, want an error about loopback", err)
	}
}
