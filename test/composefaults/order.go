package composefaults

import (
	"maps"
	"regexp"
	"slices"

	composetypes "github.com/compose-spec/compose-go/v2/types"
	corev1 "k8s.io/api/core/v1"
)

// order checks that depends_on holds on each start of a pod, and through syncs.
func (c *checker) order(svc composetypes.ServiceConfig, at place) {
	for _, name := range slices.Sorted(maps.Keys(svc.DependsOn)) {
		dependency, known := c.project.Services[name]
		other, ok := c.objects.find(name)
		if !known || !ok || other.workload.name == at.workload.name && other.workload.kind == at.workload.kind {
			continue
		}
		condition := svc.DependsOn[name].Condition
		completed := condition == composetypes.ServiceConditionCompletedSuccessfully
		switch {
		case completed && other.workload.kind != "Job":
			c.fault(Order, svc.Name, "%s must complete but is a %s", name, other.workload.kind)
		case completed && other.workload.wave >= at.workload.wave:
			c.fault(Order, svc.Name, "%s must complete first but is in wave %d, not before %d", name, other.workload.wave, at.workload.wave)
		case !completed && other.workload.wave > at.workload.wave:
			c.fault(Order, svc.Name, "%s is in the later wave %d", name, other.workload.wave)
		case !completed && other.workload.kind == "Job" && other.workload.wave < at.workload.wave: // it has even ended
		case !completed && !c.waits(at, dependency.Name):
			c.fault(Order, svc.Name, "no init container waits for %s (%s)", name, condition)
		}
	}
}

// waits reports whether an init container has to do with a service.
func (c *checker) waits(at place, service string) bool {
	names := []string{service}
	if object, ok := c.service(service); ok {
		names = append(names, object.Name)
	}
	return slices.ContainsFunc(at.workload.pod.Spec.InitContainers, func(init corev1.Container) bool {
		texts := slices.Concat(init.Command, init.Args)
		for _, variable := range init.Env {
			texts = append(texts, variable.Value)
		}
		return slices.ContainsFunc(texts, func(text string) bool {
			return slices.ContainsFunc(names, func(name string) bool {
				return matches(`(?s:.*)\b`+regexp.QuoteMeta(name)+`\b(?s:.*)`, text)
			})
		})
	})
}
