package compose_test

import (
	"strings"
	"testing"

	"catalyst.dev/catalyst/render/compose"
)

func TestValuesAreChecked(t *testing.T) {
	tests := []struct {
		name   string
		values map[string]any
		want   string
	}{
		{"unknown value", map[string]any{"service": map[string]any{}}, "values.service: no value of this name"},
		{"unknown service", services("wbe", map[string]any{}), "values.services.wbe: the application has no such service (use one of: db, web)"},
		{"unknown key", services("web", map[string]any{"replica": 2}), "values.services.web.replica: not a value that a service has"},
		{"no mapping", services("web", "x"), "values.services.web: not a mapping"},
		{"replicas", services("web", map[string]any{"replicas": 1.5}), "values.services.web.replicas: 1.5 is not a whole number"},
		{"replicas text", services("web", map[string]any{"replicas": "two"}), "two is not a whole number"},
		{"replicas in quotes", services("web", map[string]any{"replicas": "2"}), "2 is not a whole number (write it as 2, without quotes)"},
		{"image", services("web", map[string]any{"image": "a b"}), "values.services.web.image"},
		{"quantity", services("web", map[string]any{"resources": map[string]any{"limits": map[string]any{"memory": "lots"}}}), "lots is not a quantity"},
		{"resource", services("web", map[string]any{"resources": map[string]any{"limits": map[string]any{"ram": "1Gi"}}}), "limits.ram: not a resource"},
		{"resources field", services("web", map[string]any{"resources": map[string]any{"memory": "1Gi"}}), "resources.memory: not limits or requests"},
		{"variable", services("web", map[string]any{"env": map[string]any{"A": []any{"x"}}}), "env.A: not a single value"},
		{"variable name", services("web", map[string]any{"environment": map[string]any{"A B": "x"}}), "A B: not a variable name"},
		{"model", map[string]any{"models": map[string]any{"llm": "x"}}, "values.models.llm: not a mapping"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := tryApp(t, map[string]string{"compose.yaml": "services: {web: {image: nginx}, db: {image: postgres}}\n"}, func(in *compose.Input) { in.Values = tt.values })
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Render() = %v, want %q", err, tt.want)
			}
		})
	}
}

func services(name string, own any) map[string]any {
	return map[string]any{"services": map[string]any{name: own}}
}

func TestValuesOverrideAService(t *testing.T) {
	app := renderApp(t, map[string]string{"compose.yaml": "services: {web: {image: nginx, environment: {A: file, B: file}, mem_limit: 1g}}\n"}, func(in *compose.Input) {
		in.Values = services("web", map[string]any{"replicas": float64(3), "image": "nginx:2", "env": map[string]any{"A": "value", "N": float64(7)},
			"resources": map[string]any{"limits": map[string]any{"memory": "2Gi"}, "requests": map[string]any{"cpu": float64(1)}}})
	})
	d := app.deployment(t, "web")
	c := d.Spec.Template.Spec.Containers[0]
	if *d.Spec.Replicas != 3 || c.Image != "nginx:2" {
		t.Errorf("replicas %d, image %s", *d.Spec.Replicas, c.Image)
	}
	for name, want := range map[string]string{"A": "value", "B": "file", "N": "7"} {
		if got := variable(c, name); got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
	if got := c.Resources.Limits.Memory().String() + " " + c.Resources.Requests.Cpu().String(); got != "2Gi 1" {
		t.Errorf("memory limit and CPU request: %s", got)
	}
}
