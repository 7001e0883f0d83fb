package compose

import (
	"math"
	"time"

	composetypes "github.com/compose-spec/compose-go/v2/types"
	corev1 "k8s.io/api/core/v1"
)

// probes translates the health check. It decides readiness, never liveness: Docker never restarts an unhealthy
// container. The start period becomes a startup probe.
func probes(h *composetypes.HealthCheckConfig) (readiness, startup *corev1.Probe) {
	if h == nil || h.Disable || len(h.Test) == 0 || h.Test[0] == "NONE" {
		return nil, nil
	}
	command := []string(h.Test[1:])
	if h.Test[0] == "CMD-SHELL" {
		command = append([]string{"/bin/sh", "-c"}, command...)
	}
	if len(command) == 0 {
		return nil, nil
	}
	// Docker's defaults.
	interval := seconds(h.Interval, 30*time.Second)
	retries := int32(3)
	if h.Retries != nil {
		retries = int32(min(max(*h.Retries, 1), 1000))
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
		start := seconds(h.StartPeriod, 0)
		startup.FailureThreshold = (start+startup.PeriodSeconds-1)/startup.PeriodSeconds + retries
	}
	return readiness, startup
}

// seconds rounds up to whole seconds, one at least, as Kubernetes counts.
func seconds(d *composetypes.Duration, def time.Duration) int32 {
	v := def
	if d != nil {
		v = time.Duration(*d)
	}
	return int32(min(max(math.Ceil(v.Seconds()), 1), math.MaxInt32/2))
}
