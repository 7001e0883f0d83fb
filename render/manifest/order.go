package manifest

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// The annotations of Argo CD that waves rest on.
const (
	AnnotationSyncWave = "argocd.argoproj.io/sync-wave"
	AnnotationHook     = "argocd.argoproj.io/hook"
)

// ownWave is how far from 0 a template may move its own objects: never before what everything needs.
const ownWave = 50

// place is where objects of a kind stand: their rank in the order, and their sync wave.
type place struct{ rank, wave int }

// placeOf gives a kind's place. Claims share the wave of their consumers: with WaitForFirstConsumer a claim stays
// Pending until a pod uses it, and Argo CD would wait for it for ever. Jobs and workloads share a wave too: some
// charts' jobs wait for a workload and others' workloads for a job, so any order between them would hang one of the two.
func placeOf(kind string) place {
	switch kind {
	case "Namespace":
		return place{0, -100}
	case "ResourceQuota", "LimitRange", "NetworkPolicy", "ServiceAccount", "Role", "RoleBinding":
		return place{1, -90}
	case "Secret", "SealedSecret":
		return place{2, -80}
	case "ConfigMap":
		return place{3, -70}
	case "PersistentVolumeClaim":
		return place{4, 0}
	case "Service":
		return place{5, -60}
	case "StatefulSet":
		return place{6, 0}
	case "Job", "CronJob":
		return place{7, 0}
	case "Ingress", "HTTPRoute", "HorizontalPodAutoscaler", "PodDisruptionBudget":
		return place{9, 10}
	}
	return place{8, 0}
}

// Sort puts objects in the order in which they are committed and listed: namespace, policy, secrets, config, storage,
// services, databases, jobs, workloads, ingress; then by kind, name and API version.
func Sort(objs []*unstructured.Unstructured) {
	slices.SortStableFunc(objs, func(a, b *unstructured.Unstructured) int {
		return cmp.Or(
			cmp.Compare(placeOf(a.GetKind()).rank, placeOf(b.GetKind()).rank),
			cmp.Compare(a.GetKind(), b.GetKind()), cmp.Compare(a.GetName(), b.GetName()),
			cmp.Compare(a.GetAPIVersion(), b.GetAPIVersion()))
	})
}

// SetWaves gives every object a sync wave. A template's own wave is kept within ±50; hooks keep theirs, as it counts
// within their phase only; the Namespace always goes first.
func SetWaves(objs []*unstructured.Unstructured) {
	setEarly(objs)
	for _, obj := range objs {
		annotations := obj.GetAnnotations()
		if annotations[AnnotationHook] != "" && obj.GetKind() != "Namespace" {
			continue
		}
		wave := placeOf(obj.GetKind()).wave
		if own, err := strconv.Atoi(annotations[AnnotationSyncWave]); err == nil && obj.GetKind() != "Namespace" && own != wave {
			wave = max(-ownWave, min(own, ownWave))
		}
		if annotations == nil {
			annotations = map[string]string{}
		}
		annotations[AnnotationSyncWave] = strconv.Itoa(wave)
		obj.SetAnnotations(annotations)
	}
}

// The hooks that a template wants before the sync, between what everything needs and the workloads.
const firstEarly, lastEarly = -59, -51

// setEarly moves PreSync hooks into the sync itself: Argo CD runs that phase before there is a Namespace, and a new
// environment would never get one. Their order stays; beyond nine different waves the last ones share one.
func setEarly(objs []*unstructured.Unstructured) {
	early := map[*unstructured.Unstructured]int{}
	for _, obj := range objs {
		if slices.Contains(hookPhases(obj), "PreSync") && obj.GetKind() != "Namespace" {
			early[obj], _ = strconv.Atoi(obj.GetAnnotations()[AnnotationSyncWave]) // none, or no number, is 0 to Argo CD too
		}
	}
	waves := slices.Compact(slices.Sorted(maps.Values(early)))
	for obj, own := range early {
		rank, _ := slices.BinarySearch(waves, own)
		phases := slices.DeleteFunc(hookPhases(obj), func(p string) bool { return p == "PreSync" || p == "Sync" })
		annotations := obj.GetAnnotations()
		annotations[AnnotationHook] = strings.Join(append([]string{"Sync"}, phases...), ",")
		annotations[AnnotationSyncWave] = strconv.Itoa(min(firstEarly+rank, lastEarly))
		obj.SetAnnotations(annotations)
	}
}

// hookPhases are the phases of Argo CD's syncs that an object is a hook of.
func hookPhases(obj *unstructured.Unstructured) []string {
	phases := strings.Split(obj.GetAnnotations()[AnnotationHook], ",")
	for i := range phases {
		phases[i] = strings.TrimSpace(phases[i])
	}
	return phases
}
