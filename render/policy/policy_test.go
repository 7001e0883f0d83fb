package policy_test

import (
	"strings"
	"testing"

	"catalyst.dev/catalyst/api/v1alpha1"
	"catalyst.dev/catalyst/render/base"
	"catalyst.dev/catalyst/render/manifest"
	"catalyst.dev/catalyst/render/policy"
)

const pod = `{containers: [{name: a, image: a}]}`

func scope() policy.Scope {
	return policy.Scope{Platform: &v1alpha1.Platform{}, Project: "acme/shop", Namespace: "demo", Host: "n.example.com"}
}

func TestCheck(t *testing.T) {
	for name, tc := range map[string]struct{ apiVersion, kind, rest, rule string }{
		"plain deployment":    {"apps/v1", "Deployment", "spec: {selector: {}, template: {spec: " + pod + "}}", ""},
		"unknown field":       {"apps/v1", "Deployment", "spec: {selector: {}, template: {spec: {hostnetwork: true, containers: []}}}", "schema"},
		"host network":        {"apps/v1", "Deployment", "spec: {selector: {}, template: {spec: {hostNetwork: true, containers: []}}}", "pod-security"},
		"privileged cron job": {"batch/v1", "CronJob", "spec: {schedule: a, jobTemplate: {spec: {template: {spec: {containers: [{name: a, securityContext: {privileged: true}}]}}}}}", "pod-security"},
		"privileged init":     {"v1", "Pod", "spec: {containers: [], initContainers: [{name: a, securityContext: {privileged: true}}]}", "pod-security"},
		"replicas":            {"apps/v1", "Deployment", "spec: {replicas: 999, selector: {}, template: {spec: " + pod + "}}", "replicas"},
		"daemon set":          {"apps/v1", "DaemonSet", "", "kinds"},
		"kind case":           {"apps/v1", "deployment", "", "kinds"},
		"old version":         {"extensions/v1beta1", "Ingress", "", "kinds"},
		"cluster role":        {"rbac.authorization.k8s.io/v1", "ClusterRole", "", "kinds"},
		"application":         {"argoproj.io/v1alpha1", "Application", "", "kinds"},
		"another namespace":   {"v1", "Namespace", "", "namespace"},
		"plain secret":        {"v1", "Secret", "", "plain-secret"},
		"node port":           {"v1", "Service", "spec: {type: NodePort}", "service-type"},
		"external name":       {"v1", "Service", "spec: {type: ExternalName, externalName: b}", "service-type"},
		"external IP":         {"v1", "Service", "spec: {externalIPs: [10.0.0.1]}", "service-type"},
		"volume name":         {"v1", "PersistentVolumeClaim", "spec: {volumeName: pv}", "volume-name"},
		"own host":            {"networking.k8s.io/v1", "Ingress", "spec: {rules: [{host: a.n.example.com}]}", ""},
		"foreign host":        {"networking.k8s.io/v1", "Ingress", "spec: {rules: [{host: xn.example.com}]}", "ingress-host"},
		"empty host":          {"networking.k8s.io/v1", "Ingress", "spec: {rules: [{}]}", "ingress-host"},
		"foreign TLS host":    {"networking.k8s.io/v1", "Ingress", "spec: {tls: [{hosts: [b.example.com]}]}", "ingress-host"},
		"default backend":     {"networking.k8s.io/v1", "Ingress", "spec: {defaultBackend: {service: {name: a}}}", "ingress"},
		"route elsewhere":     {"gateway.networking.k8s.io/v1", "HTTPRoute", "spec: {hostnames: [n.example.com], rules: [{backendRefs: [{name: a, namespace: b}]}]}", "namespace"},
		"open policy":         {"networking.k8s.io/v1", "NetworkPolicy", "spec: {podSelector: {}, egress: [{}]}", "network-policy"},
		"sealed plain data":   {"bitnami.com/v1alpha1", "SealedSecret", "spec: {encryptedData: {a: b}, template: {data: {a: b}}}", "sealed-secret"},
		"sealed":              {"bitnami.com/v1alpha1", "SealedSecret", "spec: {encryptedData: {a: b}, template: {type: Opaque}}", ""},
	} {
		t.Run(name, func(t *testing.T) {
			objs, err := manifest.Decode("a.yaml", []byte("apiVersion: "+tc.apiVersion+"\nkind: "+tc.kind+"\nmetadata: {name: a}\n"+tc.rest))
			if err != nil {
				t.Fatal(err)
			}
			manifest.Metadata{Namespace: "demo"}.Apply(objs)
			verify(t, policy.Check(scope(), objs), tc.rule)
		})
	}
}

