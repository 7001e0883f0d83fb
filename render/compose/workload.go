package compose

import (
	"fmt"
	"maps"
	"strconv"

	composetypes "github.com/compose-spec/compose-go/v2/types"
	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"catalyst.dev/catalyst/render/manifest"
)

// labelService selects a service's pods. It is not app.kubernetes.io/name, which templates may set.
const labelService = "catalyst.dev/service"

const annotationWave = manifest.AnnotationSyncWave

func (t *translation) selector(service string) map[string]string {
	return map[string]string{labelService: t.names[service]}
}

// workload makes a service's Deployment, DaemonSet or Job; one that runs in another's pod has none.
func (t *translation) workload(svc composetypes.ServiceConfig) {
	if t.owners[svc.Name] != svc.Name {
		return
	}
	pod := *t.template(svc.Name)
	meta := metav1.ObjectMeta{Name: t.names[svc.Name], Labels: t.workloadLabels(svc),
		Annotations: map[string]string{annotationWave: strconv.Itoa(t.workloadWaves[svc.Name])}}
	t.deployNotes(svc)
	selector := &metav1.LabelSelector{MatchLabels: t.selector(svc.Name)}
	switch {
	case t.oneShot[svc.Name]:
		t.job(svc, meta, pod)
	case svc.Deploy != nil && svc.Deploy.Mode == "global" && t.in.DaemonSets:
		t.add(&appsv1.DaemonSet{TypeMeta: metav1.TypeMeta{APIVersion: "apps/v1", Kind: "DaemonSet"}, ObjectMeta: meta,
			Spec: appsv1.DaemonSetSpec{Selector: selector, Template: pod}})
	default:
		replicas := t.scale[svc.Name]
		d := &appsv1.Deployment{TypeMeta: metav1.TypeMeta{APIVersion: "apps/v1", Kind: "Deployment"}, ObjectMeta: meta,
			Spec: appsv1.DeploymentSpec{Replicas: &replicas, Selector: selector, Template: pod}}
		t.update(svc, &d.Spec)
		t.add(d)
	}
}

// workloadLabels are the workload's own: those of deploy, where Kubernetes takes them, below Catalyst's.
func (t *translation) workloadLabels(svc composetypes.ServiceConfig) map[string]string {
	labels := map[string]string{}
	if svc.Deploy != nil {
		for _, k := range sortedKeys(svc.Deploy.Labels) {
			if v := svc.Deploy.Labels[k]; isLabel(k, v) {
				labels[k] = v
			} else {
				t.note(svc.Name, "deploy.labels."+k, manifest.Ignored, "it is no label that Kubernetes takes, or one of the platform's")
			}
		}
	}
	maps.Copy(labels, t.labels(svc))
	return labels
}

// findScale finds the replicas of each pod and whether one alone may run at a time.
func (t *translation) findScale() {
	t.scale, t.stateful = map[string]int32{}, map[string]bool{}
	for _, owner := range sortedKeys(t.members) {
		svc := t.project.Services[owner]
		n := t.replicas(svc)
		for _, member := range t.members[owner] {
			t.stateful[owner] = t.stateful[owner] || t.isBoundToNode(t.project.Services[member])
		}
		switch {
		case svc.Deploy != nil && svc.Deploy.Mode == "global" && !t.in.DaemonSets:
			n = 1
			t.note(owner, "deploy.mode", manifest.Approximated, "one pod, not one a node: this platform's policy allows no DaemonSet")
		case t.stateful[owner] && n > 1:
			t.note(owner, "deploy.replicas", manifest.Approximated, "1 replica: its volume is for one pod at a time")
			n = 1
		}
		t.scale[owner] = n
	}
}

// replicas that are asked for.
func (t *translation) replicas(svc composetypes.ServiceConfig) int32 {
	n := int64(1)
	if svc.Scale != nil {
		n = int64(*svc.Scale)
	}
	if svc.Deploy != nil && svc.Deploy.Replicas != nil {
		n = int64(*svc.Deploy.Replicas)
	}
	if v, ok := t.serviceValues(svc.Name)["replicas"]; ok {
		own, isNumber := wholeNumber(v)
		if !isNumber {
			return 1 // checkValues says so
		}
		n = own
	}
	if n < 0 || n > maxReplicas {
		t.refuseKey(svc.Name, "deploy.replicas", fmt.Sprintf("%d replicas, not between 0 and %d", n, maxReplicas), "ask for fewer")
		return 1
	}
	return int32(n)
}

// update translates how pods are replaced. Two pods must never write one volume.
func (t *translation) update(svc composetypes.ServiceConfig, spec *appsv1.DeploymentSpec) {
	var u *composetypes.UpdateConfig
	if svc.Deploy != nil {
		u = svc.Deploy.UpdateConfig
	}
	if t.stateful[svc.Name] || usesHostNetwork(svc) {
		spec.Strategy.Type = appsv1.RecreateDeploymentStrategyType
		if u != nil && u.Order == "start-first" {
			t.note(svc.Name, "deploy.update_config.order", manifest.Approximated, "stop-first: its volume is for one pod at a time")
		}
		return
	}
	if u == nil {
		return
	}
	at := intstr.FromInt32(1)
	if p := u.Parallelism; p != nil && *p == 0 {
		at = intstr.FromString("100%")
	} else if p != nil {
		at = intstr.FromInt32(int32(min(*p, maxReplicas)))
	}
	zero := intstr.FromInt32(0)
	rolling := &appsv1.RollingUpdateDeployment{MaxUnavailable: &at, MaxSurge: &zero}
	if u.Order == "start-first" {
		rolling = &appsv1.RollingUpdateDeployment{MaxUnavailable: &zero, MaxSurge: &at}
	}
	spec.Strategy = appsv1.DeploymentStrategy{Type: appsv1.RollingUpdateDeploymentStrategyType, RollingUpdate: rolling}
	if u.Delay > 0 {
		spec.MinReadySeconds = min(seconds(&u.Delay, 0), 300) // Kubernetes gives a rollout ten minutes
	}
}

// deployNotes reports what of deploy Kubernetes does in its own way.
func (t *translation) deployNotes(svc composetypes.ServiceConfig) {
	d := svc.Deploy
	if d == nil {
		return
	}
	if u := d.UpdateConfig; u != nil && (u.FailureAction != "" && u.FailureAction != "pause" || u.Monitor > 0 || u.MaxFailureRatio > 0) {
		t.note(svc.Name, "deploy.update_config", manifest.Ignored, "failure_action, monitor and max_failure_ratio: a rollout that does not become ready stops, and Git rolls it back")
	}
	if d.RollbackConfig != nil {
		t.note(svc.Name, "deploy.rollback_config", manifest.Ignored, "a rollback is a commit, and rolls out like any other")
	}
	if p := d.RestartPolicy; p != nil && (p.Delay != nil || p.Window != nil) {
		t.note(svc.Name, "deploy.restart_policy", manifest.Ignored, "delay and window: Kubernetes waits longer after each restart")
	}
}

// labels of a service's workload and pods.
func (t *translation) labels(svc composetypes.ServiceConfig) map[string]string {
	labels := t.selector(svc.Name)
	labels["app.kubernetes.io/component"] = t.names[svc.Name]
	return labels
}

func (t *translation) podLabels(svc composetypes.ServiceConfig) map[string]string {
	labels := t.labels(svc)
	maps.Copy(labels, t.networkLabels(t.owners[svc.Name]))
	maps.Copy(labels, t.nodeLabels(svc))
	return labels
}
