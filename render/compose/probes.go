package compose

import (
	"fmt"
	"math"
	"time"

	composetypes "github.com/compose-spec/compose-go/v2/types"
	corev1 "k8s.io/api/core/v1"
)

// maxSeconds bounds what a probe is told to wait: a day says never.
const maxSeconds = 24 * 60 * 60

// probes translates the health check. It decides readiness, never liveness: Docker never restarts an unhealthy
// container. The start period becomes a startup probe, which fails when Docker would call the container unhealthy.
func (t *translation) probes(svc composetypes.ServiceConfig) (readiness, startup *corev1.Probe) {
	h := svc.HealthCheck
	command := t.probeCommand(svc)
	if len(command) == 0 {
		return nil, nil
	}
	// Docker's defaults.
	interval := seconds(h.Interval, 30*time.Second)
	retries := int32(3)
	if h.Retries != nil && *h.Retries > 0 {
		retries = int32(min(*h.Retries, 1000))
	}
	readiness = &corev1.Probe{
		ProbeHandler:     corev1.ProbeHandler{Exec: &corev1.ExecAction{Command: command}},
		PeriodSeconds:    interval,
		TimeoutSeconds:   seconds(h.Timeout, 30*time.Second),
		FailureThreshold: retries,
	}
	if h.StartPeriod != nil && *h.StartPeriod > 0 {
		startup = readiness.DeepCopy()
		startup.PeriodSeconds = seconds(h.StartInterval, 5*time.Second)
		whole := int64(seconds(h.StartPeriod, 0)) + int64(retries)*int64(interval)
		startup.FailureThreshold = int32((whole + int64(startup.PeriodSeconds) - 1) / int64(startup.PeriodSeconds))
	}
	return readiness, startup
}

// probeCommand is what Docker would run in the container; nil for no health check.
func (t *translation) probeCommand(svc composetypes.ServiceConfig) []string {
	h := svc.HealthCheck
	if h == nil || h.Disable || len(h.Test) == 0 {
		return nil
	}
	words := append([]string{}, h.Test[1:]...)
	switch h.Test[0] {
	case "NONE":
		return nil
	case "CMD-SHELL":
		if len(words) > 0 {
			words = append([]string{"/bin/sh", "-c"}, words...)
		}
	case "CMD":
	default:
		t.refuseKey(svc.Name, "healthcheck.test", fmt.Sprintf("a list that begins with %q", h.Test[0]), "begin it with CMD, CMD-SHELL or NONE, or write the command as text")
		return nil
	}
	return words
}

// seconds rounds up to whole seconds, one at least, as Kubernetes counts. Docker takes zero for its default.
func seconds(d *composetypes.Duration, def time.Duration) int32 {
	v := def
	if d != nil && *d > 0 {
		v = time.Duration(*d)
	}
	return int32(min(max(math.Ceil(v.Seconds()), 1), maxSeconds))
}
