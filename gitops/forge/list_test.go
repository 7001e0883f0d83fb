package forge_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"catalyst.dev/catalyst/gitops/forge"
)

// TestOpenPullRequestsByPages checks that pages are followed, and that what did not change is not read again.
func TestOpenPullRequestsByPages(t *testing.T) {
	head := map[string]string{"1": "a", "2": "b"}
	sent := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		page := q.Get("page")
		if r.URL.Path != "/repos/acme/shop/pulls" || q.Get("state") != "open" || q.Get("per_page") != "100" {
			http.NotFound(w, r)
			return
		}
		if page == "1" {
			w.Header().Set("Link", fmt.Sprintf(`<http://%s/repos/acme/shop/pulls?page=2>; rel="next"`, r.Host))
		}
		tag := `"` + head[page] + `"`
		w.Header().Set("ETag", tag)
		if r.Header.Get("If-None-Match") == tag {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		sent++
		_, _ = fmt.Fprintf(w, `[{"number":%s,"state":"open","head":{"sha":%q}}]`, page, head[page]) // a broken answer fails the client below
	}))
	t.Cleanup(server.Close)
	g, err := forge.NewGitHub(forge.Options{BaseURL: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		change string
		sent   int
	}{{"b", 2}, {"b", 2}, {"c", 3}, {"c", 3}} {
		head["2"] = c.change
		pulls, err := g.OpenPullRequests(t.Context(), "acme/shop")
		if err != nil || len(pulls) != 2 || pulls[0].Head.SHA != "a" || pulls[1].Head.SHA != c.change || pulls[1].Number != 2 {
			t.Errorf("got %+v, %v, want the heads a and %s", pulls, err, c.change)
		}
		if sent != c.sent {
			t.Errorf("%d pages were sent in full, want %d", sent, c.sent)
		}
	}
	if _, err := g.OpenPullRequests(t.Context(), "acme/none"); !errors.Is(err, forge.ErrNotFound) {
		t.Errorf("a missing repository: %v", err)
	}
	if _, err := g.OpenPullRequests(t.Context(), "../.."); err == nil {
		t.Error("a name that is none is taken")
	}
}
