package compose_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A container without a health check of its own has the image's, which the Dockerfile says.
func TestHealthChecksOfDockerfiles(t *testing.T) {
	tests := []struct {
		name, dockerfile, service string
		want                      []string
		period, retries           int32
	}{
		{"text", "FROM node\nHEALTHCHECK --interval=5s --retries=7 CMD curl -f  'http://localhost:3000/'  || exit 1\n", "build: .",
			[]string{"/bin/sh", "-c", "curl -f  'http://localhost:3000/'  || exit 1"}, 5, 7},
		{"words", "FROM node\nHEALTHCHECK CMD [\"node\", \"health check.js\"]\n", "build: .", []string{"node", "health check.js"}, 30, 3},
		{"over lines", "FROM node\nhealthcheck --interval=1m \\\n  # often enough\n\n  CMD wget -q \\\n    localhost || exit 1\n", "build: .",
			[]string{"/bin/sh", "-c", "wget -q     localhost || exit 1"}, 60, 3},
		{"of the stage before", "FROM node AS base\nHEALTHCHECK CMD one\nFROM base\nEXPOSE 80\n", "build: .", []string{"/bin/sh", "-c", "one"}, 30, 3},
		{"of another stage", "FROM node AS base\nHEALTHCHECK CMD one\nFROM node\n", "build: .", nil, 0, 0},
		{"of the target", "FROM node AS base\nHEALTHCHECK CMD one\nFROM base\nHEALTHCHECK CMD two\n", "build: {context: ., target: base}", []string{"/bin/sh", "-c", "one"}, 30, 3},
		{"taken back", "FROM node AS base\nHEALTHCHECK CMD one\nFROM base\nHEALTHCHECK NONE\n", "build: .", nil, 0, 0},
		{"the file's own", "FROM node\nHEALTHCHECK --interval=5s CMD one\n", "build: ., healthcheck: {test: two, retries: 9}", []string{"/bin/sh", "-c", "two"}, 5, 9},
		{"timed by the file", "FROM node\nHEALTHCHECK --interval=5s CMD one\n", "build: ., healthcheck: {interval: 7s}", []string{"/bin/sh", "-c", "one"}, 7, 3},
		{"switched off", "FROM node\nHEALTHCHECK CMD one\n", "build: ., healthcheck: {disable: true}", nil, 0, 0},
		{"a worker of the image", "FROM node\nHEALTHCHECK CMD one\n", "build: ., command: [worker]", nil, 0, 0},
		{"another command that serves", "FROM node\nHEALTHCHECK CMD one\n", "build: ., command: [serve], ports: [80]", []string{"/bin/sh", "-c", "one"}, 30, 3},
		{"wrong", "FROM node\nHEALTHCHECK --interval=soon CMD one\n", "build: .", nil, 0, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := translate(t, "services: {web: {"+tt.service+"}}\n", map[string]string{"Dockerfile": tt.dockerfile}, nil)
			probe := a.container(t, "web").ReadinessProbe
			if (probe != nil) != (tt.want != nil) {
				t.Fatalf("the probe is %v", probe)
			}
			if probe == nil {
				return
			}
			if diff := cmp.Diff(tt.want, probe.Exec.Command); diff != "" {
				t.Error(diff)
			}
			if probe.PeriodSeconds != tt.period || probe.FailureThreshold != tt.retries {
				t.Errorf("every %d s, %d times; want %d, %d", probe.PeriodSeconds, probe.FailureThreshold, tt.period, tt.retries)
			}
		})
	}
}

func TestDependentsWaitForTheImagesHealth(t *testing.T) {
	a := translate(t, "services:\n  api: {build: ., expose: [3000]}\n  web: {image: x, depends_on: {api: {condition: service_healthy}}}\n",
		map[string]string{"Dockerfile": "FROM node\nHEALTHCHECK CMD curl -f http://localhost:3000/\n"}, nil)
	want := map[string]string{"wait-for-api": "until nc -z -w 2 api 3000; do echo waiting for api; sleep 1; done"}
	if diff := cmp.Diff(want, waits(a.deployment(t, "web").Spec.Template)); diff != "" {
		t.Error(diff)
	}
}
