package compose_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"catalyst.dev/catalyst/render/compose"
	"catalyst.dev/catalyst/render/manifest"
)

// Whatever is mounted wherever, the API server takes the pod, or the error says what to change.
func TestEveryMountIsValidOrRefused(t *testing.T) {
	sources := []string{"", ".", "./", "./conf", "./conf/a", "conf", "data_1", "DATA", "./none", "./none.conf", "~", "~/x", "/", "/etc/localtime", "/var/run/docker.sock",
		"/dev/null", "./link", "./away", "./a b", "./.git", "..", "./conf/../..", "$PWD", "${PWD}/conf", "${HOME}", "${NONE}/x", "${NONE:-./conf}", "$$x", `C:\x`, "x:y"}
	targets := []string{"/app", "/app/conf/a", "/", "app", "/a:b", "/app/../x", "/a//b/", "/ä", "/..", "/run/secrets/s_1", "/$(PATH)"}
	options := []string{"", ":ro", ":z", ":nocopy", ":ro,Z,cached,rshared"}
	files := map[string]string{"conf/a": "a", "conf/sub/b": "b", "a b": "c", "link": "-> conf", "away": "-> ../../etc", "s.txt": "secret", "Dockerfile": "FROM a\nCOPY . /app\n"}
	for _, in := range []struct {
		name   string
		change func(*compose.Input)
	}{
		{"deployment", nil}, {"development", development},
		{"privileged", func(in *compose.Input) { in.Privileged = true }},
	} {
		for i, source := range sources {
			for j, target := range targets {
				option := options[(i+j)%len(options)]
				mount := source + ":" + target + option
				if source == "" {
					mount = target
				}
				for _, build := range []string{"image: example/web", "build: ."} {
					if build == "build: ." && (in.name == "privileged" || j > 2) {
						continue // the same as with an image
					}
					files["compose.yaml"] = fmt.Sprintf("services: {web: {%s, secrets: [s_1], tmpfs: [/app/tmp], volumes: [%q, './conf:/app/conf', /app/node_modules]}}\n"+
						"secrets: {s_1: {file: s.txt}}\nvolumes: {conf: {}, data_1: {}, DATA: {}}\n", build, mount)
					app, err := tryApp(t, files, in.change)
					var p *manifest.Problem
					if err != nil && !errors.As(err, &p) {
						t.Errorf("%s, %s of %s: %v is no Problem", mount, build, in.name, err)
					}
					app.check(t)
				}
			}
		}
	}
}

// A file of a hundred kilobytes asks for gigabytes of ConfigMaps.
func TestHostileMounts(t *testing.T) {
	files := map[string]string{}
	for i := range 60 {
		files[fmt.Sprintf("conf/f%d", i)] = strings.Repeat("x", 60000)
	}
	var text strings.Builder
	text.WriteString("volumes: {data: {}}\nservices:\n")
	for i := range 40 {
		fmt.Fprintf(&text, "  s%d: {image: a, volumes: [", i)
		for j := range 95 {
			fmt.Fprintf(&text, "./conf:/c%d, data:/c%d/d%d, ", j, j, j+100*i)
		}
		text.WriteString("]}\n")
	}
	files["compose.yaml"] = text.String()
	_, err := tryApp(t, files, nil)
	wantProblem(t, err, "mounts more of its repository than a render may")
	if n := strings.Count(err.Error(), "\n"); n > 0 {
		t.Errorf("Render() says so in %d lines", n+1)
	}
}
