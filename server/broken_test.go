package server_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"catalyst.dev/catalyst/api/v1alpha1"
	"catalyst.dev/catalyst/gitops"
	"catalyst.dev/catalyst/server"
)

// brokenConfig is config with files that cannot be used.
func brokenConfig() server.Config {
	c := config()
	c.Data.Broken = func(context.Context) ([]gitops.BrokenFile, error) {
		return []gitops.BrokenFile{
			{Path: "environments/acme/shop/broken/environment.yaml", Error: "spec.typo: unknown field"},
			{Path: "projects/acme/blog.yaml", Error: "spec.sources: required (add one)"},
			{Path: "projects/beta/game.yaml", Error: "line 3: did not find expected key"},
			{Path: "teams/beta.yaml", Error: "spec.members[0].role: unknown"},
		}, nil
	}
	c.Data.BrokenOf = func(ctx context.Context, key v1alpha1.EnvironmentKey) ([]gitops.BrokenFile, error) {
		all, err := c.Data.Broken(ctx)
		return slices.DeleteFunc(all, func(b gitops.BrokenFile) bool { return !b.Affects(key) }), err
	}
	return c
}

func TestListsTellBrokenFiles(t *testing.T) {
	h := handler(t, brokenConfig())
	for path, want := range map[string][]string{
		"/api/v1/environments":           {"environments/acme/shop/broken/environment.yaml", "projects/acme/blog.yaml", "projects/beta/game.yaml"},
		"/api/v1/environments?team=beta": {"projects/beta/game.yaml"},
		"/api/v1/projects":               {"projects/acme/blog.yaml", "projects/beta/game.yaml"},
		"/api/v1/projects?team=acme":     {"projects/acme/blog.yaml"},
		"/api/v1/teams":                  {"teams/beta.yaml"},
	} {
		t.Run(path, func(t *testing.T) {
			var got []string
			for _, b := range decode[server.List[any]](t, do(h, get(path))).Broken {
				if got = append(got, b.Path); b.Error == "" {
					t.Errorf("%s has no error", b.Path)
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("broken files (-want +got):\n%s", diff)
			}
		})
	}
}

func TestWhatBrokenFilesBreak(t *testing.T) {
	h := handler(t, brokenConfig())
	staging := decode[server.Environment](t, do(h, get("/api/v1/environments/acme/blog/staging")))
	want := server.Condition{Type: "Rendered", Status: "False", Reason: "InvalidFile", Message: "projects/acme/blog.yaml: spec.sources: required (add one)"}
	if diff := cmp.Diff(want, staging.Conditions[0]); diff != "" {
		t.Errorf("an environment of a broken project (-want +got):\n%s", diff)
	}
	if got := staging.Conditions[1]; got.Status != "True" || staging.Phase != "Deploying" {
		t.Errorf("what is deployed stays: got %+v and %s", got, staging.Phase)
	}
	for _, e := range decode[server.List[server.Environment]](t, do(h, get("/api/v1/environments"))).Items {
		if broken := e.Conditions[0].Reason == "InvalidFile"; broken != (e.Key == "acme/blog/staging" || e.Key == "acme/shop/broken") {
			t.Errorf("%s is broken: %t", e.Key, broken)
		}
	}
	for path, file := range map[string]string{
		"/api/v1/projects/acme/blog": "projects/acme/blog.yaml", "/api/v1/projects/beta/game": "projects/beta/game.yaml",
		"/api/v1/environments/acme/shop/broken": "environment.yaml",
	} {
		if p := wantProblem(t, do(h, get(path)), http.StatusUnprocessableEntity); strings.Count(p.Detail, file) != 1 {
			t.Errorf("%s: %q does not name %s once", path, p.Detail, file)
		}
	}
	wantProblem(t, do(h, get("/api/v1/projects/beta/none")), http.StatusNotFound)
}

func TestBrokenFilesAreCounted(t *testing.T) {
	h := handler(t, brokenConfig())
	if got := do(h, get("/metrics")).Body.String(); !strings.Contains(got, "\ncatalyst_broken_files 4\n") {
		t.Errorf("the metrics do not count the broken files:\n%s", got)
	}
	h = handler(t, config())
	if got := do(h, get("/api/v1/environments")).Body.String(); strings.Contains(got, "broken\":") {
		t.Errorf("without broken files the answer speaks of them: %s", got)
	}
}
