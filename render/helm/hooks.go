package helm

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"catalyst.dev/catalyst/render/manifest"
)

// Helm's annotations, and Argo CD's.
const (
	helmHook           = "helm.sh/hook"
	helmWeight         = "helm.sh/hook-weight"
	helmDeletePolicy   = "helm.sh/hook-delete-policy"
	helmOutputLog      = "helm.sh/hook-output-log-policy"
	helmResourcePolicy = "helm.sh/resource-policy"
	argoDeletePolicy   = "argocd.argoproj.io/hook-delete-policy"
)

// mapHooks turns Helm's hooks into Argo CD's and drops those that have no like there.
func (r *renderer) mapHooks(objs []*unstructured.Unstructured) ([]*unstructured.Unstructured, error) {
	var kept []*unstructured.Unstructured
	for _, obj := range objs {
		annotations := obj.GetAnnotations()
		if annotations[helmResourcePolicy] == "keep" {
			r.add(obj, helmResourcePolicy, manifest.Ignored, "The object goes with the environment: keeping it is not supported.")
		}
		hook, ok := annotations[helmHook]
		if !ok {
			kept = append(kept, obj)
			continue
		}
		phases, plain := r.phases(obj, hook)
		if len(phases) == 0 && !plain {
			continue
		}
		for _, key := range []string{helmHook, helmWeight, helmDeletePolicy, helmOutputLog} {
			delete(annotations, key)
		}
		if len(phases) > 0 {
			if err := r.setHook(obj, annotations, phases); err != nil {
				return nil, err
			}
		}
		obj.SetAnnotations(annotations)
		if len(annotations) == 0 {
			obj.SetAnnotations(nil)
		}
		kept = append(kept, obj)
	}
	return kept, nil
}

// phases of Argo CD for a list of Helm's events; plain when the object is no hook to Argo CD.
func (r *renderer) phases(obj *unstructured.Unstructured, hook string) (phases []string, plain bool) {
	for event := range strings.SplitSeq(hook, ",") {
		event = strings.ToLower(strings.TrimSpace(event))
		switch event {
		case "pre-install", "pre-upgrade":
			phases = append(phases, "PreSync")
		case "post-install", "post-upgrade":
			phases = append(phases, "PostSync")
		case "crd-install":
			plain = true
		case "pre-delete", "post-delete":
			// Argo CD runs PostDelete hooks after it removed everything, here also the namespace that they would run
			// in: the Application could never be deleted.
			r.add(obj, helmHook, manifest.Ignored, event+" hooks have no namespace left to run in when an environment is deleted.")
		case "test", "test-success", "test-failure":
			r.add(obj, helmHook, manifest.Ignored, "Test hooks run with helm test only.")
		default:
			r.add(obj, helmHook, manifest.Ignored, fmt.Sprintf("Argo CD has no like of a %q hook.", event))
		}
	}
	slices.Sort(phases)
	return slices.Compact(phases), plain
}

func (r *renderer) setHook(obj *unstructured.Unstructured, annotations map[string]string, phases []string) error {
	weight := obj.GetAnnotations()[helmWeight]
	annotations[manifest.AnnotationHook] = strings.Join(phases, ",")
	if weight != "" {
		n, err := strconv.Atoi(strings.TrimSpace(weight))
		if err != nil {
			return &manifest.Problem{File: r.Path, Subject: subject(obj), Field: helmWeight,
				Message: fmt.Sprintf("%q is no number", weight), Remedy: "write a whole number in quotes"}
		}
		annotations[manifest.AnnotationSyncWave] = strconv.Itoa(n)
	}
	var policies []string
	for policy := range strings.SplitSeq(obj.GetAnnotations()[helmDeletePolicy], ",") {
		switch strings.TrimSpace(policy) {
		case "before-hook-creation":
			policies = append(policies, "BeforeHookCreation")
		case "hook-succeeded":
			policies = append(policies, "HookSucceeded")
		case "hook-failed":
			policies = append(policies, "HookFailed")
		}
	}
	if len(policies) == 0 {
		policies = []string{"BeforeHookCreation"} // Helm's default too
	}
	annotations[argoDeletePolicy] = strings.Join(policies, ",")
	return nil
}

func (r *renderer) add(obj *unstructured.Unstructured, key string, verdict manifest.Verdict, reason string) {
	r.report.Add(manifest.Finding{File: r.Path, Subject: subject(obj), Key: key, Verdict: verdict, Reason: reason})
}
