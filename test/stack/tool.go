package stack

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// tool is a program of the stack: a package of a module that is pinned in a folder below tools/.
type tool struct {
	name, folder, module, pkg string
	// ldflags is where %s is the version, and %d the minor version; clients cannot parse a Kubernetes that does not say its own.
	ldflags string
}

const kubernetesVersion = "-s -w -X k8s.io/component-base/version.gitVersion=%[1]s" +
	" -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=%[2]s"

var tools = []tool{
	{"helm", "helm", "helm.sh/helm/v3", "helm.sh/helm/v3/cmd/helm", "-s -w"},
	{"kustomize", "kustomize", "sigs.k8s.io/kustomize/kustomize/v5", "sigs.k8s.io/kustomize/kustomize/v5", "-s -w"},
	{"kompose", "kompose", "github.com/kubernetes/kompose", "github.com/kubernetes/kompose", "-s -w"},
	{"kubeseal", "kubeseal", "github.com/bitnami-labs/sealed-secrets", "github.com/bitnami/sealed-secrets/cmd/kubeseal", "-s -w"},
	{"etcd", "etcd", "go.etcd.io/etcd/server/v3", ".", "-s -w"},
	{"kube-apiserver", "kubernetes", "k8s.io/kubernetes", "k8s.io/kubernetes/cmd/kube-apiserver", kubernetesVersion},
	{"kubectl", "kubernetes", "k8s.io/kubernetes", "k8s.io/kubernetes/cmd/kubectl", kubernetesVersion},
}

// Tools names the programs that Build knows.
func Tools() []string {
	var names []string
	for _, t := range tools {
		names = append(names, t.name)
	}
	return names
}

// Tool is the path of a program of the stack. The test fails where `make stack` has not built it.
func Tool(t testing.TB, name string) string {
	t.Helper()
	file, err := installed(name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(file); err != nil {
		t.Fatalf("%s is not built (run `make stack`): %v", name, err)
	}
	return file
}

// Build builds a program of the stack from source, unless the cache has it, and returns its path.
func Build(ctx context.Context, name string) (string, error) {
	file, err := installed(name)
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(file); err == nil {
		return file, nil
	}
	t, err := find(name)
	if err != nil {
		return "", err
	}
	return file, t.build(ctx, file)
}

// build writes beside the place and moves: an interrupted build leaves no half program behind.
func (t tool) build(ctx context.Context, file string) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	partial := fmt.Sprintf("%s.%d", file, os.Getpid())
	defer os.Remove(partial) //nolint:errcheck // it is gone where the build went well
	version, err := t.version()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", t.linked(version), "-o", partial, t.pkg)
	cmd.Dir = t.dir()
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off", "GOFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("building %s %s: %w\n%s", t.name, version, err, out)
	}
	return os.Rename(partial, file)
}

func (t tool) linked(version string) string {
	if !strings.Contains(t.ldflags, "%") {
		return t.ldflags
	}
	return fmt.Sprintf(t.ldflags, version, strings.Split(version, ".")[1])
}

// installed is where a program of the stack is once it is built: in a folder of its name and version.
func installed(name string) (string, error) {
	t, err := find(name)
	if err != nil {
		return "", err
	}
	version, err := t.version()
	if err != nil {
		return "", err
	}
	cache := os.Getenv("CATALYST_STACK_CACHE")
	if cache == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return "", err
		}
		cache = filepath.Join(user, "catalyst", "stack")
	}
	return filepath.Join(cache, t.name+"-"+version, t.name), nil
}

func find(name string) (tool, error) {
	i := slices.IndexFunc(tools, func(t tool) bool { return t.name == name })
	if i < 0 {
		return tool{}, fmt.Errorf("the stack has no %s, only %s", name, strings.Join(Tools(), ", "))
	}
	return tools[i], nil
}

func (t tool) dir() string { return filepath.Join(folder(), "tools", t.folder) }

// version is the one that the tool's go.mod pins, on a line of its own or as what replaces another module.
func (t tool) version() (string, error) {
	data, err := os.ReadFile(filepath.Join(t.dir(), "go.mod"))
	if err != nil {
		return "", err
	}
	found := regexp.MustCompile(`(?m)(?:^|\s)` + regexp.QuoteMeta(t.module) + ` (v\S+)`).FindSubmatch(data)
	if found == nil {
		return "", fmt.Errorf("%s does not pin %s", filepath.Join(t.dir(), "go.mod"), t.module)
	}
	return string(found[1]), nil
}

// folder is this package's: the tools' modules are beside its source, whichever package's test runs.
func folder() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Dir(file)
}
