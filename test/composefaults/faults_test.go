package composefaults_test

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"catalyst.dev/catalyst/test/composefaults"
)

const compose = `services:
  web:
    image: nginx
    command: ["nginx", "-g", "daemon off;"]
    environment: {UPSTREAM: "http://api:9000", API_TOKEN: correct-horse}
    depends_on: [api]
    secrets: [key]
    volumes: ["./site.conf:/etc/nginx/conf.d/default.conf"]
  api:
    image: api
    expose: ["9000"]
    healthcheck: {test: "wget -q localhost:9000", interval: 5s, timeout: 2s, retries: 4}
    volumes: ["data:/data"]
secrets:
  key: {file: ./key.txt}
volumes:
  data: {}
`

// rendered is that application as it should be.
var rendered = map[string]string{
	"service-web.yaml": "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {clusterIP: None, selector: {app: web}}\n",
	"service-api.yaml": "apiVersion: v1\nkind: Service\nmetadata: {name: api}\nspec: {selector: {app: api}, ports: [{name: tcp, port: 9000}]}\n",
	"secret.yaml":      "apiVersion: bitnami.com/v1alpha1\nkind: SealedSecret\nmetadata: {name: web}\nspec: {encryptedData: {API_TOKEN: AgA, key: AgB}}\n",
	"claim.yaml":       "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: data}\n",
	"configmap.yaml":   "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: site}\ndata: {site: \"proxy_pass http://api:9000;\\n\"}\n",
	"web.yaml": `apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  template:
    metadata: {labels: {app: web}}
    spec:
      initContainers: [{name: wait-for-api, command: [sh, -c, until nslookup api]}]
      containers:
      - name: web
        args: [nginx, -g, daemon off;]
        env:
        - {name: UPSTREAM, value: "http://api:9000"}
        - {name: API_TOKEN, valueFrom: {secretKeyRef: {name: web, key: API_TOKEN}}}
        volumeMounts:
        - {name: key, mountPath: /run/secrets/key, subPath: key}
        - {name: site, mountPath: /etc/nginx/conf.d/default.conf, subPath: site}
      volumes:
      - {name: key, secret: {secretName: web}}
      - {name: site, configMap: {name: site}}
`,
	"api.yaml": `apiVersion: apps/v1
kind: Deployment
metadata: {name: api}
spec:
  template:
    metadata: {labels: {app: api}}
    spec:
      containers:
      - name: api
        readinessProbe: {exec: {command: [/bin/sh, -c, wget -q localhost:9000]}, periodSeconds: 5, timeoutSeconds: 2, failureThreshold: 4}
        volumeMounts: [{name: data, mountPath: /data, subPath: data}]
      volumes: [{name: data, persistentVolumeClaim: {claimName: data}}]
`,
}

// Each spoiled rendering has the fault that it was given, and the sound one has none.
func TestCheck(t *testing.T) {
	for name, tc := range map[string]struct {
		file, old, new string
		want           []string
	}{
		"sound":               {},
		"no DNS name":         {"service-api.yaml", "{name: api}", "{name: other}", []string{"unreachable"}},
		"no such port":        {"service-api.yaml", "9000", "80", []string{"unreachable"}},
		"no pods":             {"service-api.yaml", "{app: api}", "{app: gone}", []string{"broken reference", "unreachable"}},
		"other command":       {"web.yaml", "args: [nginx, -g, daemon off;]", "args: [nginx]", []string{"command"}},
		"other variable":      {"web.yaml", `value: "http://api:9000"`, `value: "http://api"`, []string{"environment"}},
		"expanded variable":   {"web.yaml", "daemon off;", "daemon $$off;", []string{"command"}},
		"lost variable":       {"web.yaml", "name: UPSTREAM,", "name: UP,", []string{"environment"}},
		"plain secret":        {"configmap.yaml", "data: {", "data: {x: correct-horse, ", []string{"plaintext"}},
		"no such key":         {"secret.yaml", "API_TOKEN: AgA, ", "", []string{"broken reference", "environment"}},
		"secret as folder":    {"web.yaml", "mountPath: /run/secrets/key, subPath: key", "mountPath: /run/secrets", []string{}},
		"secret elsewhere":    {"web.yaml", "/run/secrets/key", "/etc/key", []string{"secret"}},
		"other probe":         {"api.yaml", "[/bin/sh, -c, wget -q localhost:9000]", "[wget -q localhost:9000]", []string{"health check"}},
		"no probe":            {"api.yaml", "readinessProbe", "startupProbe", []string{"health check"}},
		"liveness":            {"api.yaml", "        readinessProbe:", "        livenessProbe: {tcpSocket: {port: 1}}\n        readinessProbe:", []string{"health check"}},
		"sealed in the probe": {"api.yaml", "wget -q localhost:9000]}", "'wget -q \"${ADDRESS}\"']}", []string{"health check"}},
		"other interval":      {"api.yaml", "periodSeconds: 5", "periodSeconds: 6", []string{"health check"}},
		"no wait":             {"web.yaml", "nslookup api", "nslookup db", []string{"order"}},
		"no volume":           {"api.yaml", "mountPath: /data", "mountPath: /else", []string{"mount"}},
		"no claim":            {"claim.yaml", "{name: data}", "{name: other}", []string{"broken reference"}},
		"other file":          {"configmap.yaml", "9000", "9001", []string{"mount"}},
		"duplicate mount":     {"api.yaml", "volumeMounts: [", "volumeMounts: [{name: data, mountPath: /data/}, ", []string{"duplicate"}},
		"duplicate variable":  {"web.yaml", "env:", "env:\n        - {name: UPSTREAM, value: x}", []string{"duplicate"}},
		"container not there": {"api.yaml", "- name: api", "- name: else", []string{"missing"}},
	} {
		t.Run(name, func(t *testing.T) {
			source, out := t.TempDir(), t.TempDir()
			write(t, source, map[string]string{"compose.yaml": compose, "key.txt": "k", "site.conf": "proxy_pass http://api:9000;\n"})
			files := maps.Clone(rendered)
			if tc.file != "" {
				files[tc.file] = strings.Replace(files[tc.file], tc.old, tc.new, 1)
				if files[tc.file] == rendered[tc.file] {
					t.Fatal("nothing was spoiled")
				}
			}
			write(t, filepath.Join(out, "manifests"), files)
			faults, err := composefaults.Check(t.Context(), composefaults.Application{Dir: source, File: "compose.yaml", Rendered: out})
			if err != nil {
				t.Fatal(err)
			}
			got := []string{}
			for _, fault := range faults {
				got = append(got, fault.Rule)
			}
			if diff := cmp.Diff(append([]string{}, tc.want...), slices.Compact(got)); diff != "" {
				t.Errorf("%v\n%s", faults, diff)
			}
		})
	}
}

func write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