func TestCheckNames(t *testing.T) {
	for name, tc := range map[string]struct{ apiVersion, kind, metadata, rule string }{
		"dots":             {"v1", "ConfigMap", "{name: a.b-c.d}", ""},
		"path":             {"v1", "ConfigMap", `{name: "../../x"}`, "schema"},
		"upper case":       {"v1", "ConfigMap", "{name: Web}", "schema"},
		"too long":         {"v1", "ConfigMap", "{name: " + strings.Repeat("a", 254) + "}", "schema"},
		"line break":       {"v1", "ConfigMap", `{name: "a\nb"}`, "schema"},
		"service":          {"v1", "Service", "{name: a.b}", "schema"},
		"label":            {"v1", "ConfigMap", "{name: a, labels: {example.com/tier: web_1}}", ""},
		"label's key":      {"v1", "ConfigMap", "{name: a, labels: {a b: c}}", "schema"},
		"label's value":    {"v1", "ConfigMap", "{name: a, labels: {a: b c}}", "schema"},
		"too long a label": {"v1", "ConfigMap", "{name: a, labels: {a: " + strings.Repeat("a", 64) + "}}", "schema"},
	} {
		t.Run(name, func(t *testing.T) {
			objs, err := manifest.Decode("a.yaml", []byte("apiVersion: "+tc.apiVersion+"\nkind: "+tc.kind+"\nmetadata: "+tc.metadata))
			if err != nil {
				t.Fatal(err)
			}
			manifest.Metadata{Namespace: "demo"}.Apply(objs)
			verify(t, policy.Check(scope(), objs), tc.rule)
		})
	}
}

func TestCheckAnnotations(t *testing.T) {
	for name, tc := range map[string]struct{ kind, annotation, rule string }{
		"wave":         {"ConfigMap", `argocd.argoproj.io/sync-wave: "1"`, ""},
		"prune":        {"ConfigMap", "argocd.argoproj.io/sync-options: Prune=false", "annotations"},
		"tracking":     {"ConfigMap", "argocd.argoproj.io/tracking-id: a", "annotations"},
		"link":         {"ConfigMap", "link.argocd.argoproj.io/a: b", "annotations"},
		"cluster-wide": {"ConfigMap", `sealedsecrets.bitnami.com/cluster-wide: "true"`, "annotations"},
		"body size":    {"Ingress", "nginx.ingress.kubernetes.io/proxy-body-size: 1m", ""},
		"injection":    {"Ingress", `nginx.ingress.kubernetes.io/proxy-body-size: "1m; a"`, "annotations"},
		"snippet":      {"Ingress", "nginx.ingress.kubernetes.io/server-snippet: a", "annotations"},
	} {
		t.Run(name, func(t *testing.T) {
			version := map[string]string{"ConfigMap": "v1", "Ingress": "networking.k8s.io/v1"}[tc.kind]
			objs, err := manifest.Decode("a.yaml", []byte("apiVersion: "+version+"\nkind: "+tc.kind+"\nmetadata: {name: a, namespace: demo, annotations: {"+tc.annotation+"}}"))
			if err != nil {
				t.Fatal(err)
			}
			verify(t, policy.Check(scope(), objs), tc.rule)
		})
	}
}

// TestCheckBase holds that what every environment gets passes the gate.
func TestCheckBase(t *testing.T) {
	project := &v1alpha1.Project{}
	project.Name, project.Namespace = "shop", "acme"
	objs, err := base.Objects(base.Input{Platform: &v1alpha1.Platform{}, Project: project, Namespace: "demo"})
	if err != nil {
		t.Fatal(err)
	}
	verify(t, policy.Check(scope(), objs), "")
}

// verify wants a refusal by the rule; none when it is empty.
func verify(t *testing.T, err error, rule string) {
	t.Helper()
	if rule == "" && err != nil {
		t.Errorf("Check: got %v, want no refusal", err)
	}
	if rule != "" && (err == nil || !strings.Contains(err.Error(), "["+rule+"]")) {
		t.Errorf("Check: got %v, want a refusal by [%s]", err, rule)
	}
}
