package forgetest_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"

	"catalyst.dev/catalyst/gitops/forge/forgetest"
)

func TestOpenPullRequests(t *testing.T) {
	_, c, g := start(t, t.TempDir())
	ctx := t.Context()
	const opened = 103 // two pages
	for i := range opened {
		d, err := c.Open(ctx, shop, fmt.Sprintf("b%d", i), "B", forgetest.PullOptions{Fork: i == 1, Draft: i == 2,
			Files: map[string][]byte{"a": fmt.Append(nil, i)}})
		told(t, d, err)
	}
	d, err := c.Close(ctx, shop, 1, false)
	told(t, d, err)
	for range 2 { // the second time from what was remembered
		open, err := g.OpenPullRequests(ctx, shop)
		if err != nil || len(open) != opened-1 {
			t.Fatalf("got %d, %v, want %d", len(open), err, opened-1)
		}
		for i, pr := range open {
			alone, err := g.PullRequest(ctx, shop, i+2)
			if err != nil || pr.Number != alone.Number || pr.Head != alone.Head || pr.Draft != alone.Draft || pr.Fork() != alone.Fork() ||
				pr.Repository != alone.Repository {
				t.Errorf("listed %+v, alone %+v, %v", pr, alone, err)
			}
			if i > 3 {
				break
			}
		}
	}
	d, err = c.Push(ctx, shop, 2, "more", map[string][]byte{"a": []byte("more")})
	told(t, d, err)
	open, err := g.OpenPullRequests(ctx, shop)
	if alone, _ := g.PullRequest(ctx, shop, 2); err != nil || open[0].Head.SHA != alone.Head.SHA {
		t.Errorf("after a push: listed %+v, alone %+v, %v", open[0].Head, alone.Head, err)
	}
}

// TestListedPayload compares a list's entry with what GitHub says of the same in a webhook; what GitHub works out for one
// pull request alone is not in a list.
func TestListedPayload(t *testing.T) {
	_, c, _ := start(t, t.TempDir())
	d, err := c.Open(t.Context(), shop, "a", "A", forgetest.PullOptions{Labels: []string{"x"}, Files: map[string][]byte{"a": []byte("1")}})
	told(t, d, err)
	res, err := http.Get(c.BaseURL + "/repos/" + shop + "/pulls")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }() // it is read below
	var list []any
	if err := json.NewDecoder(res.Body).Decode(&list); err != nil || len(list) != 1 {
		t.Fatalf("got %v, %v", list, err)
	}
	if _, ok := list[0].(map[string]any)["merged"]; ok {
		t.Error("a list's entry says whether it is merged, which GitHub's does not")
	}
	theirs := recorded(t, "pull_request.opened").(map[string]any)["pull_request"]
	for _, problem := range misshapen("", list[0], theirs) {
		t.Error(problem)
	}
}
