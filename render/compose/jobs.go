package compose

import (
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	composetypes "github.com/compose-spec/compose-go/v2/types"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"catalyst.dev/catalyst/render/manifest"
)

// defaultRetries of a job that nothing is said about. Compose would not retry, but its containers do not move.
const defaultRetries = 3

// findJobs finds the services that run to their end.
func (t *translation) findJobs() {
	t.oneShot = map[string]bool{}
	awaited := map[string]bool{}
	for _, svc := range t.services() {
		for name, d := range svc.DependsOn {
			if d.Condition == composetypes.ServiceConditionCompletedSuccessfully {
				awaited[name] = true
			}
		}
	}
	for _, svc := range t.services() {
		t.oneShot[svc.Name] = awaited[svc.Name] || t.runsToItsEnd(svc)
	}
}

// runsToItsEnd reports whether a service that nothing waits for is a job all the same: it says so, or it asks not to be
// restarted and nothing can talk to it.
func (t *translation) runsToItsEnd(svc composetypes.ServiceConfig) bool {
	if svc.Deploy != nil && (svc.Deploy.Mode == "replicated-job" || svc.Deploy.Mode == "global-job") {
		return true
	}
	restart := restartOf(svc)
	if restart == "" && endsAtOnce(svc) {
		return len(svc.Ports) == 0
	}
	if restart != "no" && !strings.HasPrefix(restart, "on-failure") {
		return false
	}
	if t.isServer(svc) {
		t.note(svc.Name, "restart", manifest.Approximated, "a service that others talk to is always restarted")
		return false
	}
	return true
}

// endsAtOnce reports whether a service only says something, or is there for its volumes.
func endsAtOnce(svc composetypes.ServiceConfig) bool {
	words := slices.Concat(svc.Entrypoint, svc.Command)
	if len(words) == 0 {
		return svc.Image == "hello-world"
	}
	if len(words) == 3 && slices.Contains([]string{"sh", "bash", "ash"}, path.Base(words[0])) && words[1] == "-c" && !strings.ContainsAny(words[2], ";&|\n") {
		words = strings.Fields(words[2])
	}
	return len(words) > 0 && slices.Contains([]string{"true", "echo", "printf"}, path.Base(words[0]))
}

// isServer reports whether something can talk to a service: it names ports or a health check, or runs its image as it is
// and that one serves.
func (t *translation) isServer(svc composetypes.ServiceConfig) bool {
	if len(svc.Ports)+len(svc.Expose) > 0 || isChecked(svc.HealthCheck) {
		return true
	}
	asItIs := len(svc.Command)+len(svc.Entrypoint) == 0
	if s, known := t.server(svc); known && (asItIs || s.command != nil) {
		return true
	}
	return len(t.dockerfiles[svc.Name].ports) > 0 && asItIs
}

// restartOf is the restart policy in restart's words; deploy.restart_policy wins.
func restartOf(svc composetypes.ServiceConfig) string {
	if svc.Deploy != nil && svc.Deploy.RestartPolicy != nil {
		switch p := svc.Deploy.RestartPolicy; p.Condition {
		case "none":
			return "no"
		case "on-failure":
			if p.MaxAttempts != nil {
				return "on-failure:" + strconv.FormatUint(*p.MaxAttempts, 10)
			}
			return "on-failure"
		case "any":
			return "always"
		}
	}
	return svc.Restart
}

// retries of a job.
func retries(svc composetypes.ServiceConfig) int32 {
	restart := restartOf(svc)
	if restart == "no" {
		return 0
	}
	if _, n, ok := strings.Cut(restart, ":"); ok {
		if v, err := strconv.ParseUint(n, 10, 16); err == nil {
			return int32(v)
		}
	}
	return defaultRetries
}

// job makes a service's Job.
func (t *translation) job(svc composetypes.ServiceConfig, meta metav1.ObjectMeta, pod corev1.PodTemplateSpec) {
	spec := batchv1.JobSpec{}
	n := retries(svc)
	spec.BackoffLimit = &n
	if svc.Deploy != nil && svc.Deploy.Mode == "global-job" {
		t.note(svc.Name, "deploy.mode", manifest.Approximated, "it runs once, not once a node")
	}
	if scale := t.scale[svc.Name]; scale > 1 {
		spec.Parallelism, spec.Completions = &scale, &scale
	} else if scale == 0 {
		suspended := true
		spec.Suspend = &suspended
		t.note(svc.Name, "deploy.replicas", manifest.Approximated, "the job is suspended")
	}
	t.addJob(meta, spec, pod)
}

// addJob adds a Job that runs once for each definition: its name carries a hash, as a Job cannot be changed.
func (t *translation) addJob(meta metav1.ObjectMeta, spec batchv1.JobSpec, pod corev1.PodTemplateSpec) {
	pod.Spec.RestartPolicy = corev1.RestartPolicyNever
	spec.Template = pod
	data, err := json.Marshal(spec)
	if err != nil {
		t.errs = append(t.errs, fmt.Errorf("hashing job %s: %w", meta.Name, err))
		return
	}
	meta.Name += "-" + shortHash(string(data))
	t.add(&batchv1.Job{TypeMeta: metav1.TypeMeta{APIVersion: "batch/v1", Kind: "Job"}, ObjectMeta: meta, Spec: spec})
}
