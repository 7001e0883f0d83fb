package test

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"catalyst.dev/catalyst/test/composeapp"
	"catalyst.dev/catalyst/test/composefaults"
)

// Every real application renders, or is refused with the service, the key and the remedy.
func TestCorpusRenders(t *testing.T) {
	for _, app := range composeapp.Shared(t) {
		t.Run(app.Name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			out := filepath.Join(t.TempDir(), "out")
			r := command{args: append(app.RenderArgs(t), "-o", out)}.run(ctx, t)
			switch {
			case strings.Contains(r.stderr, "panic:") || strings.Contains(r.stderr, "goroutine "):
				t.Fatalf("panicked:\n%s", r.stderr)
			case r.code == 0:
				checkNoPlainSecret(t, readTree(t, out))
			case r.code != 1 || !composeapp.Refusable[app.Name]:
				t.Fatalf("exit %d: %s", r.code, r.stderr)
			case !strings.Contains(r.stderr, "services.") || !strings.Contains(r.stderr, "("):
				t.Fatalf("the refusal names no service, key or remedy: %s", r.stderr)
			default:
				t.Logf("refused: %s", r.stderr)
			}
		})
	}
}

// What is rendered of a real application has no fault that its Compose file has not.
func TestCorpusHasNoFaults(t *testing.T) {
	certificate, key := composeapp.Certificate(t)
	for _, app := range composeapp.Shared(t) {
		t.Run(app.Name, func(t *testing.T) {
			out, report := filepath.Join(t.TempDir(), "out"), filepath.Join(t.TempDir(), "report.json")
			args := app.RenderArgs(t)
			if composeapp.Refusable[app.Name] {
				args = app.PrivilegedRenderArgs(t)
			}
			if r := (command{args: append(args, "-o", out, "--report", report, "--certificate", certificate)}).run(t.Context(), t); r.code != 0 {
				t.Fatalf("exit %d: %s", r.code, r.stderr)
			}
			faults, err := composefaults.Check(t.Context(), composefaults.Application{Dir: app.Dir, File: app.File, Variables: app.Variables(), Rendered: out, Report: report, Key: key})
			if err != nil {
				t.Fatal(err)
			}
			for _, fault := range faults {
				t.Error(fault)
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
	for _, app := range composeapp.Shared(t) {
		inputs["corpus/"+app.Name] = app.RenderArgs(t)
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
