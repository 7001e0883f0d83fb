package manifest

import (
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// maxLabelValue is the longest label value that Kubernetes takes.
const maxLabelValue = 63

// ownPrefix marks the labels that are always Catalyst's.
const ownPrefix = "catalyst.dev/"

// Metadata is what every object of an environment carries.
type Metadata struct {
	// Namespace of all objects but the Namespace itself.
	Namespace string
	// Labels of all objects. Values are made valid.
	Labels map[string]string
}

// Apply sets the namespace of objects and adds the labels; never to a selector. A template's own
// app.kubernetes.io/name, instance and part-of stay. Pod templates get the catalyst.dev labels only: a standard label
// added there could make another workload's selector match.
func (m Metadata) Apply(objs []*unstructured.Unstructured) {
	for _, obj := range objs {
		if !clusterScoped(obj) {
			obj.SetNamespace(m.Namespace)
		}
		m.label(obj.Object, true)
		for _, path := range [][]string{{"spec", "template"}, {"spec", "jobTemplate"}, {"spec", "jobTemplate", "spec", "template"}} {
			if template, ok := mapAt(obj.Object, path); ok && podBearing(obj.GetKind()) {
				m.label(template, false)
			}
		}
	}
}

// label adds the labels to the metadata of an object or a pod template.
func (m Metadata) label(object map[string]any, standard bool) {
	metadata, ok := object["metadata"].(map[string]any)
	if !ok {
		metadata = map[string]any{}
		object["metadata"] = metadata
	}
	labels, ok := metadata["labels"].(map[string]any)
	if !ok {
		labels = map[string]any{}
		metadata["labels"] = labels
	}
	for key := range labels {
		if strings.HasPrefix(key, ownPrefix) {
			if _, ours := m.Labels[key]; !ours && standard {
				delete(labels, key)
			}
		}
	}
	for key, value := range m.Labels {
		own := strings.HasPrefix(key, ownPrefix)
		if !own && !standard {
			continue
		}
		if _, set := labels[key]; set && templateMaySet(key) {
			continue
		}
		labels[key] = LabelValue(value)
	}
}

func templateMaySet(key string) bool {
	switch key {
	case "app.kubernetes.io/name", "app.kubernetes.io/instance", "app.kubernetes.io/part-of":
		return true
	}
	return false
}

func podBearing(kind string) bool {
	switch kind {
	case "Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job", "CronJob":
		return true
	}
	return false
}

// clusterScoped knows the one cluster-scoped kind that an environment has; the policy refuses the others.
func clusterScoped(obj *unstructured.Unstructured) bool {
	return obj.GetKind() == "Namespace" && obj.GetAPIVersion() == "v1"
}

func mapAt(object map[string]any, path []string) (map[string]any, bool) {
	for _, key := range path {
		child, ok := object[key].(map[string]any)
		if !ok {
			return nil, false
		}
		object = child
	}
	return object, true
}

// LabelValue makes s a valid label value. What had to change ends in a hash of s, so that different texts stay different.
func LabelValue(s string) string {
	plain := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_.", r) {
			return r
		}
		return '-'
	}, s)
	trimmed := strings.Trim(plain, "-_.")
	if trimmed == s && len(s) <= maxLabelValue {
		return s
	}
	hash := shortHash(s)
	if trimmed = strings.Trim(trimmed[:min(len(trimmed), maxLabelValue-len(hash)-1)], "-_."); trimmed == "" {
		return hash
	}
	return trimmed + "-" + hash
}
