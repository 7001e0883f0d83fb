package compose

import (
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"catalyst.dev/catalyst/render/manifest"
)

// workload is what the quota counts of an object.
type workload struct {
	object   int // its place among the objects
	typed    runtime.Object
	pod      *corev1.PodSpec
	replicas int64
	// surges: a rollout runs one pod more than replicas for a while.
	surges bool
	// ends: it runs to its end, and its definition is fixed once it is applied.
	ends bool
}

// measure is one line of the quota: requests or limits of one resource.
type measure struct {
	name   corev1.ResourceName
	limits bool
	hard   resource.Quantity
	usual  resource.Quantity
	// least is what a container keeps of what it did not ask for itself.
	least resource.Quantity
}

func (m measure) what() string {
	if m.limits {
		return "limits of " + string(m.name)
	}
	return "requests of " + string(m.name)
}

// fitQuota lowers what containers ask for until the sum fits the namespace's quota, which would leave pods out otherwise:
// first what comes from the LimitRange, then what the application asks for.
func (t *translation) fitQuota() {
	if len(t.in.Quota) == 0 {
		return
	}
	workloads := t.workloads()
	t.fitPods(workloads)
	changed := false
	for _, m := range t.measures() {
		changed = t.fit(m, workloads) || changed
	}
	if !changed {
		return
	}
	for _, w := range workloads {
		u, err := manifest.FromTyped(w.typed)
		if err != nil {
			t.errs = append(t.errs, err)
			continue
		}
		t.objs[w.object] = u
	}
}

// measures are the lines of the quota that count containers, requests before limits.
func (t *translation) measures() []measure {
	var out []measure
	for _, limits := range []bool{false, true} {
		for _, r := range []struct {
			name  corev1.ResourceName
			least string
		}{{corev1.ResourceCPU, "1m"}, {corev1.ResourceMemory, "4Mi"}, {corev1.ResourceEphemeralStorage, "16Mi"}} {
			m := measure{name: r.name, limits: limits, least: resource.MustParse(r.least)}
			key, defaults := "requests."+r.name, t.in.ContainerDefaults.Requests
			if limits {
				key, defaults = "limits."+r.name, t.in.ContainerDefaults.Limits
			}
			hard, counted := t.in.Quota[key]
			if bare, ok := t.in.Quota[r.name]; ok && !limits && !counted {
				hard, counted = bare, true
			}
			if counted {
				m.hard, m.usual = hard, defaults[r.name]
				out = append(out, m)
			}
		}
	}
	return out
}

// workloads are the objects that run pods.
func (t *translation) workloads() []workload {
	var out []workload
	for i, obj := range t.objs {
		w := workload{object: i, replicas: 1}
		switch obj.GetKind() {
		case "Deployment":
			d := &appsv1.Deployment{}
			w.typed, w.pod = t.typed(obj, d), &d.Spec.Template.Spec
			w.surges = d.Spec.Strategy.Type != appsv1.RecreateDeploymentStrategyType
			w.replicas = replicasOf(d.Spec.Replicas)
		case "StatefulSet":
			s := &appsv1.StatefulSet{}
			w.typed, w.pod = t.typed(obj, s), &s.Spec.Template.Spec
			w.replicas = replicasOf(s.Spec.Replicas)
		case "DaemonSet":
			d := &appsv1.DaemonSet{}
			w.typed, w.pod = t.typed(obj, d), &d.Spec.Template.Spec
		case "Job":
			j := &batchv1.Job{}
			w.typed, w.pod, w.ends = t.typed(obj, j), &j.Spec.Template.Spec, true
		default:
			continue
		}
		out = append(out, w)
	}
	return out
}

func replicasOf(n *int32) int64 {
	if n == nil {
		return 1
	}
	return int64(*n)
}

func (t *translation) typed(obj *unstructured.Unstructured, into runtime.Object) runtime.Object {
	if err := manifest.ToTyped(obj, into); err != nil {
		t.errs = append(t.errs, fmt.Errorf("reading %s %s: %w", obj.GetKind(), obj.GetName(), err))
	}
	return into
}

// fitPods refuses more pods than the quota has room for: nothing can be lowered there but replicas.
func (t *translation) fitPods(workloads []workload) {
	hard, counted := t.in.Quota[corev1.ResourcePods]
	if !counted {
		return
	}
	pods := int64(0)
	for _, w := range workloads {
		if !w.ends {
			pods += w.replicas
		}
	}
	if pods > hard.Value() {
		t.refuse("services", fmt.Sprintf("%d pods, and the namespace's quota has room for %s", pods, hard.String()),
			"lower deploy.replicas, or raise pods in spec.resources.defaultQuota of project.yaml")
	}
}

