package forgetest_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"catalyst.dev/catalyst/gitops/forge/forgetest"
	"catalyst.dev/catalyst/test/corpus"
)

// recorded reads a payload that GitHub sent.
func recorded(t *testing.T, name string) any {
	t.Helper()
	body, err := os.ReadFile(filepath.Join(corpus.Path(t, "corpus/github"), name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	return decode(t, body)
}

func decode(t *testing.T, body []byte) any {
	t.Helper()
	var v any
	if err := json.Unmarshal(body, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// misshapen lists where ours has a key that theirs lacks, or a value of another type. Their null may be anything.
func misshapen(path string, ours, theirs any) []string {
	if theirs == nil {
		return nil
	}
	if o, t := fmt.Sprintf("%T", ours), fmt.Sprintf("%T", theirs); o != t {
		return []string{fmt.Sprintf("%s is %s, GitHub's is %s", path, o, t)}
	}
	var found []string
	switch ours := ours.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(ours)) {
			value, ok := theirs.(map[string]any)[key]
			if !ok {
				found = append(found, path+"."+key+" is not GitHub's")
			}
			found = append(found, misshapen(path+"."+key, ours[key], value)...)
		}
	case []any:
		if theirs := theirs.([]any); len(theirs) > 0 {
			for i, value := range ours {
				found = append(found, misshapen(fmt.Sprintf("%s[%d]", path, i), value, theirs[0])...)
			}
		}
	}
	return found
}

func TestMisshapenFinds(t *testing.T) {
	theirs := decode(t, []byte(`{"a":{"b":1},"l":[{"n":"x"}],"z":null}`))
	for text, want := range map[string]int{`{"a":{"b":2},"l":[],"z":1}`: 0, `{"a":{"b":"2"}}`: 1, `{"a":{"c":2}}`: 1,
		`{"l":[{"n":1},{"m":"x"}]}`: 2, `{"a":null}`: 1, `[]`: 1} {
		if got := misshapen("", decode(t, []byte(text)), theirs); len(got) != want {
			t.Errorf("%s: %q, want %d", text, got, want)
		}
	}
}

// TestPayloads compares each delivery with the one that GitHub sent for the same action.
func TestPayloads(t *testing.T) {
	_, c, _ := start(t, t.TempDir())
	ctx := t.Context()
	file := map[string][]byte{"a": []byte("a")}
	for _, step := range []struct {
		name string
		do   func() (forgetest.Delivery, error)
	}{
		{"pull_request.opened", func() (forgetest.Delivery, error) {
			return c.Open(ctx, shop, "a", "A", forgetest.PullOptions{Labels: []string{"x"}, Files: file})
		}},
		{"pull_request.synchronize", func() (forgetest.Delivery, error) { return c.Push(ctx, shop, 1, "more", file) }},
		{"pull_request.labeled", func() (forgetest.Delivery, error) { return c.Label(ctx, shop, 1, "y", true) }},
		{"pull_request.unlabeled", func() (forgetest.Delivery, error) { return c.Label(ctx, shop, 1, "y", false) }},
		{"pull_request.converted_to_draft", func() (forgetest.Delivery, error) { return c.SetDraft(ctx, shop, 1, true) }},
		{"pull_request.ready_for_review", func() (forgetest.Delivery, error) { return c.SetDraft(ctx, shop, 1, false) }},
		{"pull_request.closed", func() (forgetest.Delivery, error) { return c.Close(ctx, shop, 1, false) }},
		{"pull_request.reopened", func() (forgetest.Delivery, error) { return c.Reopen(ctx, shop, 1) }},
		{"push", func() (forgetest.Delivery, error) { return c.PushBranch(ctx, shop, "b", "B", file) }},
	} {
		theirs := recorded(t, step.name)
		d, err := step.do()
		told(t, d, err)
		for _, problem := range misshapen("", decode(t, d.Body), theirs) {
			t.Errorf("%s: %s", step.name, problem)
		}
	}
}
