package compose

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// maxName of an object named after a service: Kubernetes takes 63 characters, and generated objects add suffixes.
const maxName = 57

// maxLabel is the longest DNS label.
const maxLabel = 63

var (
	notDNS = regexp.MustCompile(`[^a-z0-9-]+`)
	// serviceLabel is what Kubernetes takes for the name of a Service (RFC 1035).
	serviceLabel = regexp.MustCompile(`^[a-z]([-a-z0-9]*[a-z0-9])?$`)
)

// dnsName rewrites a name to a DNS label that starts with a letter, stably: a name that is one already stays, any other
// gets what of it is allowed, and a short hash where that alone could meet another name.
func dnsName(name string) string {
	label := strings.Trim(notDNS.ReplaceAllString(strings.ToLower(name), "-"), "-")
	if label == "" || label[0] >= '0' && label[0] <= '9' {
		label = "s-" + label
	}
	if len(label) > maxName {
		label = strings.Trim(label[:maxName-6], "-") + "-" + shortHash(name)
	}
	return strings.Trim(label, "-")
}

// cut shortens a generated name to a label, with a hash of the whole.
func cut(name string) string {
	if len(name) <= maxLabel {
		return name
	}
	return strings.Trim(name[:maxLabel-6], "-") + "-" + shortHash(name)
}

// hash tells apart what would have the same name.
func hash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])[:8]
}

// shortHash is for names that people read.
func shortHash(s string) string { return hash(s)[:5] }

// kubernetesNames gives each service its name. A name that Kubernetes takes stays; where the rewriting of another meets a
// name that is taken, it gets a hash of the original.
func kubernetesNames(services []string) map[string]string {
	count := map[string]int{}
	taken := map[string]bool{}
	for _, s := range services {
		count[dnsName(s)]++
		taken[s] = dnsName(s) == s
	}
	names := map[string]string{}
	for _, s := range services {
		label := dnsName(s)
		if label != s {
			for salt := s; count[label] > 1 || taken[label]; salt += "'" {
				label = dnsName(s)
				label = strings.Trim(label[:min(len(label), maxName-6)], "-") + "-" + shortHash(salt)
			}
			taken[label] = true
		}
		names[s] = label
	}
	return names
}

// isServiceName reports whether Kubernetes takes the name for a Service as it stands.
func isServiceName(name string) bool { return len(name) <= maxLabel && serviceLabel.MatchString(name) }

// isDNSLabel reports whether Kubernetes takes the name for a pod's host.
func isDNSLabel(name string) bool {
	return len(name) <= maxLabel && name != "" && strings.Trim(name, "-") == name && !notDNS.MatchString(name)
}

// sortedKeys of a map, for everything that must not depend on its order.
func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
