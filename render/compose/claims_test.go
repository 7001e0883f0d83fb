package compose_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"catalyst.dev/catalyst/render/compose"
)

const wordpress = `
services:
  db:
    image: mysql:8
    volumes: [db_data:/var/lib/mysql]
  wordpress:
    image: wordpress:6
    ports: ["80:80"]
    volumes: [wp_data:/var/www/html]
  backup:
    image: alpine:3
    command: crond -f
    volumes: ["wp_data:/backup/html:ro", "db_data:/backup/db:ro", scratch:/scratch]
volumes:
  db_data: {x-catalyst: {size: 20Gi, class: fast}}
  wp_data: {labels: {size: 10g, team: web, "pv.kubernetes.io/bind-completed": "yes"}}
  scratch:
`

func TestNamedVolumesBecomeClaims(t *testing.T) {
	app := renderApp(t, map[string]string{"compose.yaml": wordpress}, func(in *compose.Input) {
		in.StorageClass, in.StorageSize = "standard", resource.MustParse("2Gi")
	})
	if diff := cmp.Diff([]string{"db-data", "scratch", "wp-data"}, app.names("PersistentVolumeClaim")); diff != "" {
		t.Errorf("claims:\n%s", diff)
	}
	for name, want := range map[string][2]string{"db-data": {"20Gi", "fast"}, "wp-data": {"10Gi", "standard"}, "scratch": {"2Gi", "standard"}} {
		pvc := object[corev1.PersistentVolumeClaim](t, app, "PersistentVolumeClaim", name)
		got := [2]string{pvc.Spec.Resources.Requests.Storage().String(), *pvc.Spec.StorageClassName}
		if got != want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
		if pvc.Spec.AccessModes[0] != corev1.ReadWriteOnce {
			t.Errorf("%s has modes %v", name, pvc.Spec.AccessModes)
		}
	}
	labels := object[corev1.PersistentVolumeClaim](t, app, "PersistentVolumeClaim", "wp-data").Annotations
	if labels["team"] != "web" || labels["pv.kubernetes.io/bind-completed"] != "" {
		t.Errorf("wp-data has annotations %v, want the harmless label only", labels)
	}
	m, v := mounted(t, app.pod(t, "db"), "/var/lib/mysql")
	if m.SubPath != "data" || v.PersistentVolumeClaim.ClaimName != "db-data" {
		t.Errorf("the database has %+v of %+v, want a folder of the claim", m, v)
	}
	if m, _ := mounted(t, app.pod(t, "backup"), "/backup/db"); !m.ReadOnly {
		t.Error("the backup may write to the database")
	}
}

// The scheduler counts only pods that match all the terms of an affinity, so a group of services has one term.
func TestServicesThatShareVolumesRunOnOneNode(t *testing.T) {
	app := renderApp(t, map[string]string{"compose.yaml": wordpress + "  lone:\n"}, nil)
	for _, service := range []string{"db", "wordpress", "backup"} {
		d := app.pod(t, service)
		terms := d.Affinity.PodAffinity.RequiredDuringSchedulingIgnoredDuringExecution
		if len(terms) != 1 || terms[0].TopologyKey != corev1.LabelHostname {
			t.Fatalf("%s has terms %v, want one of the node", service, terms)
		}
		if diff := cmp.Diff(map[string]string{"catalyst.dev/volumes": "backup"}, terms[0].LabelSelector.MatchLabels); diff != "" {
			t.Errorf("%s:\n%s", service, diff)
		}
	}
	for _, o := range app.objects {
		if o.GetKind() != "Deployment" {
			continue
		}
		spec := o.Object["spec"].(map[string]any)
		labels := spec["template"].(map[string]any)["metadata"].(map[string]any)["labels"].(map[string]any)
		if labels["catalyst.dev/volumes"] != "backup" {
			t.Errorf("%s has labels %v: its first pod cannot be scheduled", o.GetName(), labels)
		}
		if strategy := spec["strategy"].(map[string]any)["type"]; strategy != "Recreate" {
			t.Errorf("%s has strategy %v", o.GetName(), strategy)
		}
	}
}

func TestVolumesOfManyNodes(t *testing.T) {
	app := renderApp(t, map[string]string{"compose.yaml": `
services:
  web: {image: "example/web", deploy: {replicas: 3}, volumes: [media:/media]}
  worker: {image: "example/worker", volumes: [media:/media]}
  db: {image: postgres, deploy: {replicas: 2}, volumes: [data:/data]}
volumes:
  media: {x-catalyst: {accessMode: ReadWriteMany}}
  data:
`}, nil)
	if app.pod(t, "web").Affinity != nil {
		t.Error("a volume of many nodes keeps its pods on one")
	}
	if modes := object[corev1.PersistentVolumeClaim](t, app, "PersistentVolumeClaim", "media").Spec.AccessModes; modes[0] != corev1.ReadWriteMany {
		t.Errorf("media has modes %v", modes)
	}
	for service, want := range map[string]int64{"web": 3, "db": 1} {
		for _, o := range app.objects {
			if o.GetKind() == "Deployment" && o.GetName() == service {
				if got := o.Object["spec"].(map[string]any)["replicas"]; got != want {
					t.Errorf("%s has %v replicas, want %d", service, got, want)
				}
			}
		}
	}
	if !app.reported("db", "", "1 replica") {
		t.Error("the report does not say that db has one replica")
	}
}

