package test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// environmentsAnswer is what a server answers that has two environments and a broken file.
const environmentsAnswer = `{"items": [
  {"key": "acme/shop/pr-1", "phase": "Deploying", "spec": {"type": "development"}, "conditions": []},
  {"key": "acme/shop/pr-2", "phase": "Pending", "spec": {"type": "development"}, "conditions": []}],
 "broken": [{"path": "projects/acme/blog.yaml", "error": "spec.sources: required (add one)\nspec.templates: required"}]}`

func TestEnvironmentVerbs(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Header.Get("Authorization") != "Bearer t":
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = w.Write([]byte(`{"title":"Unauthorized","detail":"no token"}`)) // the client has gone
		case r.URL.Path == "/api/v1/environments":
			_, _ = w.Write([]byte(environmentsAnswer)) // the client has gone
		default:
			_, _ = w.Write([]byte(`{"key":"acme/blog/pr-1","phase":"Deploying","spec":{},"conditions":[{"type":"Rendered","status":"False","reason":"InvalidFile","message":"projects/acme/blog.yaml: spec.sources: required"}]}`))
		}
	}))
	t.Cleanup(server.Close)
	for name, c := range map[string]struct {
		args string
		code int
		want []string
	}{
		"table":      {"env list", 0, []string{"acme/shop/pr-1", "acme/shop/pr-2", "These files of the environments repository cannot be used", "projects/acme/blog.yaml: spec.sources: required (add one)\n  projects/acme/blog.yaml: spec.templates"}},
		"json":       {"env list -o json", 0, []string{`"broken": [`, `"path": "projects/acme/blog.yaml"`}},
		"yaml":       {"env list -o yaml", 0, []string{"broken:\n- error: |-\n    spec.sources"}},
		"other form": {"env list -o xml", 1, []string{"not table, json or yaml"}},
		"broken":     {"env get acme/blog/pr-1", 0, []string{"Broken:", "projects/acme/blog.yaml: spec.sources: required"}},
		"no verb":    {"env lst", 1, []string{`unknown command "lst"`}},
		"no name":    {"env get shop", 1, []string{"hint: write it as team/project/environment"}},
		"names":      {"__complete env get acme/", 0, []string{"acme/shop/pr-1\nacme/shop/pr-2\n:4"}},
		"no names":   {"__complete env history beta/", 0, []string{":4"}},
		"forms":      {"__complete env list -o ", 0, []string{"table\njson\nyaml\n:4"}},
	} {
		t.Run(name, func(t *testing.T) {
			args := strings.Split(c.args, " ")
			r := command{env: []string{"CATALYST_SERVER=" + server.URL, "CATALYST_API_TOKEN=t"}, args: args}.run(t.Context(), t)
			for _, want := range c.want {
				if r.code != c.code || !strings.Contains(r.stdout+r.stderr, want) {
					t.Errorf("got exit code %d, want %d and %q in:\n%s%s", r.code, c.code, want, r.stdout, r.stderr)
				}
			}
		})
	}
	r := command{env: []string{"CATALYST_SERVER=" + server.URL}, args: []string{"env", "list"}}.run(t.Context(), t)
	if r.code != 1 || !strings.Contains(r.stderr, "hint: set CATALYST_API_TOKEN") {
		t.Errorf("without a token: got %d %s", r.code, r.stderr)
	}
}
