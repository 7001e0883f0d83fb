package compose_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"catalyst.dev/catalyst/render/compose"
)

// seeded are the paths that an init container fills from the service's own image.
func seeded(pod corev1.PodSpec) []string {
	c := initContainer(pod, "seed-volumes")
	if c == nil {
		return nil
	}
	var paths []string
	for i := 4; i < len(c.Command); i += 3 {
		paths = append(paths, c.Command[i])
	}
	return paths
}

func TestVolumesStartWithTheImagesFiles(t *testing.T) {
	const volumes = "volumes: {static: {}, kept: {x-catalyst: {seed: false}}, outside: {external: true, x-catalyst: {existing: true}}}\n"
	tests := []struct {
		name, service string
		want          []string
	}{
		{"named", "image: example/web, volumes: ['static:/app/static']", []string{"/app/static"}},
		{"built", "build: ., volumes: ['static:/app/static']", []string{"/app/static"}},
		{"anonymous", "image: example/web, volumes: [/app/cache]", []string{"/app/cache"}},
		{"several", "image: example/web, volumes: ['static:/b', /a]", []string{"/a", "/b"}},
		{"nocopy", "image: example/web, volumes: ['static:/app/static:nocopy']", nil},
		{"subpath", "image: example/web, volumes: [{type: volume, source: static, target: /s, volume: {subpath: a/b}}]", nil},
		{"opted out by the volume", "image: example/web, volumes: ['kept:/app/static']", nil},
		{"opted out by the service", "image: example/web, x-catalyst: {seed: false}, volumes: ['static:/app/static']", nil},
		{"external", "image: example/web, volumes: ['outside:/app/static']", nil},
		{"database", "image: 'docker.io/library/postgres:17@sha256:" + strings.Repeat("0", 64) + "', volumes: ['static:/var/lib/postgresql/data']", nil},
		{"settings of a database", "image: cassandra, volumes: ['static:/etc/cassandra', '/var/lib/cassandra']", []string{"/etc/cassandra"}},
		{"drupal", "image: 'drupal:10-apache', volumes: [/var/www/html/sites]", []string{"/var/www/html/sites"}},
		{"absent folder", "image: example/web, volumes: ['./data:/data']", nil},
		{"memory", "image: example/web, tmpfs: [/tmp]", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			app := renderApp(t, map[string]string{"Dockerfile": "FROM nginx\n", "compose.yaml": volumes + "services: {web: {" + tt.service + "}}\n"}, nil)
			pod := app.pod(t, "web")
			if diff := cmp.Diff(tt.want, seeded(pod)); diff != "" {
				t.Errorf("seeded:\n%s", diff)
			}
			if c := initContainer(pod, "seed-volumes"); c != nil && (c.Image != pod.Containers[0].Image || initContainer(pod, "seed-tools").Image != compose.DefaultSeedImage) {
				t.Errorf("the volumes are filled from %s, want the service's image and the shell of %s", c.Image, compose.DefaultSeedImage)
			}
		})
	}
}

// Of the services that share a volume, those that write fill it.
func TestReadersDoNotFillVolumes(t *testing.T) {
	app := renderApp(t, map[string]string{"compose.yaml": `
services:
  app: {image: example/app, volumes: ["static:/app/static"]}
  web: {image: nginx, volumes: ["static:/usr/share/nginx/html:ro"]}
  docs: {image: example/docs, volumes: ["docs:/docs:ro"]}
volumes: {static: {}, docs: {}}
`}, nil)
	for service, want := range map[string][]string{"app": {"/app/static"}, "web": nil, "docs": {"/docs"}} {
		if diff := cmp.Diff(want, seeded(app.pod(t, service))); diff != "" {
			t.Errorf("%s:\n%s", service, diff)
		}
	}
}