func TestClaimNames(t *testing.T) {
	tests := []struct {
		name          string
		volumes, want []string
	}{
		{"rewritten", []string{"Db_Data: null"}, []string{"db-data"}},
		{"two meet", []string{"db_data: null", "db-data: null"}, []string{"db-data", "db-data-a7946"}},
		{"named", []string{"one: {name: my_data}"}, []string{"my-data"}},
		{"one volume by two keys", []string{"one: {name: shared}", "two: {name: shared}"}, []string{"shared"}},
		{"a name like another's key", []string{"one: {name: two}", "two: null"}, []string{"two", "two-72b59"}},
		{"like the code's", []string{"source-code: null"}, []string{"source-code-b7da5"}},
		{"external", []string{"one: {external: true, name: fs.media}"}, []string{"fs-media"}},
		{"existing", []string{"one: {external: true, name: fs.media, x-catalyst: {existing: true}}"}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			text := "volumes: {" + strings.Join(tt.volumes, ", ") + "}\nservices:\n  web:\n    image: example/web\n    volumes:\n"
			for _, v := range tt.volumes {
				key, _, _ := strings.Cut(v, ":")
				text += "      - " + key + ":/" + key + "\n"
			}
			app := renderApp(t, map[string]string{"compose.yaml": text}, nil)
			if diff := cmp.Diff(tt.want, app.names("PersistentVolumeClaim")); diff != "" {
				t.Errorf("claims:\n%s", diff)
			}
		})
	}
}

func TestExternalVolume(t *testing.T) {
	app := renderApp(t, map[string]string{"compose.yaml": `
services: {web: {image: "example/web", volumes: ["media:/media"]}}
volumes: {media: {external: true, name: fs.media, x-catalyst: {existing: true}}}
`}, nil)
	m, v := mounted(t, app.pod(t, "web"), "/media")
	if v.PersistentVolumeClaim.ClaimName != "fs.media" || m.SubPath != "" || len(app.pod(t, "web").InitContainers) != 0 {
		t.Errorf("web has %+v of %+v, want the claim as it is", m, v)
	}
	if !app.reported("", "", "volumes.media.external") {
		t.Error("the report does not say that the claim must exist")
	}
}

func TestVolumeDrivers(t *testing.T) {
	const service = "services: {web: {image: 'example/web', volumes: ['vol:/v']}}\n"
	files := map[string]string{"conf/a.conf": "a"}
	tests := []struct {
		name, options string
		check         func(corev1.Volume) bool
		report        string
	}{
		{"tmpfs", "{driver: local, driver_opts: {type: tmpfs, device: tmpfs, o: 'size=64m,uid=1000'}}",
			func(v corev1.Volume) bool { return v.EmptyDir != nil && v.EmptyDir.SizeLimit.Value() == 64<<20 }, ""},
		{"nfs", "{driver_opts: {type: nfs, o: 'addr=10.0.0.1', device: ':/export'}}",
			func(v corev1.Volume) bool { return v.PersistentVolumeClaim != nil }, "driver_opts: an ordinary, empty claim"},
		{"plugin", "{driver: rclone}", func(v corev1.Volume) bool { return v.PersistentVolumeClaim != nil }, "driver: rclone"},
		{"bind of a folder", "{driver_opts: {type: none, o: bind, device: ./conf}}",
			func(v corev1.Volume) bool { return v.ConfigMap != nil }, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			files["compose.yaml"] = service + "volumes: {vol: " + tt.options + "}\n"
			app := renderApp(t, files, nil)
			if _, v := mounted(t, app.pod(t, "web"), "/v"); !tt.check(v) {
				t.Errorf("the volume is %+v", v)
			}
			if tt.report != "" && !app.reported("", "", tt.report) {
				t.Errorf("the report %v lacks %q", app.report.Findings, tt.report)
			}
		})
	}
	for options, want := range map[string]string{
		"{driver_opts: {type: none, o: bind, device: /srv/data}}":   "/srv/data is a path of the host",
		"{driver_opts: {type: none, o: bind, device: ../../data}}":  "leaves the repository",
		"{x-catalyst: {size: much}}":                                `volumes.vol.x-catalyst.size: "much" is not a size`,
		"{labels: {size: 0Gi}}":                                     "is not a size",
		"{x-catalyst: {size: 5}}":                                   "is not a size",
		"{x-catalyst: {size: 1e99999}}":                             "is not a size",
		"{x-catalyst: {class: A b}}":                                "not the name of a storage class",
		"{external: true, name: A_b, x-catalyst: {existing: true}}": "not the name of a claim",
	} {
		t.Run(options, func(t *testing.T) {
			files["compose.yaml"] = service + "volumes: {vol: " + options + "}\n"
			_, err := tryApp(t, files, nil)
			wantProblem(t, err, want)
		})
	}
}
