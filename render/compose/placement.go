package compose

import (
	"fmt"
	"regexp"
	"strings"

	composetypes "github.com/compose-spec/compose-go/v2/types"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"

	"catalyst.dev/catalyst/render/manifest"
)

var constraint = regexp.MustCompile(`^\s*([A-Za-z0-9._/-]+)\s*(==|!=)\s*(.*?)\s*$`)

// architectures are Docker's and Swarm's names for what Kubernetes calls otherwise.
var architectures = map[string]string{"x86_64": "amd64", "x64": "amd64", "aarch64": "arm64", "i386": "386", "armv7l": "arm", "armhf": "arm"}

func architecture(s string) string {
	if a, ok := architectures[strings.ToLower(s)]; ok {
		return a
	}
	return strings.ToLower(s)
}

// nodeSelector holds a pod on the nodes that can run its platform.
func (t *translation) nodeSelector(svc composetypes.ServiceConfig) map[string]string {
	if svc.Platform == "" {
		return nil
	}
	parts := strings.Split(strings.ToLower(svc.Platform), "/")
	selector := map[string]string{}
	if len(parts) == 1 && parts[0] != "linux" && parts[0] != "windows" { // "amd64" alone
		parts = []string{"linux", parts[0]}
	}
	if parts[0] != "linux" && parts[0] != "windows" {
		t.note(svc.Name, "platform", manifest.Ignored, fmt.Sprintf("%q is no platform of a Kubernetes node", svc.Platform))
		return nil
	}
	selector[corev1.LabelOSStable] = parts[0]
	if len(parts) > 1 {
		selector[corev1.LabelArchStable] = architecture(parts[1])
	}
	for k, v := range selector {
		if v == "" || !isLabelValue(v) {
			t.refuseKey(svc.Name, "platform", fmt.Sprintf("%q is no platform", svc.Platform), `write it as "linux/amd64"`)
			delete(selector, k)
		}
	}
	return selector
}

func isLabelValue(s string) bool { return isLabel("x", s) }

// placement translates deploy.placement. What it says of a Swarm's nodes is preferred, not required: plain Compose does not
// look at it, and a pod that no node takes would never start.
func (t *translation) placement(svc composetypes.ServiceConfig, pod *corev1.PodSpec) {
	if svc.Deploy == nil {
		return
	}
	p := svc.Deploy.Placement
	var terms []corev1.PreferredSchedulingTerm
	for i, c := range p.Constraints {
		key := fmt.Sprintf("deploy.placement.constraints[%d]", i)
		r, ok := requirement(c)
		if !ok {
			t.note(svc.Name, key, manifest.Ignored, fmt.Sprintf("%q says nothing of a Kubernetes node", c))
			continue
		}
		t.note(svc.Name, key, manifest.Approximated, fmt.Sprintf("nodes with the label %s are preferred, not required", r.Key))
		terms = append(terms, corev1.PreferredSchedulingTerm{Weight: 100, Preference: corev1.NodeSelectorTerm{
			MatchExpressions: []corev1.NodeSelectorRequirement{r}}})
	}
	if len(terms) > 0 {
		affinityOf(pod).NodeAffinity = &corev1.NodeAffinity{PreferredDuringSchedulingIgnoredDuringExecution: terms}
	}
	selector := &metav1.LabelSelector{MatchLabels: t.selector(svc.Name)}
	for i, preference := range p.Preferences {
		label, ok := nodeLabel(preference.Spread)
		if !ok {
			t.note(svc.Name, fmt.Sprintf("deploy.placement.preferences[%d]", i), manifest.Ignored, fmt.Sprintf("%q is no label of a Kubernetes node", preference.Spread))
			continue
		}
		pod.TopologySpreadConstraints = append(pod.TopologySpreadConstraints, corev1.TopologySpreadConstraint{
			MaxSkew: 1, TopologyKey: label, WhenUnsatisfiable: corev1.ScheduleAnyway, LabelSelector: selector})
	}
	if p.MaxReplicas > 0 {
		t.note(svc.Name, "deploy.placement.max_replicas_per_node", manifest.Approximated, "replicas are spread over the nodes as far as there are enough")
		affinityOf(pod).PodAntiAffinity = &corev1.PodAntiAffinity{PreferredDuringSchedulingIgnoredDuringExecution: []corev1.WeightedPodAffinityTerm{{
			Weight: 100, PodAffinityTerm: corev1.PodAffinityTerm{TopologyKey: corev1.LabelHostname, LabelSelector: selector}}}}
	}
}

// affinityOf a pod, to be added to.
func affinityOf(pod *corev1.PodSpec) *corev1.Affinity {
	if pod.Affinity == nil {
		pod.Affinity = &corev1.Affinity{}
	}
	return pod.Affinity
}

// requirement reads a constraint such as node.labels.disk == ssd.
func requirement(s string) (corev1.NodeSelectorRequirement, bool) {
	m := constraint.FindStringSubmatch(s)
	if m == nil {
		return corev1.NodeSelectorRequirement{}, false
	}
	label, ok := nodeLabel(m[1])
	value := m[3]
	if label == corev1.LabelArchStable {
		value = architecture(value)
	}
	if !ok || !isLabelValue(value) {
		return corev1.NodeSelectorRequirement{}, false
	}
	r := corev1.NodeSelectorRequirement{Key: label, Operator: corev1.NodeSelectorOpIn, Values: []string{value}}
	if m[2] == "!=" {
		r.Operator = corev1.NodeSelectorOpNotIn
	}
	return r, true
}

// nodeLabel is the label that stands for an attribute of a Swarm's node. Roles have none that all clusters share.
func nodeLabel(attribute string) (string, bool) {
	switch attribute {
	case "node.hostname":
		return corev1.LabelHostname, true
	case "node.platform.os":
		return corev1.LabelOSStable, true
	case "node.platform.arch":
		return corev1.LabelArchStable, true
	}
	for _, prefix := range []string{"node.labels.", "engine.labels."} {
		if label, ok := strings.CutPrefix(attribute, prefix); ok {
			return label, len(validation.IsQualifiedName(label)) == 0
		}
	}
	return "", false
}
