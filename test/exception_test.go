package test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What reaches into the node is refused, and passes translation, policy gate and namespace where the Platform allows it.
func TestPolicyExceptionAllowsNodeAccess(t *testing.T) {
	dir := t.TempDir()
	for name, content := range map[string]string{
		"web/compose.yaml": `
services:
  vpn:
    image: example/vpn
    privileged: true
    pid: host
    ipc: host
    network_mode: host
    cap_add: [NET_ADMIN]
    devices: [/dev/net/tun]
    security_opt: ["seccomp:unconfined"]
    use_api_socket: true
  router:
    image: example/router
    sysctls: {net.ipv4.conf.all.src_valid_mark: 1}
`,
		"catalyst.yaml": `apiVersion: catalyst.catalyst.dev/v1alpha1
kind: Platform
metadata: {name: catalyst}
spec:
  domain: catalyst.localhost
  policy:
    exceptions: [{projects: [acme/vpn], podSecurity: privileged}]
`,
		"project.yaml": `apiVersion: catalyst.catalyst.dev/v1alpha1
kind: Project
metadata: {name: vpn, namespace: acme}
spec:
  sources: [{name: web, repositoryUrl: "https://github.com/acme/vpn"}]
  templates:
    development: {type: docker-compose, path: compose.yaml}
`,
		"environment.yaml": `apiVersion: catalyst.catalyst.dev/v1alpha1
kind: Environment
metadata: {name: pr-1, namespace: acme-vpn}
spec:
  projectRef: {name: vpn}
  sources: [{name: web, branch: main, commitSha: 18f59bdb09ecf520dd5758fbf90dec314baec545}]
`,
	} {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	args := func(extra ...string) []string {
		all := append([]string{"render", "-f", filepath.Join(dir, "project.yaml"), "-f", filepath.Join(dir, "environment.yaml")}, extra...)
		return append(all, "--source", "web="+filepath.Join(dir, "web"), "-o", "-")
	}
	r := command{args: args()}.run(t.Context(), t)
	for _, want := range []string{"services.vpn.privileged", "services.vpn.pid", "services.vpn.ipc", "services.vpn.network_mode", "services.vpn.cap_add", "services.vpn.devices",
		"services.vpn.security_opt", "services.vpn.use_api_socket", "services.router.sysctls", "spec.policy.exceptions with podSecurity: privileged"} {
		if r.code != 1 || !strings.Contains(r.stderr, want) {
			t.Errorf("exit %d, want %s in the refusal:\n%s", r.code, want, r.stderr)
		}
	}
	r = command{args: args("-f", filepath.Join(dir, "catalyst.yaml"))}.run(t.Context(), t)
	if r.code != 0 {
		t.Fatalf("exit %d: %s", r.code, r.stderr)
	}
	for _, want := range []string{"pod-security.kubernetes.io/enforce: privileged", "privileged: true", "hostPID: true", "hostIPC: true", "hostNetwork: true",
		"NET_ADMIN", "path: /dev/net/tun", "Unconfined", "path: /var/run/docker.sock"} {
		if !strings.Contains(r.stdout, want) {
			t.Errorf("the manifests hold no %q", want)
		}
	}
}
