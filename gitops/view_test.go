package gitops

import (
	"strings"
	"testing"
	"time"

	"catalyst.dev/catalyst/api/v1alpha1"
	"catalyst.dev/catalyst/gitops/gitopstest"
	"catalyst.dev/catalyst/gitops/repository"
)

func TestNamespaceOwner(t *testing.T) {
	long := strings.Repeat("x", 40)
	shortened := (v1alpha1.EnvironmentKey{Team: "acme", Project: long, Environment: long}).Namespace()
	taken := []string{"a/b-c/d", "acme/shop/pr-1", "acme/shop-x/pr", "acme/" + long + "/" + long}
	git := gitopstest.NewServer(t)
	git.InitBare("environments")
	files := map[string]string{}
	for _, key := range taken {
		files["environments/"+key+"/environment.yaml"] = "x"
	}
	git.Commit("environments", "main", "Begin", files, time.Unix(1_700_000_000, 0))
	r, err := repository.Open(t.Context(), repository.Options{URL: git.URL("environments")})
	if err != nil {
		t.Fatal(err)
	}
	view := &View{snapshot: r.Snapshot()}
	for key, want := range map[string]string{
		"a/b-c/d":                                "", // itself
		"a-b/c/d":                                "a/b-c/d",
		"a/b/c-d":                                "a/b-c/d",
		"acme-shop/x/pr":                         "acme/shop-x/pr",
		"acme/shop/x-pr":                         "acme/shop-x/pr",
		"acme/shop/pr-2":                         "",
		"acme/shop/pr":                           "",
		"acme-" + long + "/" + long + "/" + long: "",
		"acme/" + long[:20] + "/" + long:         "",
		"acme/" + long + "/" + long:              "",
		"acme/" + shortened[len("acme-"):len(shortened)-6] + "/" + shortened[len(shortened)-5:]: "acme/" + long + "/" + long,
	} {
		parsed, ok := v1alpha1.ParseEnvironmentKey(key)
		if !ok {
			t.Fatalf("%q is no key", key)
		}
		other, found, err := view.namespaceOwner(t.Context(), parsed)
		if got := other.String(); err != nil || found != (want != "") || found && got != want {
			t.Errorf("namespaceOwner(%s) = %s, %v, %v; want %q", key, got, found, err, want)
		}
	}
}
