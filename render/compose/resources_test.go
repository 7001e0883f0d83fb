package compose_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"catalyst.dev/catalyst/render/compose"
)

func quantities(pairs ...string) corev1.ResourceList {
	list := corev1.ResourceList{}
	for i := 0; i < len(pairs); i += 2 {
		list[corev1.ResourceName(pairs[i])] = resource.MustParse(pairs[i+1])
	}
	return list
}

func defaults(in *compose.Input) {
	in.ContainerDefaults = corev1.ResourceRequirements{Requests: quantities("cpu", "50m", "memory", "64Mi"), Limits: quantities("cpu", "1", "memory", "512Mi")}
}

func plain(list corev1.ResourceList) map[string]string {
	out := map[string]string{}
	for name, q := range list {
		out[string(name)] = q.String()
	}
	return out
}

func TestResources(t *testing.T) {
	type lists = map[string]string
	tests := []struct {
		name, keys       string
		limits, requests lists
		says             string
	}{
		{"none", "", lists{}, lists{}, ""},
		{"limits are no reservation", "deploy: {resources: {limits: {cpus: '0.50', memory: 50M}}}", lists{"cpu": "500m", "memory": "50Mi"}, lists{"cpu": "50m", "memory": "50Mi"}, ""},
		{"reservations", "deploy: {resources: {reservations: {cpus: '0.25', memory: 20M}}}", lists{}, lists{"cpu": "250m", "memory": "20Mi"}, ""},
		{"reservation above the usual limit", "mem_reservation: 1g", lists{"memory": "1Gi"}, lists{"memory": "1Gi"}, ""},
		{"reservation above its limit", "mem_reservation: 2g\n    mem_limit: 1g", lists{"memory": "1Gi"}, lists{"memory": "1Gi"}, "above its limit"},
		{"cpus", "cpus: 1.5", lists{"cpu": "1500m"}, lists{"cpu": "50m"}, ""},
		{"quota and period", "cpu_quota: 50000\n    cpu_period: 25000", lists{"cpu": "2"}, lists{"cpu": "50m"}, ""},
		{"quota alone", "cpu_quota: 50000", lists{"cpu": "500m"}, lists{"cpu": "50m"}, ""},
		{"shares", "cpu_shares: 512", lists{}, lists{"cpu": "500m"}, "cpu_shares"},
		{"per cent", "cpu_percent: 50", lists{"cpu": "500m"}, lists{"cpu": "50m"}, "cpu_percent"},
		{"tiny", "cpus: 0.0001", lists{"cpu": "1m"}, lists{"cpu": "1m"}, ""},
		{"processes", "pids_limit: 100", lists{}, lists{}, "pids_limit"},
		{"gpus", "gpus: [{driver: nvidia, count: 2}]", lists{"nvidia.com/gpu": "2"}, lists{}, ""},
		{"all gpus", "gpus: all", lists{"nvidia.com/gpu": "1"}, lists{}, "all devices"},
		{"devices by number", "deploy: {resources: {reservations: {devices: [{driver: nvidia, device_ids: ['0', '3'], capabilities: [gpu]}]}}}", lists{"nvidia.com/gpu": "2"}, lists{}, "not these"},
		{"amd", "deploy: {resources: {reservations: {devices: [{driver: amd, count: 1, capabilities: [gpu]}]}}}", lists{"amd.com/gpu": "1"}, lists{}, ""},
		{"other devices", "deploy: {resources: {reservations: {devices: [{driver: acme, count: 1, capabilities: [tpu]}]}}}", lists{}, lists{}, "no device plugin"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := renderApp(t, map[string]string{"compose.yaml": "services:\n  web:\n    image: x\n    " + tt.keys + "\n"}, defaults)
			r := a.container(t, "web").Resources
			if diff := cmp.Diff(tt.limits, plain(r.Limits)); diff != "" {
				t.Errorf("limits: %s", diff)
			}
			if diff := cmp.Diff(tt.requests, plain(r.Requests)); diff != "" {
				t.Errorf("requests: %s", diff)
			}
			if tt.says != "" && !a.says(tt.says) {
				t.Errorf("the report does not say %q: %v", tt.says, a.report.Findings)
			}
		})
	}
}

