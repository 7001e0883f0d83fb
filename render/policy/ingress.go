package policy

import (
	"fmt"
	"slices"
	"strings"

	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// ingress holds hosts under the environment's own name.
func (c *checker) ingress(i *networkingv1.Ingress) {
	if i.Spec.DefaultBackend != nil {
		c.refuse(ruleIngress, "spec.defaultBackend", "a default backend would take every host's traffic", "write a rule with a host")
	}
	for n, rule := range i.Spec.Rules {
		c.host(fmt.Sprintf("spec.rules[%d].host", n), rule.Host)
		if rule.HTTP == nil {
			continue
		}
		for m, path := range rule.HTTP.Paths {
			if path.Backend.Resource != nil {
				c.refuse(ruleIngress, fmt.Sprintf("spec.rules[%d].http.paths[%d].backend.resource", n, m), "only Services may be backends", "name a Service")
			}
		}
	}
	for n, tls := range i.Spec.TLS {
		if len(tls.Hosts) == 0 {
			c.refuse(ruleIngressHost, fmt.Sprintf("spec.tls[%d].hosts", n), "there is no host", "list the hosts")
		}
		for m, host := range tls.Hosts {
			c.host(fmt.Sprintf("spec.tls[%d].hosts[%d]", n, m), host)
		}
	}
}

func (c *checker) host(field, host string) {
	own := c.scope.Host != "" && (host == c.scope.Host || strings.HasSuffix(host, "."+c.scope.Host))
	if host == "" || !own && !slices.Contains(c.hosts, host) {
		c.refuse(ruleIngressHost, field, fmt.Sprintf("host %q does not lie under %q", host, c.scope.Host),
			"use ${CATALYST_HOST} or a name under it")
	}
}

// httpRoute checks the Gateway API's route. Its parents are the platform's gateways, wherever they are; its backends are here.
func (c *checker) httpRoute(obj *unstructured.Unstructured) {
	hosts, found, err := unstructured.NestedStringSlice(obj.Object, "spec", "hostnames")
	if err != nil || !found || len(hosts) == 0 {
		c.refuse(ruleIngressHost, "spec.hostnames", "a route without hosts takes every host's traffic", "list the hosts")
	}
	for i, host := range hosts {
		c.host(fmt.Sprintf("spec.hostnames[%d]", i), host)
	}
	rules, _, err := unstructured.NestedSlice(obj.Object, "spec", "rules")
	if err != nil {
		c.refuse(ruleSchema, "spec.rules", "not a list", "correct the field")
	}
	c.backends("spec.rules", rules)
}

// backends finds references to other namespaces and kinds at every depth: filters mirror traffic too.
func (c *checker) backends(field string, value any) {
	switch value := value.(type) {
	case []any:
		for i, child := range value {
			c.backends(fmt.Sprintf("%s[%d]", field, i), child)
		}
	case map[string]any:
		if ns, ok := value["namespace"]; ok && ns != c.scope.Namespace {
			c.refuse(ruleNamespace, field+".namespace", "a route may not lead to another namespace", "remove namespace")
		}
		for _, key := range sortedKeys(value) {
			if key == "extensionRef" {
				c.refuse(ruleIngress, field+".extensionRef", "extensions are not allowed", "remove it")
			}
			c.backends(field+"."+key, value[key])
		}
	}
}
