package compose_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestHealthChecks(t *testing.T) {
	tests := []struct {
		name, check string
		command     []string
		timing      string // period, timeout, failures; then those of the startup probe
	}{
		{"cmd", "{test: [CMD, curl, -f, 'http://x']}", []string{"curl", "-f", "http://x"}, "30 30 3"},
		{"shell", "{test: [CMD-SHELL, 'a || exit 1']}", []string{"/bin/sh", "-c", "a || exit 1"}, "30 30 3"},
		{"text", "{test: 'a $$HOME $$(b) $$$$'}", []string{"/bin/sh", "-c", "a $HOME $(b) $$"}, "30 30 3"},
		{"none", "{test: [NONE]}", nil, ""},
		{"none as text", "{test: NONE}", []string{"/bin/sh", "-c", "NONE"}, "30 30 3"},
		{"disabled", "{test: a, disable: true}", nil, ""},
		{"empty command", "{test: [CMD]}", nil, ""},
		{"zeros are defaults", "{test: a, interval: 0s, timeout: 0s, retries: 0, start_period: 0s}", []string{"/bin/sh", "-c", "a"}, "30 30 3"},
		{"rounded up", "{test: a, interval: 1500ms, timeout: 10ms, retries: 5}", []string{"/bin/sh", "-c", "a"}, "2 1 5"},
		{"start period", "{test: a, interval: 10s, retries: 2, start_period: 31s}", []string{"/bin/sh", "-c", "a"}, "10 30 2 / 5 30 11"},
		{"start interval", "{test: a, interval: 10s, start_period: 1m, start_interval: 2s}", []string{"/bin/sh", "-c", "a"}, "10 30 3 / 2 30 45"},
		{"very long", "{test: a, interval: 2540400h, retries: 100000}", []string{"/bin/sh", "-c", "a"}, "86400 30 1000"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := renderApp(t, map[string]string{"compose.yaml": "services: {web: {image: x, healthcheck: " + tt.check + "}}\n"}, nil).container(t, "web")
			if c.LivenessProbe != nil {
				t.Error("a liveness probe: Docker does not restart what is unhealthy")
			}
			var command []string
			var timing []any
			if p := c.ReadinessProbe; p != nil {
				command = p.Exec.Command
				timing = append(timing, p.PeriodSeconds, p.TimeoutSeconds, p.FailureThreshold)
			}
			if p := c.StartupProbe; p != nil {
				timing = append(timing, "/", p.PeriodSeconds, p.TimeoutSeconds, p.FailureThreshold)
				if diff := cmp.Diff(command, p.Exec.Command); diff != "" {
					t.Error(diff)
				}
			}
			if diff := cmp.Diff(tt.command, command); diff != "" {
				t.Error(diff)
			}
			if got := join(timing); got != tt.timing {
				t.Errorf("timing %s, want %s", got, tt.timing)
			}
		})
	}
	_, err := tryApp(t, map[string]string{"compose.yaml": "services: {web: {image: x, healthcheck: {test: [curl, x]}}}\n"}, nil)
	if err == nil || !strings.Contains(err.Error(), "healthcheck.test") {
		t.Errorf("a list without CMD: %v", err)
	}
}

func join(values []any) string {
	return strings.TrimSuffix(strings.ReplaceAll(fmt.Sprintln(values...), "\n", ""), " ")
}
