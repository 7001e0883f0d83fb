package compose

import (
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"strings"
)

var notDNS = regexp.MustCompile(`[^a-z0-9-]+`)

// dnsName rewrites a name to a DNS label that starts with a letter, stably: a name that is one already stays, any other
// gets what of it is allowed, and a short hash where that alone could meet another name.
func dnsName(name string) string {
	const most = 57 // leaves room for the suffixes of generated objects
	label := strings.Trim(notDNS.ReplaceAllString(strings.ToLower(name), "-"), "-")
	if label == "" || label[0] >= '0' && label[0] <= '9' {
		label = "s-" + label
	}
	if len(label) > most {
		sum := sha256.Sum256([]byte(name))
		label = strings.Trim(label[:most-6], "-") + "-" + hex.EncodeToString(sum[:])[:5]
	}
	return strings.Trim(label, "-")
}

// kubernetesNames gives each service its name, with a hash where two would be rewritten to one.
func kubernetesNames(services []string) map[string]string {
	count := map[string]int{}
	for _, s := range services {
		count[dnsName(s)]++
	}
	names := map[string]string{}
	for _, s := range services {
		label := dnsName(s)
		if count[label] > 1 && label != s {
			sum := sha256.Sum256([]byte(s))
			label += "-" + hex.EncodeToString(sum[:])[:5]
		}
		names[s] = label
	}
	return names
}

// isDNSLabel reports whether Kubernetes takes the name for a Service as it stands.
func isDNSLabel(name string) bool { return name != "" && dnsName(name) == name }
