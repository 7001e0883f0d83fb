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
	"catalyst.dev/catalyst/render/manifest"
)

// bytesAt is what a container reads at a path, or the name in the secret store.
func (a *app) bytesAt(t *testing.T, pod corev1.PodSpec, target string) string {
	t.Helper()
	m, v := mounted(t, pod, target)
	switch {
	case v.ConfigMap != nil:
		cm := object[corev1.ConfigMap](t, a, "ConfigMap", v.ConfigMap.Name)
		if data, ok := cm.BinaryData[m.SubPath]; ok {
			return string(data)
		}
		return cm.Data[m.SubPath]
	case v.Secret.SecretName == compose.SecretsName:
		if len(v.Secret.Items) != 1 || v.Secret.Items[0].Path != m.SubPath {
			t.Errorf("%s shows %+v of the secret store", target, v.Secret.Items)
		}
		return "stored " + v.Secret.Items[0].Key
	}
	return string(object[corev1.Secret](t, a, "Secret", v.Secret.SecretName).Data[m.SubPath])
}

func modeAt(t *testing.T, pod corev1.PodSpec, target string) int32 {
	t.Helper()
	_, v := mounted(t, pod, target)
	if v.ConfigMap != nil {
		return *v.ConfigMap.DefaultMode
	}
	return *v.Secret.DefaultMode
}

func TestSecretsAndConfigs(t *testing.T) {
	app := renderApp(t, map[string]string{
		"compose.yaml": `
services:
  db:
    image: postgres
    user: "999"
    secrets:
      - db_password
      - {source: tls.Key, target: /etc/tls/tls.key, mode: 0400}
      - {source: token, target: api}
    configs:
      - app.conf
      - {source: motd, target: /etc/motd, mode: 0640}
      - {source: dsn, target: etc/dsn}
      - {source: binary, target: /logo.png}
      - {source: store, target: /etc/store}
      - {source: script, target: /start.sh}
  web:
    image: example/web
    secrets:
      - {source: db_password, target: password, mode: 0400}
      - {source: db_password, target: password2}
      - vault
      - license
      - uncommitted
secrets:
  db_password: {file: ./secrets/db.txt}
  tls.Key: {environment: TLS_KEY}
  token: {environment: STORED_TOKEN}
  vault: {external: true, name: vault-token}
  license: {external: true}
  uncommitted: {file: ./secrets/none.txt}
configs:
  app.conf: {file: app.conf}
  motd: {content: "Welcome to ${SHOP}, for $$5"}
  dsn: {content: "url=postgres://shop:${PG_PASSWORD}@db/shop"}
  binary: {file: logo.png}
  store: {environment: STORED_TOKEN}
  script: {file: start.sh}
`,
		"start.sh*":      "#!/bin/sh\n",
		".env":           "TLS_KEY=-----KEY-----\nSHOP=the shop\nPG_PASSWORD=canary-password\n",
		"secrets/db.txt": "hunter2hunter2", "app.conf": "a=1", "logo.png": "\x89PNG\xff",
	}, func(in *compose.Input) {
		in.SecretNames = []string{"STORED_TOKEN", "VAULT_TOKEN", "license", "UNCOMMITTED"}
	})
	db, web := app.pod(t, "db"), app.pod(t, "web")
	tests := []struct {
		pod        corev1.PodSpec
		path, want string
		mode       int32
	}{
		{db, "/run/secrets/db_password", "hunter2hunter2", 0o444},
		{db, "/etc/tls/tls.key", "-----KEY-----", 0o400},
		{db, "/run/secrets/api", "stored STORED_TOKEN", 0o444},
		{db, "/app.conf", "a=1", 0o444},
		{db, "/etc/motd", "Welcome to the shop, for $5", 0o640},
		{db, "/etc/dsn", "url=postgres://shop:canary-password@db/shop", 0o444},
		{db, "/logo.png", "\x89PNG\xff", 0o444},
		{db, "/etc/store", "stored STORED_TOKEN", 0o444},
		{db, "/start.sh", "#!/bin/sh\n", 0o555},
		{web, "/run/secrets/password", "hunter2hunter2", 0o444},
		{web, "/run/secrets/password2", "hunter2hunter2", 0o444},
		{web, "/run/secrets/vault", "stored VAULT_TOKEN", 0o444},
		{web, "/run/secrets/license", "stored license", 0o444},
		{web, "/run/secrets/uncommitted", "stored UNCOMMITTED", 0o444},
	}
	for _, tt := range tests {
		t.Run(tt.path, func(t *testing.T) {
			if got := app.bytesAt(t, tt.pod, tt.path); got != tt.want {
				t.Errorf("%s is %q, want %q", tt.path, got, tt.want)
			}
			if got := modeAt(t, tt.pod, tt.path); got != tt.mode {
				t.Errorf("%s has mode %o, want %o", tt.path, got, tt.mode)
			}
		})
	}
	for _, o := range app.objects {
		data, err := o.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		for _, secret := range []string{"hunter2hunter2", "-----KEY-----", "canary-password"} {
			if o.GetKind() != "Secret" && strings.Contains(string(data), secret) {
				t.Errorf("%s %s holds a secret", o.GetKind(), o.GetName())
			}
		}
	}
	if !app.reported("web", "", "mode 0400 is 0444 here") || !app.reported("db", "", "in plain text") {
		t.Errorf("the report is %v", app.report.Findings)
	}
}

