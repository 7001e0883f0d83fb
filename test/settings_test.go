package test

import (
	"path/filepath"
	"strings"
	"testing"
)

// Settings that are missing, or do not fit each other, end the program with what to set.
func TestSettingsAreRefused(t *testing.T) {
	serve := "serve --listen 127.0.0.1:0 --environments-repo https://127.0.0.1:1/acme/environments"
	secrets := []string{"CATALYST_GITHUB_WEBHOOK_SECRET=s", "CATALYST_API_TOKEN=t", "TOKEN_ENCRYPTION_KEY=" + strings.Repeat("0123456789abcdef", 4)}
	shop := "-f ../examples/compose/project.yaml -f ../examples/compose/environment.yaml --source web=../examples/compose/web"
	for name, c := range map[string]struct {
		args string
		env  []string
		want []string
	}{
		"nothing":           {"serve --listen 127.0.0.1:0", nil, []string{"--environments-repo", "CATALYST_GITHUB_WEBHOOK_SECRET", "TOKEN_ENCRYPTION_KEY", "openssl rand -hex 32", "CATALYST_API_TOKEN"}},
		"encryption key":    {serve, append(secrets[:2:2], "TOKEN_ENCRYPTION_KEY=zz"), []string{"TOKEN_ENCRYPTION_KEY", "64 hex digits"}},
		"App without a key": {serve + " --github-app-id 12", secrets, []string{"--github-app-key FILE"}},
		"key without App":   {serve + " --github-app-key app.pem", secrets, []string{"--github-app-id"}},
		"log level":         {serve + " --log-level loud", secrets, []string{"--log-level loud"}},
		"variable of flag":  {serve, append(secrets[:3:3], "CATALYST_WORKERS=many"), []string{"CATALYST_WORKERS"}},
		"demo for all":      {"serve --demo --listen 0.0.0.0:0", nil, []string{"without an API token only a loopback address"}},
		"diff with nothing": {"diff " + shop, nil, []string{"hint: name it: --environments-repo URL"}},
	} {
		t.Run(name, func(t *testing.T) {
			args := strings.Split(c.args, " ")
			if args[0] == "serve" {
				args = append(args, "--data", filepath.Join(t.TempDir(), "data"))
			}
			r := command{args: args, env: c.env}.run(t.Context(), t)
			for _, want := range c.want {
				if r.code != 1 || !strings.Contains(r.stderr, want) {
					t.Errorf("got exit code %d, want 1 and %q in:\n%s", r.code, want, r.stderr)
				}
			}
		})
	}
}
