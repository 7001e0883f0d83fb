package compose_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"catalyst.dev/catalyst/render/compose"
	"catalyst.dev/catalyst/render/manifest"
)

// reaches reports whether the policies of Compose's networks let a Deployment's pods reach another's. A pod without the
// label is under the namespace's own policy, which allows every such pod.
func (a *app) reaches(t *testing.T, from, to string) bool {
	t.Helper()
	source, target := a.deployment(t, from).Spec.Template.Labels, a.deployment(t, to).Spec.Template.Labels
	selects := func(s *metav1.LabelSelector, set map[string]string) bool {
		selector, err := metav1.LabelSelectorAsSelector(s)
		if err != nil {
			t.Fatal(err)
		}
		return selector.Matches(labels.Set(set))
	}
	out, in := source["catalyst.dev/networks"] == "", target["catalyst.dev/networks"] == ""
	for _, p := range a.policies {
		for _, rule := range p.Spec.Egress {
			out = out || selects(&p.Spec.PodSelector, source) && anyPeer(rule.To, func(s *metav1.LabelSelector) bool { return selects(s, target) })
		}
		for _, rule := range p.Spec.Ingress {
			in = in || selects(&p.Spec.PodSelector, target) && anyPeer(rule.From, func(s *metav1.LabelSelector) bool { return selects(s, source) })
		}
	}
	return out && in
}

func anyPeer(peers []networkingv1.NetworkPolicyPeer, selects func(*metav1.LabelSelector) bool) bool {
	for _, p := range peers {
		if p.PodSelector != nil && selects(p.PodSelector) {
			return true
		}
	}
	return false
}

const threeTiers = `
services:
  proxy: {image: "nginx:alpine", ports: ["80:80"], networks: [front], depends_on: [app]}
  app: {image: app, expose: [8000], networks: {front: {aliases: [backend]}, back_end: }, depends_on: {db: {condition: service_healthy}}}
  db: {image: "postgres:17", networks: [back_end], healthcheck: {test: pg_isready}}
  cron: {image: cron, networks: [front], depends_on: {db: {condition: service_healthy}}}
  batch: {image: batch, network_mode: none}
networks:
  front:
  back_end: {internal: true}
`

func TestNetworksSeparate(t *testing.T) {
	a := translate(t, threeTiers, nil, nil)
	for pair, want := range map[string]bool{"proxy app": true, "app proxy": true, "app db": true, "proxy db": false, "db proxy": false, "cron app": true, "batch app": false, "app batch": false} {
		from, to, _ := strings.Cut(pair, " ")
		if got := a.reaches(t, from, to); got != want {
			t.Errorf("%s reaches %s: %v, want %v", from, to, got, want)
		}
	}
	for name, want := range map[string]string{"proxy": "", "app": "", "db": "none", "batch": "none"} {
		if got := a.deployments[name].Spec.Template.Labels["catalyst.dev/egress"]; got != want {
			t.Errorf("%s: egress %q, want %q", name, got, want)
		}
	}
	for _, p := range a.policies {
		for _, peers := range [][]networkingv1.NetworkPolicyPeer{p.Spec.Ingress[0].From, p.Spec.Egress[0].To} {
			if len(peers) != 1 || peers[0].NamespaceSelector != nil || peers[0].IPBlock != nil || peers[0].PodSelector == nil {
				t.Errorf("policy %s opens more than the network: %v", p.Name, peers)
			}
		}
	}
	if w := waits(a.deployments["cron"].Spec.Template); len(w) != 0 {
		t.Errorf("cron waits for what it cannot reach: %v", w)
	}
	a.wantReport(t, "cron", "depends_on.db", "share no network")
	if a.hosts()[appHost+"/"] != "proxy:80" {
		t.Errorf("entrances %v", a.hosts())
	}
}

