package compose_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"catalyst.dev/catalyst/render/compose"
	"catalyst.dev/catalyst/render/manifest"
	"catalyst.dev/catalyst/test/corpus"
)

// fuzzSeeds are small files that between them hold most keys.
var fuzzSeeds = []string{
	"services:\n  web:\n    image: nginx\n    ports: ['8080:80', '127.0.0.1:9000-9002:9000-9002/udp', {target: 1, published: '2', app_protocol: http}]\n    expose: ['70']\n",
	"services:\n  db:\n    image: postgres\n    environment: {POSTGRES_PASSWORD: s3cret-pw, URL: 'postgres://u:${P:-pw}@db/x', N: null}\n    healthcheck: {test: ['CMD', psql, '-U', x, --password=s3cret-pw], interval: 0s, start_period: 1m}\n    command: redis-server --requirepass s3cret-pw $$(HOME) $$$$\n",
	"include: [other.yaml]\nx-a: &a {restart: always}\nservices:\n  web: {<<: *a, build: {context: ., args: {A: b}}, extends: {file: other.yaml, service: db}, depends_on: {db: {condition: service_healthy, required: false}}}\n",
	"services:\n  a:\n    image: x\n    deploy: {mode: global, replicas: 3, resources: {limits: {cpus: '.5', memory: 1g}, reservations: {devices: [{capabilities: [gpu], count: all}]}}, placement: {constraints: [node.labels.x == y]}, update_config: {order: start-first}}\n    cpu_quota: 5\n    cpu_shares: 2\n    gpus: all\n",
	"services:\n  a:\n    image: x\n    privileged: true\n    pid: host\n    ipc: host\n    network_mode: host\n    devices: ['/dev/a:/dev/b:rw']\n    cap_add: [ALL]\n    security_opt: ['seccomp:unconfined', no-new-privileges, 'apparmor=x']\n    sysctls: {net.core.somaxconn: 1}\n    user: '1:2'\n    group_add: [a, '1']\n    ulimits: {nofile: 5}\n",
	"services:\n  a:\n    image: x\n    volumes: ['data:/a', './b:/b', '/c', {type: tmpfs, target: /t, tmpfs: {size: 1m}}, {type: volume, source: data, target: /d, volume: {subpath: e, nocopy: true}}]\n    tmpfs: ['/x:size=1m']\n    configs: [{source: c, target: /c, mode: 0400}]\n    secrets: [s]\n    volumes_from: [b]\n  b: {image: y, network_mode: 'service:a', volumes: ['data:/a']}\nvolumes: {data: {labels: {size: 2Gi}}}\nconfigs: {c: {content: 'password: hunter22'}}\nsecrets: {s: {environment: X}, t: {external: true}}\n",
	"services:\n  a_b:\n    image: x\n    pre_start: [{command: [a], image: y}]\n    post_start: [{command: echo a b, user: root}]\n    pre_stop: [{command: [sh, -c, 'curl -u a:bcdefgh x']}]\n    profiles: [p]\n    labels: {a.b: 'c'}\n    env_file: [{path: .env, format: raw}]\n    x-catalyst: {ingress: {port: 80}}\n  c: {image: z, links: ['a_b:d'], networks: {n: {aliases: [e]}}, models: [m], provider: {type: x}}\nnetworks: {n: {internal: true}}\nmodels: {m: {model: ai/x}}\njobs: {j: {image: x, triggers: {manual: {}}}}\n",
	"services: !override {a: {image: !reset null}}\n",
	"version: '2'\nweb: {image: x}\n",
}

// fuzzInputs are the ways in which a fuzzed file is rendered.
func fuzzInputs(data []byte) []compose.Input {
	tree := fstest.MapFS{
		"compose.yaml": {Data: data}, ".env": {Data: []byte("P=x\nPASSWORD=env-s3cret\n")},
		"other.yaml": {Data: []byte("services:\n  db: {image: postgres}\n")}, "b": {Data: []byte("password = hunter22\n")},
		"Dockerfile": {Data: []byte("FROM x\nEXPOSE 80\n")},
	}
	plain := compose.Input{Source: tree, Path: ".", ProjectName: "acme-shop-pr-1"}
	full := plain
	full.Host, full.TLS, full.Privileged, full.Development = "h.example.com", true, true, true
	full.BuildImage = func(service string) string { return "registry.localhost/" + service + ":1" }
	full.SecretNames = []string{"P", "X", "s"}
	full.Quota = corev1.ResourceList{"requests.memory": resource.MustParse("1Gi"), "limits.cpu": resource.MustParse("2")}
	full.ContainerDefaults = corev1.ResourceRequirements{
		Requests: corev1.ResourceList{"memory": resource.MustParse("64Mi")}, Limits: corev1.ResourceList{"cpu": resource.MustParse("1")}}
	return []compose.Input{plain, full}
}

// FuzzRender holds rendering to its promises over any bytes: no panic, no hang, a Problem for what is wrong, the same bytes
// twice, no mark of the secret store in the output.
func FuzzRender(f *testing.F) {
	for _, seed := range fuzzSeeds {
		f.Add([]byte(seed))
	}
	folder, err := corpus.Find("corpus/compose")
	files, globErr := filepath.Glob(filepath.Join(folder, "*", "compose.y*ml"))
	if err != nil || globErr != nil {
		f.Logf("without the corpus: %v", errors.Join(err, globErr))
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 16<<10 {
			t.Skip("the limits on size have tests of their own")
		}
		for _, in := range fuzzInputs(data) {
			begin := time.Now()
			first, err := renderFuzzed(t, in)
			if took := time.Since(begin); took > 20*time.Second {
				t.Errorf("took %s", took)
			}
			second, err2 := renderFuzzed(t, in)
			if (err == nil) != (err2 == nil) || err != nil && err.Error() != err2.Error() {
				t.Errorf("two renders: %v, and %v", err, err2)
			}
			if diff := cmp.Diff(first, second); diff != "" {
				t.Errorf("two renders differ:\n%s", diff)
			}
			if strings.ContainsAny(first, "\uE0C5\uE0C6") {
				t.Error("a mark of the secret store is in the output")
			}
		}
	})
}

func renderFuzzed(t *testing.T, in compose.Input) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	in.Report = &manifest.Report{}
	out, err := compose.Render(ctx, in)
	if err != nil {
		var p *manifest.Problem
		if !errors.As(err, &p) {
			t.Errorf("not a Problem: %v", err)
		}
		return "", err
	}
	var b strings.Builder
	for _, o := range out.Objects {
		b.WriteString(encode(t, o))
	}
	in.Report.Sort()
	return b.String() + in.Report.Markdown(), nil
}

func encode(t *testing.T, o *unstructured.Unstructured) string {
	t.Helper()
	data, err := o.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