// fit holds one measure, and reports whether it changed a container.
func (t *translation) fit(m measure, workloads []workload) bool {
	soft := func(c *corev1.Container, w workload) bool { return !w.ends && t.isUsual(m, c) }
	usual := m.usual
	total := func(usual resource.Quantity, count *int64) resource.Quantity {
		return sum(workloads, func(c *corev1.Container, w workload) resource.Quantity {
			if soft(c, w) {
				*count++
				return usual
			}
			return m.of(c)
		})
	}
	var count int64
	if whole := total(usual, &count); whole.Cmp(m.hard) <= 0 {
		return false
	}
	share := m.least
	if room := m.hard.DeepCopy(); count > 0 {
		room.Sub(total(resource.Quantity{}, new(int64)))
		if each := divide(room, 1, slots(workloads, soft)); each.Cmp(share) > 0 {
			share = each
		}
		if share.Cmp(usual) > 0 {
			share = usual
		}
		t.note("", "deploy.resources", manifest.Approximated, fmt.Sprintf("the %s of the containers that ask for none are %s each, so that all fit the namespace's quota of %s", m.what(), share.String(), m.hard.String()))
	}
	lowered := total(share, new(int64))
	over := lowered.Cmp(m.hard) > 0
	if over {
		t.note("", "deploy.resources", manifest.Approximated, fmt.Sprintf("the services ask for %s where the namespace's quota for %s is %s: all are lowered to fit; raise spec.resources.defaultQuota of project.yaml", lowered.String(), m.what(), m.hard.String()))
	}
	eachContainer(workloads, func(c *corev1.Container, w workload) {
		switch {
		case w.ends:
		case soft(c, w):
			m.set(c, share)
		case over:
			m.set(c, scale(m.of(c), m.hard, lowered))
		}
	})
	return true
}

func eachContainer(workloads []workload, visit func(*corev1.Container, workload)) {
	for _, w := range workloads {
		for _, list := range [][]corev1.Container{w.pod.InitContainers, w.pod.Containers} {
			for i := range list {
				visit(&list[i], w)
			}
		}
	}
}

// isUsual reports whether a container takes what the LimitRange gives, or what was derived from it.
func (t *translation) isUsual(m measure, c *corev1.Container) bool {
	if m.limits {
		_, own := c.Resources.Limits[m.name]
		return !own
	}
	_, own := c.Resources.Requests[m.name]
	if !own {
		_, own = c.Resources.Limits[m.name] // Kubernetes makes the limit a request
	}
	return !own || t.usual[resourceOf{c.Name, m.name}]
}

// of is what the API server counts for a container.
func (m measure) of(c *corev1.Container) resource.Quantity {
	limit, limited := c.Resources.Limits[m.name]
	request, requested := c.Resources.Requests[m.name]
	switch {
	case m.limits && limited, !m.limits && !requested && limited:
		return limit
	case !m.limits && requested:
		return request
	}
	return m.usual
}

// set writes a request or a limit, and keeps the request at or below the limit.
func (m measure) set(c *corev1.Container, q resource.Quantity) {
	own := &c.Resources.Requests
	if m.limits {
		own = &c.Resources.Limits
	}
	if *own == nil {
		*own = corev1.ResourceList{}
	}
	(*own)[m.name] = q
	limit, limited := c.Resources.Limits[m.name]
	if request, requested := c.Resources.Requests[m.name]; limited && requested && request.Cmp(limit) > 0 {
		c.Resources.Requests[m.name] = limit
	}
}

// sum is the most that all pods take at once: the lasting ones, and the largest of a job's pod and of one that a rollout adds.
func sum(workloads []workload, of func(*corev1.Container, workload) resource.Quantity) resource.Quantity {
	total, extra := resource.Quantity{}, resource.Quantity{}
	for _, w := range workloads {
		pod, most := resource.Quantity{}, resource.Quantity{}
		for i := range w.pod.InitContainers {
			c := &w.pod.InitContainers[i]
			q := of(c, w)
			if c.RestartPolicy != nil { // a sidecar runs beside the others
				pod.Add(q)
			} else if q.Cmp(most) > 0 {
				most = q
			}
		}
		for i := range w.pod.Containers {
			pod.Add(of(&w.pod.Containers[i], w))
		}
		if most.Cmp(pod) > 0 {
			pod = most
		}
		if (w.ends || w.surges) && pod.Cmp(extra) > 0 {
			extra = pod
		}
		if w.ends {
			continue
		}
		all := pod.DeepCopy()
		all.Mul(w.replicas)
		total.Add(all)
	}
	total.Add(extra)
	return total
}

// slots is the most containers that take the usual share at once.
func slots(workloads []workload, soft func(*corev1.Container, workload) bool) int64 {
	one := resource.MustParse("1")
	n := sum(workloads, func(c *corev1.Container, w workload) resource.Quantity {
		if soft(c, w) {
			return one
		}
		return resource.Quantity{}
	})
	return max(n.Value(), 1)
}

// divide is q*numerator/denominator, rounded down: CPUs to thousandths, bytes to whole MiB.
func divide(q resource.Quantity, numerator, denominator int64) resource.Quantity {
	if q.Format == resource.BinarySI || q.Value() > 1<<20 {
		const mib = 1 << 20
		return *resource.NewQuantity(int64(float64(q.Value())*float64(numerator)/float64(denominator))/mib*mib, resource.BinarySI)
	}
	return *resource.NewMilliQuantity(int64(float64(q.MilliValue())*float64(numerator)/float64(denominator)), resource.DecimalSI)
}

// scale lowers q as far as the sum must be lowered, keeping something of it.
func scale(q, hard, asked resource.Quantity) resource.Quantity {
	part := hard.AsApproximateFloat64() / asked.AsApproximateFloat64()
	return divide(q, int64(part*0.99*1e6), 1e6)
}
