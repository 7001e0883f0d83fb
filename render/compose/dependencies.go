package compose

import (
	"fmt"

	composetypes "github.com/compose-spec/compose-go/v2/types"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"catalyst.dev/catalyst/render/manifest"
)

// maxWave is the last sync wave of a workload; the Ingress comes after it.
const maxWave = 9

// levels are the sync waves: a service comes after what it depends on. compose-go has refused cycles.
func (t *translation) levels(services []composetypes.ServiceConfig) map[string]int {
	levels := map[string]int{}
	var level func(name string, depth int) int
	level = func(name string, depth int) int {
		if l, known := levels[name]; known || depth > maxServices {
			return l
		}
		l := 0
		for _, dependency := range sortedKeys(t.project.Services[name].DependsOn) {
			if _, exists := t.project.Services[dependency]; exists {
				l = max(l, level(dependency, depth+1)+1)
			}
		}
		levels[name] = min(l, maxWave)
		return levels[name]
	}
	for _, svc := range services {
		level(svc.Name, 0)
	}
	return levels
}

// runsToItsEnd reports whether a service is a job: others wait for its end, or it asks not to be restarted and nothing can
// talk to it.
func (t *translation) runsToItsEnd(svc composetypes.ServiceConfig) bool {
	for _, other := range t.project.Services {
		if d, ok := other.DependsOn[svc.Name]; ok && d.Condition == composetypes.ServiceConditionCompletedSuccessfully {
			return true
		}
	}
	if svc.Deploy != nil && (svc.Deploy.Mode == "replicated-job" || svc.Deploy.Mode == "global-job") {
		return true
	}
	restart := svc.Restart
	if svc.Deploy != nil && svc.Deploy.RestartPolicy != nil && svc.Deploy.RestartPolicy.Condition != "" {
		restart = map[string]string{"none": "no", "on-failure": "on-failure", "any": "always"}[svc.Deploy.RestartPolicy.Condition]
	}
	if restart != "no" && !isOnFailure(restart) {
		return false
	}
	if len(t.ports[svc.Name]) > 0 || svc.HealthCheck != nil && !svc.HealthCheck.Disable {
		t.note(svc.Name, "restart", manifest.Approximated, "a service that others talk to is always restarted")
		return false
	}
	return true
}

func isOnFailure(restart string) bool {
	return len(restart) >= 10 && restart[:10] == "on-failure"
}

// waits are init containers that hold a pod back, at each of its starts, until what it depends on is ready.
func (t *translation) waits(svc composetypes.ServiceConfig) []corev1.Container {
	var waits []corev1.Container
	for _, name := range sortedKeys(svc.DependsOn) {
		dependency := svc.DependsOn[name]
		if _, exists := t.project.Services[name]; !exists {
			continue // not required, and not enabled by the profiles
		}
		switch dependency.Condition {
		case composetypes.ServiceConditionHealthy:
			waits = append(waits, t.wait(name))
		case composetypes.ServiceConditionCompletedSuccessfully:
			// The job's sync wave is earlier, and Argo CD waits for it to succeed.
		}
		if dependency.Restart {
			t.note(svc.Name, "depends_on."+name+".restart", manifest.Ignored, "Kubernetes restarts a service only when its own definition changes")
		}
	}
	return waits
}

// wait is an init container that ends when the service is ready. A ClusterIP refuses connections while no pod is ready,
// and a headless name does not resolve.
func (t *translation) wait(name string) corev1.Container {
	host := t.names[name]
	check := fmt.Sprintf("nslookup %s >/dev/null 2>&1", host)
	for _, p := range t.ports[name] {
		if p.protocol == corev1.ProtocolTCP {
			check = fmt.Sprintf("nc -z -w 2 %s %d", host, p.target)
			break
		}
	}
	return t.helper("wait-for-"+host, "until "+check+"; do echo waiting for "+host+"; sleep 1; done", nonRoot())
}

// helper is a small init container of Catalyst's own.
func (t *translation) helper(name, script string, security *corev1.SecurityContext) corev1.Container {
	return corev1.Container{
		Name: name, Image: t.in.WaitImage, Command: []string{"/bin/sh", "-c", script}, SecurityContext: security,
		Resources: corev1.ResourceRequirements{
			Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("10m"), corev1.ResourceMemory: resource.MustParse("16Mi")},
			Limits:   corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("100m"), corev1.ResourceMemory: resource.MustParse("32Mi")},
		},
	}
}

func nonRoot() *corev1.SecurityContext {
	user, yes, no := int64(65534), true, false
	return &corev1.SecurityContext{RunAsUser: &user, RunAsNonRoot: &yes, AllowPrivilegeEscalation: &no, ReadOnlyRootFilesystem: &yes,
		Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}}}
}
