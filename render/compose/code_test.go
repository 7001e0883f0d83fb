package compose_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"catalyst.dev/catalyst/render/compose"
)

func development(in *compose.Input) {
	cloned(in)
	in.Development = true
}

var nodeApplication = map[string]string{
	"compose.yaml": `
services:
  web:
    build: .
    command: npm run dev
    ports: ["3000:3000"]
    volumes: [".:/app", /app/node_modules, "./nginx/app.conf:/etc/app.conf"]
  api:
    build: {context: ./api}
    volumes: ["./api:/srv:ro", "modules:/srv/node_modules"]
    develop: {watch: [{action: sync, path: ./api, target: /srv}]}
  db:
    image: postgres
    volumes: ["./initdb:/docker-entrypoint-initdb.d"]
volumes: {modules: {}}
`,
	"Dockerfile": "FROM node:22\nWORKDIR /app\nCOPY . .\n", "api/Dockerfile": "FROM node:22\nCOPY . /srv\n",
	"nginx/app.conf": "a", "initdb/a.sql": "b", "initdb/b.sh*": "#!/bin/sh", "api/index.js": "c",
}

func TestSourceCodeInDevelopment(t *testing.T) {
	app := renderApp(t, nodeApplication, development)
	web, api := app.pod(t, "web"), app.pod(t, "api")
	for _, tt := range []struct {
		pod             corev1.PodSpec
		target, subPath string
	}{{web, "/app", "tree"}, {api, "/srv", "tree/api"}} {
		m, v := mounted(t, tt.pod, tt.target)
		if m.SubPath != tt.subPath || v.PersistentVolumeClaim == nil || v.PersistentVolumeClaim.ClaimName != "source-code" {
			t.Errorf("%s has %+v of %+v, want the code's %s", tt.target, m, v, tt.subPath)
		}
	}
	if m, _ := mounted(t, api, "/srv"); !m.ReadOnly {
		t.Error("api may write to its code")
	}
	if diff := cmp.Diff(web.Affinity, api.Affinity); diff != "" || web.Affinity == nil {
		t.Errorf("web and api share a volume on different nodes:\n%s", diff)
	}
	clone := web.InitContainers[0]
	want := []corev1.EnvVar{{Name: "REPOSITORY", Value: "https://github.com/acme/shop"}, {Name: "COMMIT", Value: strings.Repeat("a1", 20)}}
	if diff := cmp.Diff(want, clone.Env); diff != "" || clone.Image != compose.DefaultGitImage {
		t.Errorf("%s clones:\n%s", clone.Image, diff)
	}
	if diff := cmp.Diff([]string{"/app/node_modules"}, seeded(web)); diff != "" {
		t.Errorf("the dependencies are hidden by an empty folder:\n%s", diff)
	}
	if diff := cmp.Diff([]string{"/srv/node_modules"}, seeded(api)); diff != "" {
		t.Errorf("the dependencies are hidden by an empty folder:\n%s", diff)
	}
	if folder := api.InitContainers[0].Command[4]; folder != "api/node_modules" {
		t.Errorf("the read-only code has no place for %s", folder)
	}
	for service, target := range map[string]string{"web": "/etc/app.conf", "db": "/docker-entrypoint-initdb.d"} {
		if _, v := mounted(t, app.pod(t, service), target); v.ConfigMap == nil {
			t.Errorf("%s of %s is %+v, want a ConfigMap", target, service, v)
		}
	}
	if !app.reported("web", "", "volumes[0]: . is source code: cloned") || !app.reported("api", "", "develop.watch") {
		t.Errorf("the report is %v", app.report.Findings)
	}
}

func TestTheTokenComesFromTheSecretStore(t *testing.T) {
	app := renderApp(t, nodeApplication, func(in *compose.Input) {
		development(in)
		in.SecretNames = []string{compose.GitTokenName, "OTHER"}
	})
	clone := app.pod(t, "web").InitContainers[0]
	ref := clone.Env[len(clone.Env)-1]
	if ref.Name != compose.GitTokenName || ref.ValueFrom.SecretKeyRef.Name != compose.SecretsName || ref.ValueFrom.SecretKeyRef.Key != compose.GitTokenName {
		t.Errorf("the token is %+v", ref)
	}
}

func TestSourceCodeThatIsNotCloned(t *testing.T) {
	tests := []struct {
		name   string
		change func(*compose.Input)
		want   string
	}{
		{"deployment", cloned, "is source code: the built image holds it"},
		{"no URL", func(in *compose.Input) { in.Development = true }, "the repository has no URL"},
		{"file", func(in *compose.Input) { development(in); in.RepositoryURL = "file:///srv/shop.git" }, "a cluster clones over https only"},
		{"ssh", func(in *compose.Input) { development(in); in.RepositoryURL = "git@github.com:acme/shop.git" }, "a cluster clones over https only"},
		{"local", func(in *compose.Input) { development(in); in.RepositoryURL = "http://127.0.0.1:3000/acme/shop" }, "out of the cluster's reach"},
		{"localhost", func(in *compose.Input) { development(in); in.RepositoryURL = "http://Gitea.LocalHost./acme/shop" }, "out of the cluster's reach"},
		{"credentials", func(in *compose.Input) { development(in); in.RepositoryURL = "https://u:p@github.com/acme/shop" }, "holds credentials"},
		{"no commit", func(in *compose.Input) { development(in); in.CommitSHA = "--upload-pack=x" }, "the source has no commit"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			app := renderApp(t, nodeApplication, tt.change)
			for service, target := range map[string]string{"web": "/app", "api": "/srv"} {
				if isMounted(app.pod(t, service), target) {
					t.Errorf("%s has something on %s, want the image's own code", service, target)
				}
				if !app.reported(service, "", tt.want) {
					t.Errorf("the report on %s lacks %q: %v", service, tt.want, app.report.Findings)
				}
			}
			if isMounted(app.pod(t, "web"), "/app/node_modules") {
				t.Error("an empty volume hides the image's dependencies")
			}
		})
	}
}

