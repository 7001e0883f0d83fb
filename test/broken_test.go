package test

import (
	"fmt"
	"strings"
	"testing"

	"catalyst.dev/catalyst/api/v1alpha1"
	"catalyst.dev/catalyst/gitops"
	"catalyst.dev/catalyst/gitops/forge/forgetest"
)

// Every kind of file that people write breaks in its way: each is told of with the place and the remedy, and a pull
// request of a project that is right is deployed all the same.
func TestBrokenFilesAreTold(t *testing.T) {
	f := newForged(t)
	s := newSwept(t, f, "max: 100")
	header := "apiVersion: catalyst.catalyst.dev/v1alpha1\nkind: "
	environment := func(name, spec string) string {
		return header + "Environment\nmetadata: {name: " + name + ", namespace: acme-shop}\nspec: " + spec + "\n"
	}
	for _, c := range []struct{ path, content, says string }{
		{"teams/acme.yaml", header + "Team\nmetadata: {name: acme}\nspec: {members: [{user: github:octocat, roll: owner}]}\n", "spec.members[0].roll"},
		{"teams/beta.yml", header + "Team\nmetadata: {name: beta}\nspec: {}\n", "name it beta.yaml"},
		{"projects/acme/blog.yaml", header + "Project\nmetadata: {name: blog, namespace: acme\n", "line 2"},
		{"projects/acme/game.yaml", header + "Project\nmetadata: {name: other, namespace: acme}\nspec: {sources: [{name: web, repositoryUrl: https://github.com/acme/game}], templates: {development: {type: manifest, path: .}}}\n", `metadata.name: "other" does not match the path (use "game")`},
		{"projects/acme/wiki.YAML", "kind: Project\n", "name it wiki.yaml"},
		{"environments/acme/shop/typo/environment.yaml", environment("typo", "{projectRef: {name: shop}, sorces: []}"), "sources"},
		{"environments/acme/shop/lost/environment.yaml", environment("lost", "{projectRef: {name: shop}, type: none}"), "spec.type"},
		{"environments/acme/shop/bare/note.txt", "?\n", "no environment.yaml"},
		{"environments/acme/shop/PR_1/environment.yaml", environment("PR_1", "{projectRef: {name: shop}}"), "rename the folder"},
		{"environments/acme/gone/pr-1/environment.yaml", header + "Environment\nmetadata: {name: pr-1, namespace: acme-gone}\nspec: {projectRef: {name: gone}}\n", "add projects/acme/gone.yaml"},
		{"sealed-secrets.pem", "no certificate\n", "certificate"},
	} {
		t.Run(c.path, func(t *testing.T) {
			s.commit(map[string]string{c.path: c.content})
			s.files() // reads the tip
			broken, err := s.loop.BrokenFiles(t.Context())
			if err != nil || len(broken) != 1 {
				t.Fatalf("got %+v, %v, want one broken file", broken, err)
			}
			if b := broken[0]; !strings.HasPrefix(c.path, strings.TrimSuffix(b.Path, "/environment.yaml")) || !strings.Contains(b.Error, c.says) || strings.Contains(b.Error, "invalid: ") || strings.Contains(b.Error, b.Path) {
				t.Errorf("got %s: %s, want %s with %q", b.Path, b.Error, c.path, c.says)
			}
			s.commit(map[string]string{c.path: ""})
			s.files()
			if broken, err := s.loop.BrokenFiles(t.Context()); err != nil || len(broken) != 0 {
				t.Errorf("mended, but got %+v, %v", broken, err)
			}
		})
	}
}

func TestBrokenFilesHarmNoOthers(t *testing.T) {
	f := newForged(t)
	s := newSwept(t, f, "max: 100")
	s.commit(map[string]string{
		"teams/acme.yaml": "{", "projects/acme/blog.yaml": "{", "environments/acme/shop/typo/environment.yaml": "{",
		"environments/acme/blog/pr-1/environment.yaml": "kind: Environment\n",
	})
	s.deliver(f.Open(t.Context(), sweptRepository, "b", "Try", forgetest.PullOptions{Labels: []string{"preview"}, Files: settings("1")}))
	if _, err := f.PushBranch(t.Context(), sweptRepository, "main", "Change", settings("2")); err != nil {
		t.Fatal(err)
	}
	s.sweep()
	if got := s.outcomes[key("pr-1")]; got.State != gitops.StateCommitted || !s.exists("pr-1") {
		t.Errorf("the pull request got %+v, want committed", got)
	}
	if got := s.files()["environments/acme/shop/staging/manifests/configmap-settings.yaml"]; !strings.Contains(got, fmt.Sprintf("%q", "2")) {
		t.Errorf("staging did not move on:\n%s", got)
	}
	broken, err := s.loop.BrokenFiles(t.Context())
	if err != nil || len(broken) != 4 {
		t.Errorf("got %+v, %v, want 4 broken files", broken, err)
	}
	for name, want := range map[string]int{"acme/shop/pr-1": 0, "acme/shop/none": 0, "acme/shop/typo": 1, "acme/blog/pr-1": 2} {
		key, _ := v1alpha1.ParseEnvironmentKey(name)
		if got, err := s.loop.BrokenFilesOf(t.Context(), key); err != nil || len(got) != want {
			t.Errorf("%s: got %+v, %v, want %d broken files", name, got, err, want)
		}
	}
}