// A change of a config restarts the pods, because its name changes. The name of a Secret says nothing of its content.
func TestContentInNames(t *testing.T) {
	names := func(config, secret string) ([]string, []string) {
		app := renderApp(t, map[string]string{"s.txt": secret, "compose.yaml": "services: {web: {image: example/web, configs: [cfg], secrets: [s_1]}}\nconfigs: {cfg: {content: '" +
			config + "'}}\nsecrets: {s_1: {file: s.txt}}\n"}, nil)
		return app.names("ConfigMap"), app.names("Secret")
	}
	configs, secrets := names("a", "a")
	otherConfigs, otherSecrets := names("b", "b")
	if cmp.Equal(configs, otherConfigs) {
		t.Errorf("both contents are in %v", configs)
	}
	if diff := cmp.Diff(secrets, otherSecrets); diff != "" {
		t.Errorf("the Secret's name follows its content:\n%s", diff)
	}
}

func TestMissingSecretsAreOneProblem(t *testing.T) {
	_, err := tryApp(t, map[string]string{"compose.yaml": `
services:
  api: {image: example/api, secrets: [one, two, four]}
  web: {image: example/web, secrets: [one], configs: [three]}
secrets: {one: {external: true, name: shop-one}, two: {environment: TWO}, four: {file: ./none.txt}}
configs: {three: {external: true}}
`}, nil)
	wantProblem(t, err, "neither the repository nor the secret store has: TWO (api), four (api), shop-one (api, web), three (web)")
	if p, ok := err.(interface{ Unwrap() []error }); ok && len(p.Unwrap()) != 1 {
		t.Errorf("Render() = %v, want one problem", err)
	}
}

func TestBadConfigsAndSecrets(t *testing.T) {
	const service = "services: {web: {image: example/web, configs: [cfg]}, api: {image: example/web, configs: [cfg]}}\n"
	tests := []struct{ name, text, want string }{
		{"driver", "services: {web: {image: a, secrets: [abc]}}\nsecrets: {abc: {file: a.txt, driver: vault}}\n", "secrets.abc: drivers are plugins"},
		{"template driver", service + "configs: {cfg: {file: a.txt, template_driver: golang}}\n", "configs.cfg: drivers are plugins"},
		{"folder", service + "configs: {cfg: {file: dir}}\n", "neither the repository nor the secret store has: cfg"},
		{"large", service + "configs: {cfg: {file: big.bin}}\n", "configs.cfg: big.bin has 900 KiB"},
		{"long text of secrets", service + "configs: {cfg: {content: '${STORED}" + strings.Repeat("a", 64<<10) + "'}}\n", "the text names secrets and has more than 64 KiB"},
		{"target", "services: {web: {image: a, configs: [{source: cfg, target: '/a:b'}]}}\nconfigs: {cfg: {content: a}}\n", "not a path that can be mounted"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := tryApp(t, map[string]string{"compose.yaml": tt.text, "a.txt": "a", "dir/a": "a", "big.bin": strings.Repeat("\xff", 900<<10)},
				func(in *compose.Input) { in.SecretNames = []string{"STORED"} })
			wantProblem(t, err, tt.want)
			if n := strings.Count(err.Error(), tt.want); n != 1 {
				t.Errorf("Render() says it %d times: %v", n, err)
			}
		})
	}
}

// A text that names secrets of the store is completed in the pod: nobody else knows them.
func TestConfigsThatNameSecrets(t *testing.T) {
	app := renderApp(t, map[string]string{"compose.yaml": `
services: {web: {image: example/web, configs: [{source: cfg, target: /etc/app.conf, mode: 0440}]}}
configs: {cfg: {content: "user=$$(id) %s\npassword=${DB_PASSWORD}$${X}\ntoken=${TOKEN}\n"}}
`}, func(in *compose.Input) { in.SecretNames = []string{"DB_PASSWORD", "TOKEN"} })
	pod := app.pod(t, "web")
	c := initContainer(pod, "complete-configs")
	if c == nil {
		t.Fatal("nothing completes the text")
	}
	for _, e := range c.Env[:2] {
		if e.ValueFrom == nil || e.ValueFrom.SecretKeyRef.Name != compose.SecretsName {
			t.Errorf("%s is %+v, want a value of the secret store", e.Name, e)
		}
	}
	if want := "user=$$(id) %s\npassword=$(DB_PASSWORD)${X}\ntoken=$(TOKEN)\n"; c.Env[2].Value != want {
		t.Errorf("the text is %q, want %q", c.Env[2].Value, want)
	}
	m, v := mounted(t, pod, "/etc/app.conf")
	if v.EmptyDir == nil || v.EmptyDir.Medium != corev1.StorageMediumMemory || m.SubPath != "content" {
		t.Errorf("the config is %+v of %+v, want memory", m, v)
	}
	dir := t.TempDir()
	cmd := exec.Command("sh", "-c", strings.ReplaceAll(c.Command[2], "/configs/0", dir))
	text := "a %s \\\\n $(id)\n"
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "TEXT_0=" + text}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	data, err := os.ReadFile(filepath.Join(dir, "content"))
	info, statErr := os.Stat(filepath.Join(dir, "content"))
	if err != nil || statErr != nil || string(data) != text || info.Mode().Perm() != 0o444 {
		t.Errorf("the file is %q, %v, %v, want the text as it stands", data, info, err)
	}
}

func TestTwoThingsOnOnePath(t *testing.T) {
	app := renderApp(t, map[string]string{"a.txt": "a", "compose.yaml": `
services: {web: {image: example/web, configs: [{source: cfg, target: /etc/a}], volumes: ["./a.txt:/etc/a"]}}
configs: {cfg: {content: config}}
`}, nil)
	if got := app.bytesAt(t, app.pod(t, "web"), "/etc/a"); got != "config" || !app.reported("web", "", "volumes[0]: a config or secret is mounted on /etc/a already") {
		t.Errorf("/etc/a is %q, and the report %v", got, app.report.Findings)
	}
	for _, f := range app.report.Findings {
		if f.Verdict != manifest.Ignored {
			t.Errorf("the report has %v", f)
		}
	}
}
