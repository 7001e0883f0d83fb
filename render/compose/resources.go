package compose

import (
	"fmt"
	"math"
	"slices"
	"strconv"

	composetypes "github.com/compose-spec/compose-go/v2/types"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"catalyst.dev/catalyst/render/manifest"
)

// resources are the limits and requests of a service. Compose's limit is no reservation, but Kubernetes would make it one
// where no request stands beside it; and the namespace's LimitRange gives a limit that may lie below the request.
func (t *translation) resources(svc composetypes.ServiceConfig) corev1.ResourceRequirements {
	limits, requests := corev1.ResourceList{}, corev1.ResourceList{}
	cpu(requests, float64(svc.CPUShares)/1024)
	cpu(limits, float64(svc.CPUPercent)/100)
	cpu(limits, float64(svc.CPUCount))
	if svc.CPUPeriod > 0 && svc.CPUQuota > 0 {
		cpu(limits, float64(svc.CPUQuota)/float64(svc.CPUPeriod))
	} else if svc.CPUQuota > 0 {
		cpu(limits, float64(svc.CPUQuota)/100_000) // the kernel's default period
	}
	cpu(limits, float64(svc.CPUS))
	memory(limits, svc.MemLimit)
	memory(requests, svc.MemReservation)
	devices := svc.Gpus
	if svc.Deploy != nil {
		if l := svc.Deploy.Resources.Limits; l != nil {
			cpu(limits, float64(l.NanoCPUs))
			memory(limits, l.MemoryBytes)
		}
		if r := svc.Deploy.Resources.Reservations; r != nil {
			cpu(requests, float64(r.NanoCPUs))
			memory(requests, r.MemoryBytes)
			devices = append(slices.Clone(devices), r.Devices...)
		}
	}
	for _, d := range devices {
		t.gpus(svc, d, limits)
	}
	t.override(svc.Name, limits, requests)
	t.settle(svc.Name, limits, requests)
	r := corev1.ResourceRequirements{}
	if len(limits) > 0 {
		r.Limits = limits
	}
	if len(requests) > 0 {
		r.Requests = requests
	}
	return r
}

// settle makes requests and limits fit each other and the LimitRange.
func (t *translation) settle(service string, limits, requests corev1.ResourceList) {
	for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory} {
		limit, limited := limits[name]
		request, requested := requests[name]
		usual, hasUsual := t.in.ContainerDefaults.Requests[name]
		most, capped := t.in.ContainerDefaults.Limits[name]
		switch {
		case limited && requested && request.Cmp(limit) > 0:
			requests[name] = limit
			t.note(service, "deploy.resources", manifest.Approximated, fmt.Sprintf("the reservation of %s is above its limit and was lowered to it", name))
		case limited && !requested && hasUsual:
			if usual.Cmp(limit) > 0 {
				usual = limit
			}
			requests[name] = usual
			t.usual[resourceOf{t.names[service], name}] = true
		case requested && !limited && capped && request.Cmp(most) > 0:
			limits[name] = request
		}
	}
}

// resourceOf names a resource of a container.
type resourceOf struct {
	container string
	name      corev1.ResourceName
}

// cpu sets a number of CPUs, one thousandth at least.
func cpu(list corev1.ResourceList, cpus float64) {
	if cpus > 0 {
		milli := min(max(math.Round(cpus*1000), 1), 1e9)
		list[corev1.ResourceCPU] = *resource.NewMilliQuantity(int64(milli), resource.DecimalSI)
	}
}

func memory(list corev1.ResourceList, bytes composetypes.UnitBytes) {
	if bytes > 0 {
		list[corev1.ResourceMemory] = *resource.NewQuantity(int64(bytes), resource.BinarySI)
	}
}

// gpuResources are what the vendors' device plugins call their devices.
var gpuResources = map[string]corev1.ResourceName{"": "nvidia.com/gpu", "nvidia": "nvidia.com/gpu", "cdi": "nvidia.com/gpu", "amd": "amd.com/gpu", "intel": "gpu.intel.com/i915"}

// gpus adds a request for devices. Kubernetes counts them; it knows no "all" and no device by its number.
func (t *translation) gpus(svc composetypes.ServiceConfig, d composetypes.DeviceRequest, limits corev1.ResourceList) {
	const key = "deploy.resources.reservations.devices"
	name, known := gpuResources[d.Driver]
	isGPU := len(d.Capabilities) == 0 || slices.ContainsFunc(d.Capabilities, func(c string) bool { return c == "gpu" || c == "nvidia" || c == "amd" })
	if !known || !isGPU {
		t.note(svc.Name, key, manifest.Ignored, fmt.Sprintf("no device plugin is known for the driver %q and the capabilities %q", d.Driver, d.Capabilities))
		return
	}
	count := int64(d.Count)
	if len(d.IDs) > 0 {
		count = int64(len(d.IDs))
	}
	if count < 0 {
		t.note(svc.Name, key, manifest.Approximated, "all devices of a node cannot be asked for: one is")
	}
	total := limits[name]
	total.Add(*resource.NewQuantity(min(max(count, 1), 1000), resource.DecimalSI))
	limits[name] = total
}

// override lays values.services.<name>.resources over them, in Kubernetes' own form.
func (t *translation) override(service string, limits, requests corev1.ResourceList) {
	own, _ := t.serviceValues(service)["resources"].(map[string]any)
	for _, field := range []struct {
		name string
		list corev1.ResourceList
	}{{"limits", limits}, {"requests", requests}} {
		values, _ := own[field.name].(map[string]any)
		for _, name := range sortedKeys(values) {
			if q, err := parseQuantity(values[name]); err == nil { // checkValues reports the others
				field.list[corev1.ResourceName(name)] = q
			}
		}
	}
}

// parseQuantity reads a quantity that YAML may have taken for a number.
func parseQuantity(v any) (resource.Quantity, error) {
	text := fmt.Sprint(v)
	if f, isNumber := v.(float64); isNumber {
		text = strconv.FormatFloat(f, 'f', -1, 64)
	}
	q, err := resource.ParseQuantity(text)
	if err == nil && q.Sign() < 0 {
		err = fmt.Errorf("%s is negative", text)
	}
	return q, err
}
