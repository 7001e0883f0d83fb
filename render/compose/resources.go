package compose

import (
	"fmt"

	composetypes "github.com/compose-spec/compose-go/v2/types"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"catalyst.dev/catalyst/render/manifest"
)

// resources are the limits and requests; the namespace's LimitRange gives what is left out.
func (t *translation) resources(svc composetypes.ServiceConfig) corev1.ResourceRequirements {
	limits, requests := corev1.ResourceList{}, corev1.ResourceList{}
	cpu(limits, float64(svc.CPUS))
	cpu(limits, float64(svc.CPUCount))
	if svc.CPUPeriod > 0 && svc.CPUQuota > 0 {
		cpu(limits, float64(svc.CPUQuota)/float64(svc.CPUPeriod))
	}
	memory(limits, svc.MemLimit)
	memory(requests, svc.MemReservation)
	if svc.Deploy != nil {
		if l := svc.Deploy.Resources.Limits; l != nil {
			cpu(limits, float64(l.NanoCPUs))
			memory(limits, l.MemoryBytes)
		}
		if r := svc.Deploy.Resources.Reservations; r != nil {
			cpu(requests, float64(r.NanoCPUs))
			memory(requests, r.MemoryBytes)
		}
	}
	t.override(svc.Name, limits, requests)
	for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory} {
		limit, limited := limits[name]
		request, requested := requests[name]
		if limited && requested && request.Cmp(limit) > 0 {
			requests[name] = limit
			t.note(svc.Name, "deploy.resources", manifest.Approximated, fmt.Sprintf("the reservation of %s is above its limit and was lowered to it", name))
		}
	}
	r := corev1.ResourceRequirements{}
	if len(limits) > 0 {
		r.Limits = limits
	}
	if len(requests) > 0 {
		r.Requests = requests
	}
	return r
}

func cpu(list corev1.ResourceList, cpus float64) {
	if cpus > 0 {
		list[corev1.ResourceCPU] = *resource.NewMilliQuantity(int64(cpus*1000+0.5), resource.DecimalSI)
	}
}

func memory(list corev1.ResourceList, bytes composetypes.UnitBytes) {
	if bytes > 0 {
		list[corev1.ResourceMemory] = *resource.NewQuantity(int64(bytes), resource.BinarySI)
	}
}

// override lays values.services.<name>.resources over them, in Kubernetes' own form.
func (t *translation) override(service string, limits, requests corev1.ResourceList) {
	own, _ := t.serviceValues(service)["resources"].(map[string]any)
	for field, list := range map[string]corev1.ResourceList{"limits": limits, "requests": requests} {
		values, _ := own[field].(map[string]any)
		for _, name := range sortedKeys(values) {
			q, err := resource.ParseQuantity(fmt.Sprint(values[name]))
			if err != nil {
				t.errs = append(t.errs, &manifest.Problem{File: "project.yaml", Field: "values.services." + service + ".resources." + field + "." + name,
					Message: fmt.Sprintf("%v is not a quantity", values[name]), Remedy: `write it as "500m" or "256Mi"`})
				continue
			}
			list[corev1.ResourceName(name)] = q
		}
	}
}

// serviceValues are values.services.<name>.
func (t *translation) serviceValues(service string) map[string]any {
	services, _ := t.in.Values["services"].(map[string]any)
	own, _ := services[service].(map[string]any)
	return own
}
