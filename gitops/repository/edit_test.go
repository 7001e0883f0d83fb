package repository_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"path"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"catalyst.dev/catalyst/gitops/repository"
)

// Random edits over names that Git sorts in odd ways leave what a map of files would hold, in objects that Git finds sound.
func TestRandomEditsAgreeWithGit(t *testing.T) {
	server := begin(t, map[string]string{"begin": "1"})
	r := open(t, server.URL("environments"))
	random := rand.New(rand.NewPCG(1, 2))
	model := map[string]string{"begin": "1"}
	for step := range 60 {
		edit := randomEdit(random)
		before := maps.Clone(model)
		applyToModel(model, edit)
		_, err := r.Commit(t.Context(), repository.Change{Author: repository.Signature{Name: "Octo Cat", Email: "octocat@example.com"},
			Message: fmt.Sprint(step), Edit: func(context.Context, *repository.Snapshot) (repository.Edit, error) { return edit, nil }})
		if unchanged := maps.Equal(before, model); errors.Is(err, repository.ErrUnchanged) != unchanged || err != nil && !unchanged {
			t.Fatalf("step %d: Commit() = %v with unchanged %v", step, err, unchanged)
		}
		if diff := cmp.Diff(model, listed(server.Git("environments", "ls-tree", "-r", "--format=%(path) %(objectname)", "main"), server.Git)); diff != "" {
			t.Fatalf("step %d: the tree differs from the model (-want +got):\n%s", step, diff)
		}
	}
	if out := server.Git("environments", "fsck", "--strict"); strings.Contains(out, "error") {
		t.Errorf("git fsck: %s", out)
	}
}

// randomEdit is made of names that share beginnings, as files and as folders.
func randomEdit(random *rand.Rand) repository.Edit {
	names := []string{"a", "a.b", "a-b", "a0", "ab"}
	name := func(depth int) string {
		var parts []string
		for range depth {
			parts = append(parts, names[random.IntN(len(names))])
		}
		return path.Join(parts...)
	}
	files := func() map[string][]byte {
		if random.IntN(4) == 0 {
			return nil
		}
		out := map[string][]byte{}
		for range 1 + random.IntN(4) {
			out["d"+name(1)+"/"+name(1)+".yaml"] = fmt.Appendf(nil, "%d", random.IntN(3))
		}
		return out
	}
	var edit repository.Edit
	if random.IntN(3) > 0 {
		edit.Replace = map[string]map[string][]byte{name(2): files(), "x/" + name(1): files()}
	}
	if random.IntN(2) > 0 {
		edit.Put = map[string][]byte{"put/" + name(1) + ".txt": []byte(name(1))}
	}
	if random.IntN(3) == 0 {
		edit.Delete = []string{"put/" + name(1) + ".txt", "put/" + name(2), "nothing/" + name(1)}
	}
	return edit
}

func applyToModel(model map[string]string, edit repository.Edit) {
	for dir, files := range edit.Replace {
		maps.DeleteFunc(model, func(name, _ string) bool { return strings.HasPrefix(name, dir+"/") })
		for name, content := range files {
			model[dir+"/"+name] = string(content)
		}
	}
	for _, name := range edit.Delete {
		delete(model, name)
	}
	for name, content := range edit.Put {
		model[name] = string(content)
	}
}

// listed reads the files that ls-tree lists.
func listed(tree string, git func(repository string, args ...string) string) map[string]string {
	out := map[string]string{}
	for line := range strings.Lines(tree) {
		name, hash, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		out[name] = git("environments", "cat-file", "blob", hash)
	}
	return out
}