// total is what the quota counts when all pods run and one rollout adds a pod.
func total(t *testing.T, a *app, name corev1.ResourceName, usual string, services ...string) resource.Quantity {
	t.Helper()
	sum, most := resource.Quantity{}, resource.Quantity{}
	for _, s := range services {
		d := a.deployment(t, s)
		pod, ok := d.Spec.Template.Spec.Containers[0].Resources.Requests[name]
		if !ok {
			pod = resource.MustParse(usual)
		}
		if pod.Cmp(most) > 0 {
			most = pod
		}
		for range *d.Spec.Replicas {
			sum.Add(pod)
		}
	}
	sum.Add(most)
	return sum
}

func TestTheSumFitsTheQuota(t *testing.T) {
	tests := []struct {
		name, services, quota string
		says                  string
		big                   string // what the service big keeps
	}{
		{"it fits", "  big: {image: x}\n  small: {image: x}\n", "1Gi", "", ""},
		{"the usual requests shrink", "  big: {image: x, mem_reservation: 400m}\n  small: {image: x, scale: 3}\n", "900Mi", "ask for none", "400Mi"},
		{"limits are not asked for", "  big: {image: x, mem_limit: 4g}\n  small: {image: x, scale: 20}\n", "640Mi", "ask for none", ""},
		{"asks shrink last", "  big: {image: x, mem_reservation: 4g}\n  small: {image: x}\n", "1Gi", "all are lowered", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			quota := resource.MustParse(tt.quota)
			a := renderApp(t, map[string]string{"compose.yaml": "services:\n" + tt.services}, func(in *compose.Input) {
				defaults(in)
				in.Quota = corev1.ResourceList{"requests.memory": quota}
			})
			if got := total(t, a, "memory", "64Mi", "big", "small"); got.Cmp(quota) > 0 {
				t.Errorf("%s of memory, the quota is %s", got.String(), quota.String())
			}
			if tt.says == "" && len(a.report.Findings) > 0 || !a.says(tt.says) && tt.says != "" {
				t.Errorf("the report: %v", a.report.Findings)
			}
			if r := a.container(t, "big").Resources.Requests; tt.big != "" && r.Memory().String() != tt.big {
				t.Errorf("big asks for %s, want %s", r.Memory(), tt.big)
			}
		})
	}
}

func TestLimitsFitTheQuotaToo(t *testing.T) {
	a := renderApp(t, map[string]string{"compose.yaml": "services: {a: {image: x}, b: {image: x, mem_limit: 256m}}\n"}, func(in *compose.Input) {
		defaults(in)
		in.Quota = quantities("limits.memory", "768Mi")
	})
	sum, most := resource.Quantity{}, resource.Quantity{}
	for _, name := range []string{"a", "b"} {
		limit := a.container(t, name).Resources.Limits["memory"]
		sum.Add(limit)
		if limit.Cmp(most) > 0 {
			most = limit
		}
	}
	if sum.Add(most); sum.Cmp(resource.MustParse("768Mi")) > 0 || sum.IsZero() {
		t.Errorf("limits sum up to %s", sum.String())
	}
	if limits := a.container(t, "b").Resources.Limits; limits.Memory().String() != "256Mi" {
		t.Errorf("b's own limit became %s", limits.Memory())
	}
}

func TestMorePodsThanTheQuotaAllows(t *testing.T) {
	_, err := tryApp(t, map[string]string{"compose.yaml": "services: {a: {image: x, scale: 9}, b: {image: x, scale: 3}}\n"}, func(in *compose.Input) { in.Quota = quantities("pods", "10") })
	if err == nil || !strings.Contains(err.Error(), "12 pods") || !strings.Contains(err.Error(), "defaultQuota") {
		t.Errorf("Render() = %v", err)
	}
}
