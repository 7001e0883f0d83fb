package test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// mayBeRefused are the applications that ask for what no tenant of a shared cluster gets: the Docker socket, kernel
// capabilities, host networking.
var mayBeRefused = map[string]bool{"portainer": true, "traefik-golang": true, "wireguard": true, "pihole-cloudflared-DoH": true}

// corpusProject writes project.yaml and environment.yaml for a Compose application of the corpus.
func corpusProject(t testing.TB, app string) []string {
	t.Helper()
	compose, err := filepath.Glob(filepath.Join(app, "compose.y*ml"))
	if err != nil || len(compose) != 1 {
		t.Fatalf("%s has no Compose file: %v", app, err)
	}
	name := strings.ToLower(filepath.Base(app))
	dir := t.TempDir()
	write := func(file, content string) {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("project.yaml", fmt.Sprintf(`apiVersion: catalyst.catalyst.dev/v1alpha1
kind: Project
metadata: {name: %s, namespace: corpus}
spec:
  sources: [{name: web, repositoryUrl: "https://github.com/docker/awesome-compose"}]
  templates:
    development: {type: docker-compose, path: %s}
`, name, filepath.Base(compose[0])))
	write("environment.yaml", fmt.Sprintf(`apiVersion: catalyst.catalyst.dev/v1alpha1
kind: Environment
metadata: {name: pr-1, namespace: corpus-%[1]s}
spec:
  projectRef: {name: %[1]s}
  sources: [{name: web, branch: main, commitSha: 18f59bdb09ecf520dd5758fbf90dec314baec545}]
`, name))
	return []string{"render", "-f", filepath.Join(dir, "project.yaml"), "-f", filepath.Join(dir, "environment.yaml"), "--source", "web=" + app}
}

func corpus(t testing.TB) []string {
	t.Helper()
	apps, err := filepath.Glob(filepath.Join(shared(t, "corpus/compose"), "*"))
	if err != nil || len(apps) == 0 {
		t.Fatalf("the corpus is empty: %v", err)
	}
	return apps
}

// Every real application renders, or is refused with the service, the key and the remedy.
func TestCorpusRenders(t *testing.T) {
	for _, app := range corpus(t) {
		t.Run(filepath.Base(app), func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			out := filepath.Join(t.TempDir(), "out")
			r := command{args: append(corpusProject(t, app), "-o", out)}.run(ctx, t)
			switch {
			case strings.Contains(r.stderr, "panic:") || strings.Contains(r.stderr, "goroutine "):
				t.Fatalf("panicked:\n%s", r.stderr)
			case r.code == 0:
				checkNoPlainSecret(t, readTree(t, out))
			case r.code != 1 || !mayBeRefused[filepath.Base(app)]:
				t.Fatalf("exit %d: %s", r.code, r.stderr)
			case !strings.Contains(r.stderr, "services.") || !strings.Contains(r.stderr, "("):
				t.Fatalf("the refusal names no service, key or remedy: %s", r.stderr)
			default:
				t.Logf("refused: %s", r.stderr)
			}
		})
	}
}

func checkNoPlainSecret(t testing.TB, files map[string]string) {
	t.Helper()
	for name, content := range files {
		if strings.Contains("\n"+content, "\nkind: Secret\n") {
			t.Errorf("%s is a plain Secret", name)
		}
	}
}

// The same input gives the same bytes in another folder, time zone and process environment, ciphertext aside.
func TestRenderIsDeterministic(t *testing.T) {
	type world struct{ dir, zone, canary string }
	inputs := map[string][]string{}
	for _, dir := range examples(t) {
		inputs["examples/"+filepath.Base(dir)] = example(t, dir)
	}
	for _, app := range corpus(t) {
		inputs["corpus/"+filepath.Base(app)] = corpusProject(t, app)
	}
	for name, args := range inputs {
		t.Run(name, func(t *testing.T) {
			var renders []map[string]string
			var messages []string
			for _, w := range []world{{t.TempDir(), "UTC", "one"}, {t.TempDir(), "Asia/Kathmandu", "two"}} {
				out := filepath.Join(t.TempDir(), "out")
				// The variables are those that the corpus interpolates: none may reach the output.
				env := []string{"TZ=" + w.zone, "HOME=" + w.dir, "LANG=C." + w.canary,
					"POSTGRES_PASSWORD=canary-" + w.canary, "MYSQL_PASSWORD=canary-" + w.canary, "PWD=" + w.dir, "DOMAIN=canary-" + w.canary}
				r := command{dir: w.dir, env: env, args: append(args, "-o", out)}.run(t.Context(), t)
				messages = append(messages, r.stderr)
				files := map[string]string{}
				if r.code == 0 {
					files = readTree(t, out)
				}
				for file, content := range files {
					if strings.Contains(content, "canary-") {
						t.Errorf("%s holds a variable of the process", file)
					}
				}
				renders = append(renders, files)
			}
			if diff := cmp.Diff(renders[0], renders[1]); diff != "" {
				t.Errorf("two renders differ:\n%s", diff)
			}
			if diff := cmp.Diff(messages[0], messages[1]); diff != "" {
				t.Errorf("two renders say different things:\n%s", diff)
			}
		})
	}
}