func TestNetworksThatSeparateNothing(t *testing.T) {
	tests := map[string]string{
		"one":             "services: {a: {image: x}, b: {image: x}}",
		"one for all":     "services: {a: {image: x, networks: [n, m]}, b: {image: x, networks: [n]}}\nnetworks: {n: , m: }",
		"unused":          "services: {a: {image: x}, b: {image: x}}\nnetworks: {n: , m: }",
		"static address":  "services: {a: {image: x, networks: {n: {ipv4_address: 10.5.0.2}}}, b: {image: x, networks: [n]}}\nnetworks: {n: {ipam: {config: [{subnet: 10.5.0.0/16}]}}}",
		"bridge and none": "services: {a: {image: x, network_mode: bridge}, b: {image: x}}",
	}
	for name, text := range tests {
		t.Run(name, func(t *testing.T) {
			a := translate(t, text, nil, nil)
			if len(a.policies) != 0 || a.deployments["a"].Spec.Template.Labels["catalyst.dev/networks"] != "" {
				t.Errorf("policies %v", a.policies)
			}
		})
	}
}

func TestInternalNetworkAlone(t *testing.T) {
	a := translate(t, "services: {a: {image: x, networks: [n]}, b: {image: x, networks: [n]}}\nnetworks: {n: {internal: true}}", nil, nil)
	if len(a.policies) != 0 || a.deployments["a"].Spec.Template.Labels["catalyst.dev/egress"] != "none" {
		t.Errorf("policies %v, labels %v", a.policies, a.deployments["a"].Spec.Template.Labels)
	}
}

func TestNetworksOfLikeNamesStayApart(t *testing.T) {
	a := translate(t, "services: {a: {image: x, networks: [n_1]}, b: {image: x, networks: [n-1]}, c: {image: x, networks: ["+strings.Repeat("n", 80)+"]}}\nnetworks: {n_1: , n-1: , "+strings.Repeat("n", 80)+": }", nil, nil)
	if a.reaches(t, "a", "b") || a.reaches(t, "b", "a") || !a.reaches(t, "a", "a") {
		t.Error("n_1 and n-1 are one network")
	}
}

// A VPN and what goes through it: one pod, one network.
func TestSharedNetworkIsOnePod(t *testing.T) {
	a := translate(t, `
services:
  vpn: {image: example/vpn, ports: ["8080:8080"], hostname: vpn-host, volumes: ["vpn:/data"], stop_grace_period: 10s}
  torrent:
    image: example/torrent
    network_mode: service:vpn
    expose: [6881]
    environment: {A: b}
    depends_on: {vpn: {condition: service_healthy}, tracker: {condition: service_started}}
    volumes: ["vpn:/vpn", "torrent:/data", "/data/cache"]
    stop_grace_period: 1m
    deploy: {replicas: 3}
  indexer: {image: example/indexer, network_mode: "service:torrent", volumes: ["/data/cache"]}
  tracker: {image: example/tracker, expose: [99], depends_on: [vpn]}
  client: {image: example/client, environment: {T: "http://torrent:6881"}, depends_on: {torrent: {condition: service_started}}}
volumes: {vpn: , torrent: }
`, nil, nil)
	if len(a.deployments) != 3 {
		t.Fatalf("Deployments %v, want vpn, tracker, client", len(a.deployments))
	}
	pod := a.deployment(t, "vpn").Spec.Template
	var names []string
	for _, c := range pod.Spec.Containers {
		names = append(names, c.Name)
	}
	if diff := cmp.Diff([]string{"vpn", "indexer", "torrent"}, names); diff != "" {
		t.Errorf("containers: %s", diff)
	}
	for _, name := range []string{"vpn", "torrent", "indexer", "vpn-host"} {
		if s := a.services[name]; s == nil || s.Spec.Selector["catalyst.dev/service"] != "vpn" {
			t.Errorf("Service %s does not lead to the pod: %v", name, s)
		}
	}
	if got := strings.Join(a.ports(t, "vpn"), "|"); got != "tcp-8080 8080>8080/TCP|tcp-6881 6881>6881/TCP" {
		t.Errorf("ports of vpn: %s", got)
	}
	// The pod cannot wait for the tracker, which waits for it.
	if w := waits(pod); len(w) != 0 {
		t.Errorf("vpn's pod waits: %v", w)
	}
	a.wantReport(t, "torrent", "depends_on.vpn", "one pod")
	a.wantReport(t, "torrent", "depends_on.tracker", "tracker waits for vpn")
	a.wantReport(t, "torrent", "deploy.replicas", "pods of vpn")
	if *pod.Spec.TerminationGracePeriodSeconds != 60 || a.deployments["vpn"].Spec.Strategy.Type != "Recreate" {
		t.Errorf("pod %v", pod.Spec)
	}
	if w := waits(a.deployment(t, "client").Spec.Template); !strings.Contains(w["wait-for-torrent"], "nc -z -w 2 torrent 6881") {
		t.Errorf("client waits %v", w)
	}
	// The anonymous volumes of the two are not one.
	mounts := map[string]string{}
	for _, c := range pod.Spec.Containers {
		for _, m := range c.VolumeMounts {
			mounts[c.Name+m.MountPath] = m.Name
		}
	}
	if mounts["torrent/data/cache"] == mounts["indexer/data/cache"] || mounts["vpn/data"] != mounts["torrent/vpn"] {
		t.Errorf("mounts %v", mounts)
	}
}

