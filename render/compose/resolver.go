package compose

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	composetypes "github.com/compose-spec/compose-go/v2/types"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"

	"catalyst.dev/catalyst/render/manifest"
)

// What the API server takes in a pod's dnsConfig.
const (
	maxNameservers = 3
	maxSearches    = 32
)

// dnsConfig adds the service's name servers and search domains to the cluster's own, which know the services.
func (t *translation) dnsConfig(svc composetypes.ServiceConfig) *corev1.PodDNSConfig {
	c := &corev1.PodDNSConfig{}
	for i, s := range svc.DNS {
		_, err := netip.ParseAddr(s)
		switch {
		case t.fixed[s] != "":
			t.note(svc.Name, fmt.Sprintf("dns[%d]", i), manifest.Ignored, fmt.Sprintf("%s was the address of %s, which has another here", s, t.fixed[s]))
		case err != nil:
			t.note(svc.Name, fmt.Sprintf("dns[%d]", i), manifest.Ignored, fmt.Sprintf("%q is no IP address", s))
		case len(c.Nameservers) == maxNameservers:
			t.note(svc.Name, fmt.Sprintf("dns[%d]", i), manifest.Ignored, "a pod has three name servers at most")
		case !slices.Contains(c.Nameservers, s):
			c.Nameservers = append(c.Nameservers, s)
		}
	}
	for i, s := range svc.DNSSearch {
		if domain := strings.TrimSuffix(s, "."); len(validation.IsDNS1123Subdomain(domain)) > 0 || len(c.Searches) == maxSearches {
			t.note(svc.Name, fmt.Sprintf("dns_search[%d]", i), manifest.Ignored, fmt.Sprintf("%q is no domain that a pod can search", s))
			continue
		}
		if !slices.Contains(c.Searches, s) {
			c.Searches = append(c.Searches, s)
		}
	}
	for _, o := range svc.DNSOpts {
		name, value, ok := strings.Cut(o, ":")
		if name == "" {
			continue
		}
		option := corev1.PodDNSConfigOption{Name: name}
		if ok {
			option.Value = &value
		}
		if !slices.ContainsFunc(c.Options, func(o corev1.PodDNSConfigOption) bool { return o.Name == name }) {
			c.Options = append(c.Options, option)
		}
	}
	if len(c.Nameservers)+len(c.Searches)+len(c.Options) == 0 {
		return nil
	}
	return c
}

// hostAliases are the lines of /etc/hosts, one an address.
func (t *translation) hostAliases(svc composetypes.ServiceConfig) []corev1.HostAlias {
	var aliases []corev1.HostAlias
	for _, host := range sortedKeys(svc.ExtraHosts) {
		for _, s := range svc.ExtraHosts[host] {
			addr, err := netip.ParseAddr(strings.Trim(strings.TrimSpace(s), "[]"))
			name := strings.ToLower(host)
			switch {
			case s == "host-gateway":
				t.note(svc.Name, "extra_hosts", manifest.Approximated, fmt.Sprintf("%q leads nowhere: it is the Docker host, which a cluster has not; run what it reaches as a service", host))
			case t.fixed[s] != "":
				t.note(svc.Name, "extra_hosts", manifest.Ignored, fmt.Sprintf("%s was the address of %s, which has another here; give it the alias %q", s, t.fixed[s], host))
			case err != nil || addr.Zone() != "":
				t.note(svc.Name, "extra_hosts", manifest.Ignored, fmt.Sprintf("%q is no IP address", s))
			case len(validation.IsDNS1123Subdomain(name)) > 0:
				t.note(svc.Name, "extra_hosts", manifest.Ignored, fmt.Sprintf("%q is no host name that Kubernetes takes", host))
			default:
				aliases = mergeHostAliases(aliases, []corev1.HostAlias{{IP: addr.String(), Hostnames: []string{name}}})
			}
		}
	}
	return aliases
}

// mergeHostAliases keeps one entry an address.
func mergeHostAliases(into, more []corev1.HostAlias) []corev1.HostAlias {
	for _, m := range more {
		i := slices.IndexFunc(into, func(a corev1.HostAlias) bool { return a.IP == m.IP })
		if i < 0 {
			into = append(into, m)
			continue
		}
		for _, h := range m.Hostnames {
			if !slices.Contains(into[i].Hostnames, h) {
				into[i].Hostnames = append(into[i].Hostnames, h)
			}
		}
	}
	return into
}
