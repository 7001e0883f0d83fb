package compose_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"catalyst.dev/catalyst/render/compose"
)

// Each approximated or ignored key that somebody wrote is one line; what compose-go adds, what asks for nothing and what is
// translated is none.
func TestTheReportNamesWhatWasWritten(t *testing.T) {
	a := renderApp(t, map[string]string{"compose.yaml": `
version: "3"
services:
  web:
    image: nginx
    ports: ["80:80", {target: 81, published: "81", mode: host}, {target: 82, published: "82", mode: host}]
    logging: {driver: json-file, options: {max-size: 1m}}
    oom_kill_disable: false
    cpuset: ""
    ulimits: {nofile: {soft: 1, hard: 2}}
    stop_signal: SIGINT
    configs: [{source: c, uid: "5"}]
    security_opt: ["label:disable"]
    x-own: {logging: 1}
  off: {image: x, profiles: [p], logging: {driver: x}}
configs: {c: {content: x, name: other}}
jobs: {nightly: {image: x, triggers: {manual: true}}}
`}, func(in *compose.Input) { in.Host = "" })
	got := map[string]int{}
	for _, f := range a.report.Findings {
		got[f.Subject+" "+f.Key+" "+string(f.Verdict)]++
	}
	want := map[string]int{"web ports.mode ignored": 1, "web logging ignored": 1, "web ulimits approximated": 1, "web stop_signal approximated": 1,
		"web configs[0] approximated": 1, "web security_opt ignored": 1, "c name ignored": 1, "nightly  ignored": 1}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
