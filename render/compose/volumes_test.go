package compose_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
)

func TestMemory(t *testing.T) {
	app := renderApp(t, map[string]string{"compose.yaml": `
services:
  web:
    image: example/web
    shm_size: 128m
    tmpfs: ["/run:size=64m,mode=1777", "/tmp:size=1G,noexec", "/raw:size=65536", /free, "/share:size=50%"]
    volumes: [{type: tmpfs, target: /cache, tmpfs: {size: 10mb, mode: 0755}}]
`}, nil)
	pod := app.pod(t, "web")
	for target, want := range map[string]int64{"/run": 64 << 20, "/tmp": 1 << 30, "/raw": 65536, "/free": 0, "/share": 0, "/cache": 10 << 20, "/dev/shm": 128 << 20} {
		_, v := mounted(t, pod, target)
		if v.EmptyDir == nil || v.EmptyDir.Medium != corev1.StorageMediumMemory {
			t.Errorf("%s is %+v, want memory", target, v)
			continue
		}
		var got int64
		if v.EmptyDir.SizeLimit != nil {
			got = v.EmptyDir.SizeLimit.Value()
		}
		if got != want {
			t.Errorf("%s has %d bytes, want %d", target, got, want)
		}
	}
	_, err := tryApp(t, map[string]string{"compose.yaml": "services: {web: {image: a, tmpfs: [tmp]}}\n"}, nil)
	wantProblem(t, err, "services.web.tmpfs[0]")
}

func TestVolumesFrom(t *testing.T) {
	app := renderApp(t, map[string]string{"app.conf": "a", "compose.yaml": `
services:
  data:
    image: example/data
    volumes: ["named:/named", /anonymous, "./app.conf:/etc/app.conf", {type: tmpfs, target: /tmp}]
  web: {image: example/web, volumes_from: ["data:ro"], volumes: ["other:/named"]}
  worker: {image: example/worker, volumes_from: [web]}
volumes: {named: {}, other: {}}
`}, nil)
	for _, tt := range []struct {
		service, target, like string
		readOnly              bool
	}{{"web", "/anonymous", "data", true}, {"web", "/etc/app.conf", "data", true}, {"worker", "/anonymous", "data", true}, {"worker", "/named", "web", false}} {
		m, got := mounted(t, app.pod(t, tt.service), tt.target)
		_, want := mounted(t, app.pod(t, tt.like), tt.target)
		if diff := cmp.Diff(want, got); diff != "" || m.ReadOnly != tt.readOnly {
			t.Errorf("%s has %+v on %s:\n%s", tt.service, m, tt.target, diff)
		}
	}
	if _, v := mounted(t, app.pod(t, "web"), "/named"); v.PersistentVolumeClaim.ClaimName != "other" {
		t.Errorf("web has %+v on /named, want its own", v)
	}
	if isMounted(app.pod(t, "web"), "/tmp") {
		t.Error("web has the memory of data")
	}
	if app.pod(t, "worker").Affinity == nil {
		t.Error("worker may run on another node than its volumes")
	}
	_, err := tryApp(t, map[string]string{"compose.yaml": "services: {web: {image: a, volumes_from: ['container:x']}}\n"}, nil)
	wantProblem(t, err, "services.web.volumes_from[0]")
}

func TestOtherTypesOfVolumes(t *testing.T) {
	app := renderApp(t, map[string]string{"compose.yaml": `
services:
  web:
    image: example/web
    volumes:
      - {type: image, source: "example/models:1", target: /models, image: {subpath: small}}
      - {type: cluster, source: shared, target: /shared}
      - {type: volume, source: shared, target: /part, volume: {subpath: a/b}}
volumes: {shared: {}}
`}, nil)
	pod := app.pod(t, "web")
	if m, v := mounted(t, pod, "/models"); v.Image == nil || v.Image.Reference != "example/models:1" || m.SubPath != "small" || !app.reported("web", "", "image volume") {
		t.Errorf("/models is %+v of %+v", m, v)
	}
	if _, v := mounted(t, pod, "/shared"); v.PersistentVolumeClaim == nil {
		t.Errorf("/shared is %+v, want a claim", v)
	}
	if m, _ := mounted(t, pod, "/part"); m.SubPath != "data/a/b" {
		t.Errorf("/part is %+v", m)
	}
	_, err := tryApp(t, map[string]string{"compose.yaml": `
services: {web: {image: a, volumes: [{type: volume, source: shared, target: /part, volume: {subpath: ../b}}]}}
volumes: {shared: {}}
`}, nil)
	wantProblem(t, err, "leaves the repository")
}

// A job that prepares a volume, and the service that uses it, run on one node one after the other.
func TestAJobSharesItsVolume(t *testing.T) {
	app := renderApp(t, map[string]string{"compose.yaml": `
services:
  web: {image: example/web, volumes: ["data:/data"], depends_on: {init: {condition: service_completed_successfully}}}
  init: {image: example/init, volumes: ["data:/data"]}
volumes: {data: {}}
`}, nil)
	if len(app.names("Job")) != 1 {
		t.Fatalf("jobs are %v", app.names("Job"))
	}
	pvc := object[corev1.PersistentVolumeClaim](t, app, "PersistentVolumeClaim", "data")
	if wave := pvc.Annotations["argocd.argoproj.io/sync-wave"]; wave != "0" {
		t.Errorf("the claim is in wave %s, want the job's", wave)
	}
	if app.pod(t, "web").Affinity == nil {
		t.Error("web may run on another node than the job's volume")
	}
}