// runSeed runs the init container's script over folders of this machine.
func runSeed(t *testing.T, c *corev1.Container, image, volume string) {
	t.Helper()
	script := slices.Index(c.Command, "-c") + 1
	state := filepath.Join(filepath.Dir(volume), "state")
	for _, dir := range []string{volume, state} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("sh", "-c", c.Command[script], "seed", image, volume, state)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "OWN="}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("seeding: %v\n%s", err, out)
	}
}

func TestSeedScript(t *testing.T) {
	app := renderApp(t, map[string]string{"compose.yaml": "services: {web: {image: example/web, volumes: ['static:/static']}}\nvolumes: {static: {}}\n"}, nil)
	c := initContainer(app.pod(t, "web"), "seed-volumes")
	write := func(t *testing.T, name, text string, mode os.FileMode) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
	read := func(t *testing.T, name string) string {
		t.Helper()
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	t.Run("empty", func(t *testing.T) {
		dir := t.TempDir()
		image, volume := filepath.Join(dir, "image"), filepath.Join(dir, "volume")
		write(t, filepath.Join(image, "sub/run.sh"), "run", 0o750)
		write(t, filepath.Join(image, ".hidden"), "a", 0o644)
		if err := os.Chmod(image, 0o711); err != nil {
			t.Fatal(err)
		}
		runSeed(t, c, image, volume)
		info, err := os.Stat(filepath.Join(volume, "sub/run.sh"))
		if err != nil || info.Mode() != 0o750 || read(t, filepath.Join(volume, ".hidden")) != "a" {
			t.Errorf("the volume has %v, %v", info, err)
		}
		if info, err := os.Stat(volume); err != nil || info.Mode().Perm() != 0o711 {
			t.Errorf("the volume is %v, %v, want the mode of the image's folder", info, err)
		}
		write(t, filepath.Join(volume, ".hidden"), "changed", 0o644)
		runSeed(t, c, image, volume)
		if got := read(t, filepath.Join(volume, ".hidden")); got != "changed" {
			t.Errorf("a second run made %q of the file", got)
		}
	})
	t.Run("cut short", func(t *testing.T) {
		dir := t.TempDir()
		image, volume := filepath.Join(dir, "image"), filepath.Join(dir, "volume")
		write(t, filepath.Join(image, "a"), "whole", 0o644)
		write(t, filepath.Join(volume, "a"), "wh", 0o644)
		write(t, filepath.Join(dir, "state/copying"), "", 0o644)
		runSeed(t, c, image, volume)
		if got := read(t, filepath.Join(volume, "a")); got != "whole" {
			t.Errorf("the file is %q", got)
		}
	})
	t.Run("nothing in the image", func(t *testing.T) {
		volume := filepath.Join(t.TempDir(), "volume")
		runSeed(t, c, filepath.Join(t.TempDir(), "none"), volume)
		if info, err := os.Stat(volume); err != nil || info.Mode().Perm() != 0o777 {
			t.Errorf("the volume is %v, %v, want one that everybody may write", info, err)
		}
	})
}

func TestVolumesOfUsers(t *testing.T) {
	app := renderApp(t, map[string]string{"compose.yaml": `
services:
  db: {image: postgres, volumes: ["data:/data"]}
  numbered: {image: redis, user: "1000:1001", volumes: ["cache:/data"]}
  named: {image: redis, user: redis, volumes: ["named:/data"]}
  grouped: {image: redis, user: "1000:0", volumes: ["grouped:/data"]}
volumes: {data: {}, cache: {}, named: {}, grouped: {}}
`}, nil)
	for _, service := range []string{"db", "named", "grouped"} {
		if initContainer(app.pod(t, service), "prepare-volumes") == nil {
			t.Errorf("the volume of %s belongs to root alone", service)
		}
	}
	pod := app.pod(t, "numbered")
	if len(pod.InitContainers) != 0 || pod.SecurityContext.FSGroup == nil || *pod.SecurityContext.FSGroup != 1001 {
		t.Errorf("numbered has %d init containers and %+v, want the group to own the volume", len(pod.InitContainers), pod.SecurityContext)
	}
}