// What is said of a fixed address means the service that had it.
func TestFixedAddresses(t *testing.T) {
	a := translate(t, `
services:
  resolver: {image: resolver, networks: {n: {ipv4_address: 10.5.0.2, mac_address: "02:42:ac:11:00:02", priority: 5}}}
  app:
    image: app
    environment: {DNS_SERVER: 10.5.0.2, API: "http://10.5.0.2:5335/x", WEB: "http://10.5.0.2/", LISTEN: 0.0.0.0, OTHER: 10.5.0.20, VERSION: 10.5.0.2-rc1}
    dns: [10.5.0.2, 1.1.1.1]
    extra_hosts: ["ns.local:10.5.0.2"]
    networks: [n]
networks: {n: {ipam: {config: [{subnet: 10.5.0.0/16}]}}}
`, nil, nil)
	want := map[string]string{"DNS_SERVER": "resolver", "API": "http://resolver:5335/x", "WEB": "http://resolver/", "LISTEN": "0.0.0.0", "OTHER": "10.5.0.20", "VERSION": "10.5.0.2-rc1"}
	if diff := cmp.Diff(want, a.env(t, "app")); diff != "" {
		t.Errorf("env: %s", diff)
	}
	pod := a.deployment(t, "app").Spec.Template.Spec
	if len(pod.DNSConfig.Nameservers) != 1 || len(pod.HostAliases) != 0 {
		t.Errorf("dnsConfig %v, hostAliases %v", pod.DNSConfig, pod.HostAliases)
	}
	a.wantReport(t, "resolver", "networks.n", "by its name")
	a.wantReport(t, "resolver", "networks.n", "priorities")
	a.wantReport(t, "app", "dns[0]", "resolver")
	a.wantReport(t, "app", "extra_hosts", "alias")
}

func TestNetworkModes(t *testing.T) {
	for _, mode := range []string{"host", "container:other"} {
		t.Run(mode, func(t *testing.T) {
			files := map[string]string{"compose.yaml": "services: {a: {image: x, network_mode: '" + mode + "'}}"}
			_, err := tryApp(t, files, nil)
			var p *manifest.Problem
			if !errors.As(err, &p) || p.Field != "services.a.network_mode" || p.Remedy == "" {
				t.Errorf("Render() = %v", err)
			}
			if _, err = tryApp(t, files, func(in *compose.Input) { in.Privileged = true }); (err == nil) != (mode == "host") {
				t.Errorf("privileged: Render() = %v", err)
			}
		})
	}
	a := translate(t, "services: {a: {image: x, network_mode: host, ports: ['80']}}", nil, func(in *compose.Input) { in.Privileged = true })
	if !a.deployment(t, "a").Spec.Template.Spec.HostNetwork {
		t.Error("the pod is not on the node's network")
	}
	a = translate(t, "services: {a: {image: x, network_mode: host}, b: {image: x, networks: [n]}}\nnetworks: {n: {}}", nil, func(in *compose.Input) { in.Privileged = true })
	if len(a.policies) != 0 {
		t.Errorf("policies %v, though no network is kept from another", a.policies)
	}
}
