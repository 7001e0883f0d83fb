package test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"catalyst.dev/catalyst/gitops/gitopstest"
)

// The server takes its ssh keys from files or from variables, and reads and writes with each where it should.
func TestServerOverSSH(t *testing.T) {
	git := gitopstest.NewServer(t)
	for _, name := range []string{"shop", "environments"} {
		git.InitBare(name)
	}
	// Two servers, so that a key opens one repository alone, as a deploy key does.
	applications, environments := gitopstest.NewSSH(t, git), gitopstest.NewSSH(t, git)
	known := filepath.Join(t.TempDir(), "known_hosts")
	var lines []byte
	for _, file := range []string{applications.KnownHosts, environments.KnownHosts} {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, data...)
	}
	if err := os.WriteFile(known, lines, 0o600); err != nil {
		t.Fatal(err)
	}
	key := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(key, applications.Key, 0o600); err != nil {
		t.Fatal(err)
	}
	sha := git.Commit("shop", "main", "Begin", map[string]string{"deploy/settings.yaml": string(settings("ssh")["deploy/settings.yaml"])}, time.Unix(1_700_000_000, 0))
	git.Commit("environments", "main", "Begin", map[string]string{
		"catalyst.yaml":           sweptPlatform,
		"projects/acme/shop.yaml": strings.Replace(fmt.Sprintf(sweptProject, applications.URL("shop"), "max: 1"), "enabled: true", "enabled: false", 1),
		"environments/acme/shop/staging/environment.yaml": strings.Replace(sweptStaging, ", commitSha: %s", "", 1),
	}, time.Unix(1_700_000_000, 0))
	startServer(t, &logBuffer{}, []string{"CATALYST_GITHUB_WEBHOOK_SECRET=s", "CATALYST_API_TOKEN=t",
		"TOKEN_ENCRYPTION_KEY=" + strings.Repeat("0123456789abcdef", 4), "CATALYST_GIT_SSH_PRIVATE_KEY=" + string(environments.Key)},
		"--environments-repo", environments.URL("environments"), "--ssh-key", key, "--ssh-known-hosts", known, "--poll", "1s")
	eventually(t, "staging is committed", func() bool {
		return strings.Contains(git.Git("environments", "log", "--format=%B", "main"), "Argocd-reference-commit-sha: "+sha)
	})
	if got := git.Git("environments", "show", "main:environments/acme/shop/staging/manifests/configmap-settings.yaml"); !strings.Contains(got, "ssh") {
		t.Errorf("got the manifest %s", got)
	}
	if git.Pushes.Load() != 0 || environments.Sessions.Load() == 0 || applications.Sessions.Load() == 0 {
		t.Errorf("%d pushes over HTTP, %d and %d ssh sessions, want none, some, some", git.Pushes.Load(), environments.Sessions.Load(), applications.Sessions.Load())
	}
}
