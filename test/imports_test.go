// Package test holds the tests that concern the project as a whole.
package test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "catalyst.dev/catalyst"

// mayImport maps each package to the packages of this module that it may import. A package ending in /... means itself
// and all below. What is not in the map may not exist: a new package is entered here with what it may know.
var mayImport = map[string][]string{
	"api/v1alpha1":               {},
	"render/manifest":            {},
	"render/policy":              {"api/v1alpha1", "render/manifest"},
	"render/base":                {"api/v1alpha1", "render/manifest"},
	"render/compose":             {"api/v1alpha1", "render/manifest"},
	"render/helm":                {"api/v1alpha1", "render/manifest"},
	"render/kustomize":           {"api/v1alpha1", "render/manifest"},
	"render/image":               {"api/v1alpha1", "render/manifest"},
	"render/plain":               {"api/v1alpha1", "render/manifest"},
	"render":                     {"api/v1alpha1", "render/manifest", "render/policy", "render/base", "render/compose", "render/helm", "render/kustomize", "render/image", "render/plain"},
	"render/worker":              {"api/v1alpha1", "render", "render/manifest"},
	"secrets":                    {"api/v1alpha1"},
	"gitops/repository":          {},
	"gitops/source":              {},
	"gitops/gitssh":              {},
	"gitops/forge":               {},
	"gitops/forge/forgetest":     {"gitops/forge"},
	"gitops/gitopstest":          {},
	"gitops/queue":               {"api/v1alpha1"},
	"gitops":                     {"api/v1alpha1", "render", "render/manifest", "render/policy", "secrets", "gitops/repository", "gitops/source", "gitops/forge", "gitops/queue"},
	"server":                     {"api/v1alpha1", "gitops", "gitops/forge", "gitops/queue", "gitops/repository", "secrets"},
	"cmd/catalyst":               {"..."},
	"examples":                   {},
	"environments-repo-template": {},
	"test":                       {"..."},
	"test/composefaults":         {},
	"test/composeapp":            {"secrets", "test/corpus"},
	"test/corpus":                {},
	"test/e2e":                   {},
	"test/stack":                 {},
	"test/stack/build":           {"test/stack"},
}

// onlyIn names libraries that one package alone may import.
var onlyIn = map[string][]string{
	"github.com/gin-gonic/gin": {"server"},
	"helm.sh/helm/v3":          {"render/helm"},
	"sigs.k8s.io/kustomize":    {"render/kustomize"},
	"github.com/compose-spec":  {"render/compose", "test/composefaults"},
	"github.com/go-git/go-git": {"gitops/repository", "gitops/source", "gitops/gitssh", "gitops/gitopstest", "gitops/forge/forgetest"},
}

// The files are parsed here and not by `go list`: go test would not see what a subprocess reads, and would answer
// "ok (cached)" after a violation.
func TestImports(t *testing.T) {
	root := os.DirFS("..")
	seen := map[string]bool{}
	err := fs.WalkDir(root, ".", func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if strings.HasPrefix(d.Name(), ".") && file != "." || d.Name() == "testdata" || d.Name() == "data" || file == "test/tools" || file == "test/stack/tools" {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(file, ".go") {
			return nil
		}
		pkg := path.Dir(file)
		seen[pkg] = true
		checkFile(t, root, file, pkg)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for pkg := range seen {
		if _, known := mayImport[pkg]; !known {
			t.Errorf("package %s is not in mayImport: enter it with the packages that it may import", pkg)
		}
	}
}

func checkFile(t *testing.T, root fs.FS, file, pkg string) {
	t.Helper()
	data, err := fs.ReadFile(root, file)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := parser.ParseFile(token.NewFileSet(), file, data, parser.ImportsOnly)
	if err != nil {
		t.Fatal(err)
	}
	isTest := strings.HasSuffix(file, "_test.go")
	for _, spec := range parsed.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		if own, ok := strings.CutPrefix(imported, module+"/"); ok {
			if !isTest && own != pkg && !allowed(pkg, own) {
				t.Errorf("%s imports %s, which %s may not", file, own, pkg)
			}
			continue
		}
		for library, packages := range onlyIn {
			if !isTest && strings.HasPrefix(imported, library) && !slices.Contains(packages, pkg) {
				t.Errorf("%s imports %s, which only %s may", file, imported, strings.Join(packages, ", "))
			}
		}
	}
}

func allowed(pkg, imported string) bool {
	list := mayImport[pkg]
	return slices.Contains(list, imported) || slices.Contains(list, "...")
}
