//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"catalyst.dev/catalyst/test/stack"
)

// judgement is what the API server says of an environment: why it refuses which object.
type judgement struct {
	server   *stack.APIServer
	refusals []error
}

// judge shows all objects of an environment to the API server. The namespace, its quota and its limits are made for real first, so
// that admission judges the rest by them; then claims and pods are made too, so that the quota must suffice for all together.
func judge(ctx context.Context, t testing.TB, server *stack.APIServer, objs []*unstructured.Unstructured) error {
	t.Helper()
	j := &judgement{server: server}
	var rest []*unstructured.Unstructured
	for _, kind := range []string{"Namespace", "LimitRange", "ResourceQuota"} {
		for _, obj := range objs {
			if obj.GetKind() == kind {
				j.refused(obj, server.Apply(ctx, obj))
				j.settle(ctx, t, obj)
			}
		}
	}
	for _, obj := range objs {
		switch obj.GetKind() {
		case "Namespace", "LimitRange", "ResourceQuota":
		default:
			rest = append(rest, obj)
		}
	}
	for _, obj := range rest {
		j.refused(obj, server.Judge(ctx, obj))
	}
	for _, obj := range rest {
		if obj.GetKind() == "PersistentVolumeClaim" {
			j.create(ctx, obj, obj)
		}
		if pod := podOf(obj); pod != nil {
			for range replicas(obj) {
				j.create(ctx, obj, pod)
			}
		}
	}
	return errors.Join(j.refusals...)
}

func (j *judgement) refused(obj *unstructured.Unstructured, err error) {
	if err != nil {
		j.refusals = append(j.refusals, fmt.Errorf("%s %s: %w", obj.GetKind(), obj.GetName(), err))
	}
}

func (j *judgement) create(ctx context.Context, owner, obj *unstructured.Unstructured) {
	resource, err := j.server.Resource(obj)
	if err == nil {
		_, err = resource.Create(ctx, obj, metav1.CreateOptions{FieldValidation: metav1.FieldValidationStrict})
	}
	j.refused(owner, err)
}

// settle does what the controllers would: a namespace gets its service account, and a quota the status that admission reads.
func (j *judgement) settle(ctx context.Context, t testing.TB, obj *unstructured.Unstructured) {
	t.Helper()
	switch obj.GetKind() {
	case "Namespace":
		account := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "ServiceAccount",
			"metadata": map[string]any{"name": "default", "namespace": obj.GetName()}}}
		if err := j.server.Apply(ctx, account); err != nil {
			t.Fatal(err)
		}
	case "ResourceQuota":
		hard, _, _ := unstructured.NestedMap(obj.Object, "spec", "hard")
		used := map[string]any{}
		for name := range hard {
			used[name] = "0"
		}
		status := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "ResourceQuota",
			"metadata": map[string]any{"name": obj.GetName(), "namespace": obj.GetNamespace()},
			"status":   map[string]any{"hard": hard, "used": used}}}
		if err := j.server.Apply(ctx, status, "status"); err != nil {
			t.Fatal(err)
		}
		j.awaitQuota(ctx, t, obj.GetNamespace())
	}
}

// awaitQuota returns when a pod is refused for asking more than the quota: from then on, admission knows it.
func (j *judgement) awaitQuota(ctx context.Context, t testing.TB, namespace string) {
	t.Helper()
	much := map[string]any{"cpu": "100000", "memory": "100000Gi"}
	greedy := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Pod",
		"metadata": map[string]any{"name": "greedy", "namespace": namespace},
		"spec": map[string]any{"containers": []any{map[string]any{"name": "greedy", "image": "greedy",
			"resources": map[string]any{"requests": much, "limits": much}}}}}}
	deadline := time.Now().Add(30 * time.Second)
	for {
		err := j.server.Judge(ctx, greedy)
		if err != nil && strings.Contains(err.Error(), "exceeded quota") {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the quota of %s is not enforced: %v", namespace, err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// templates are where a workload keeps the template of its pods.
var templates = map[string][]string{
	"Deployment": {"spec", "template"}, "StatefulSet": {"spec", "template"}, "DaemonSet": {"spec", "template"},
	"Job": {"spec", "template"}, "CronJob": {"spec", "jobTemplate", "spec", "template"},
}

// podOf is a pod as a workload's controller would make it; nil where the object has no pods.
func podOf(obj *unstructured.Unstructured) *unstructured.Unstructured {
	where, ok := templates[obj.GetKind()]
	if !ok {
		return nil
	}
	template, found, err := unstructured.NestedMap(obj.Object, where...)
	if !found || err != nil {
		return nil
	}
	pod := &unstructured.Unstructured{Object: template}
	pod.SetAPIVersion("v1")
	pod.SetKind("Pod")
	pod.SetNamespace(obj.GetNamespace())
	pod.SetGenerateName(obj.GetName() + "-")
	return pod
}

func replicas(obj *unstructured.Unstructured) int64 {
	n, found, err := unstructured.NestedInt64(obj.Object, "spec", "replicas")
	if !found || err != nil || obj.GetKind() == "DaemonSet" {
		return 1
	}
	return n
}