// An image that is not built from the repository has not its code, in no mode.
func TestSourceCodeOfOtherImages(t *testing.T) {
	files := map[string]string{"compose.yaml": `
services:
  web: {image: "node:22", working_dir: /app, command: npm start, volumes: [".:/app"]}
  php: {image: "php:8-apache", volumes: ["./src:/var/www/html"]}
  tool: {build: ./tool, volumes: ["./tool:/work"]}
  worker: {image: example/app, volumes: ["./app:/app"]}
  app: {image: example/app, build: ./app}
`, "src/index.php": "<?php", "package.json": "{}", "tool/Dockerfile": "FROM alpine\nRUN apk add make\n", "app/Dockerfile": "FROM alpine\nCOPY . .\n"}
	app := renderApp(t, files, cloned)
	for service, target := range map[string]string{"web": "/app", "tool": "/work"} {
		if _, v := mounted(t, app.pod(t, service), target); v.EmptyDir == nil || initContainer(app.pod(t, service), "clone-clone") == nil {
			t.Errorf("%s has %+v on %s, want a clone", service, v, target)
		}
	}
	if _, v := mounted(t, app.pod(t, "php"), "/var/www/html"); v.ConfigMap == nil {
		t.Errorf("php has %+v, want the few files", v)
	}
	if isMounted(app.pod(t, "worker"), "/app") {
		t.Error("worker runs the image that app builds, which has the code")
	}
	app = renderApp(t, files, nil)
	if _, v := mounted(t, app.pod(t, "web"), "/app"); v.ConfigMap == nil {
		t.Errorf("web has %+v, want the files, for nothing can be cloned", v)
	}
}

// The script is run for real, over repositories of this machine.
func TestCloneScript(t *testing.T) {
	app := renderApp(t, nodeApplication, development)
	clone := app.pod(t, "web").InitContainers[0]
	dir := t.TempDir()
	origin, code := filepath.Join(dir, "origin"), filepath.Join(dir, "code")
	git := func(args ...string) string {
		t.Helper()
		cmd := exec.Command("git", append([]string{"-C", origin, "-c", "user.name=Octo Cat", "-c", "user.email=octocat@example.com"}, args...)...)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	write := func(name, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	commit := func(files map[string]string) string {
		t.Helper()
		git("rm", "-rq", "--ignore-unmatch", ".")
		for name, text := range files {
			write(filepath.Join(origin, name), text)
		}
		git("add", "-A")
		git("commit", "-qm", "change")
		return git("rev-parse", "HEAD")
	}
	refresh := func(sha string) {
		t.Helper()
		script := strings.NewReplacer("/code", code, "/git", filepath.Join(dir, "git")).Replace(clone.Command[2])
		cmd := exec.Command("sh", "-c", script, "clone", "app/node_modules")
		cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "REPOSITORY=file://" + origin, "COMMIT=" + sha, "CATALYST_GIT_TOKEN=canary"}
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("cloning %s: %v\n%s", sha, err, out)
		}
	}
	if err := os.MkdirAll(origin, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, d := range []string{code, filepath.Join(dir, "git")} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	git("init", "-q")
	git("config", "uploadpack.allowAnySHA1InWant", "true")
	first := commit(map[string]string{"app/main.js": "one", "app/old.js": "old", "README": "r"})
	second := commit(map[string]string{"app/main.js": "two", "app/new.js": "new"})

	refresh(first)
	if diff := cmp.Diff(map[string]string{"app/main.js": "one", "app/old.js": "old", "README": "r"}, filesOf(t, filepath.Join(code, "tree"))); diff != "" {
		t.Errorf("the first commit:\n%s", diff)
	}
	write(filepath.Join(code, "tree/app/node_modules/a.js"), "dependency")
	write(filepath.Join(code, "tree/app/main.js"), "changed in the container")
	refresh(first)
	if got := filesOf(t, filepath.Join(code, "tree"))["app/main.js"]; got != "changed in the container" {
		t.Errorf("a restart at the same commit made %q of a changed file", got)
	}
	// What the application leaves beside its code must not steer Git.
	write(filepath.Join(code, "tree/.git"), "gitdir: /nowhere")
	refresh(second)
	want := map[string]string{"app/main.js": "two", "app/new.js": "new", "app/node_modules/a.js": "dependency", ".git": "gitdir: /nowhere"}
	if diff := cmp.Diff(want, filesOf(t, filepath.Join(code, "tree"))); diff != "" {
		t.Errorf("the second commit:\n%s", diff)
	}
	for name, text := range filesOf(t, dir) {
		if strings.Contains(text, "canary") {
			t.Errorf("%s holds the token", name)
		}
	}
	info, err := os.Stat(filepath.Join(code, "tree/app/new.js"))
	if err != nil || info.Mode().Perm() != 0o666 {
		t.Errorf("new.js is %v, %v: the image's user may not write it", info, err)
	}
}

// filesOf are the files below a folder.
func filesOf(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(dir, func(p string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(p)
		rel, _ := filepath.Rel(dir, p)
		out[rel] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}
