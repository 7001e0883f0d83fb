package compose

import (
	"fmt"
	"slices"
	"strings"

	composetypes "github.com/compose-spec/compose-go/v2/types"
	corev1 "k8s.io/api/core/v1"

	"catalyst.dev/catalyst/render/manifest"
)

const (
	// maxWave is the last sync wave of a workload; the Ingresses come after it. A template's waves end at 50.
	maxWave = 48
	// ingressWave is the wave of Ingresses where no workload's is later.
	ingressWave = 10
)

// dependency of a pod on a service in another.
type dependency struct {
	// member is the service that depends, in the pod.
	member, on string
	composetypes.ServiceDependency
}

// findDependencies finds what each pod waits for. compose-go's cycles are refused before; those that sharing a pod closes
// hang on a dependency of a service in another's pod, which counts for nothing then.
func (t *translation) findDependencies() {
	t.depends = map[string][]dependency{}
	var shared []dependency
	for _, owner := range sortedKeys(t.members) {
		for _, member := range t.members[owner] {
			all := t.project.Services[member].DependsOn
			for _, on := range sortedKeys(all) {
				d := dependency{member, on, all[on]}
				switch _, exists := t.project.Services[on]; {
				case !exists, t.owners[on] == owner:
				case member == owner:
					t.depends[owner] = append(t.depends[owner], d)
				default:
					shared = append(shared, d)
				}
			}
		}
	}
	for _, d := range shared {
		owner := t.owners[d.member]
		if t.leadsTo(t.owners[d.on], owner, map[string]bool{}) {
			t.note(d.member, "depends_on."+d.on, manifest.Ignored, fmt.Sprintf("%s waits for %s, with which this runs in one pod", d.on, owner))
			continue
		}
		t.depends[owner] = append(t.depends[owner], d)
	}
}

// leadsTo reports whether one pod waits for another, through whatever stands between.
func (t *translation) leadsTo(from, to string, seen map[string]bool) bool {
	if from == to {
		return true
	}
	if seen[from] {
		return false
	}
	seen[from] = true
	return slices.ContainsFunc(t.depends[from], func(d dependency) bool { return t.leadsTo(t.owners[d.on], to, seen) })
}

// levels are the sync waves: a pod comes after what it depends on.
func (t *translation) levels() {
	t.waves = map[string]int{}
	t.workloadWaves = map[string]int{}
	for _, owner := range sortedKeys(t.members) {
		t.level(owner)
	}
}

func (t *translation) level(owner string) int {
	if wave, known := t.workloadWaves[owner]; known {
		return wave
	}
	l := 0
	for _, d := range t.depends[owner] {
		after := t.level(t.owners[d.on]) + 1
		if t.oneShot[d.on] && d.Condition != composetypes.ServiceConditionCompletedSuccessfully && !endsAtOnce(t.project.Services[d.on]) {
			after-- // only who waits for a job's end may be held up by it: the job may need who does not
		}
		l = max(l, after)
	}
	jobs := 0
	for _, member := range t.members[owner] {
		jobs = max(jobs, oncePerService(t.project.Services[member]))
		for _, name := range append(t.hookNames[member], member) {
			t.waves[name] = min(l, maxWave)
		}
	}
	t.workloadWaves[owner] = min(l+jobs, maxWave)
	return t.workloadWaves[owner]
}

// waits are init containers that hold a pod back, at each of its starts, until what it depends on is ready. None waits
// for what cannot come.
func (t *translation) waits(owner string) []corev1.Container {
	var waits []corev1.Container
	done := map[string]bool{}
	for _, member := range t.members[owner] {
		for _, on := range sortedKeys(t.project.Services[member].DependsOn) {
			if t.owners[on] == owner && t.project.Services[member].DependsOn[on].Condition == composetypes.ServiceConditionHealthy {
				t.note(member, "depends_on."+on, manifest.Approximated, "both run in one pod, and start together")
			}
		}
	}
	deps := t.depends[owner]
	// One wait a service: the strictest.
	slices.SortStableFunc(deps, func(a, b dependency) int { return strictness(b) - strictness(a) })
	for _, d := range deps {
		if done[d.on] || !t.canWait(owner, d) {
			continue
		}
		done[d.on] = true
		waits = append(waits, t.wait(d))
	}
	slices.SortFunc(waits, func(a, b corev1.Container) int { return strings.Compare(a.Name, b.Name) })
	return waits
}

func strictness(d dependency) int {
	if d.Condition == composetypes.ServiceConditionHealthy {
		return 1
	}
	return 0
}

// canWait reports whether a service that a pod depends on will ever answer it.
func (t *translation) canWait(owner string, d dependency) bool {
	key := "depends_on." + d.on
	healthy := d.Condition == composetypes.ServiceConditionHealthy
	switch {
	case t.oneShot[d.on]: // the job's sync wave is earlier, and Argo CD waits for it to succeed
		if healthy {
			t.note(d.member, key, manifest.Approximated, "it runs to its end: this is in a later sync wave, and waits for nothing")
		}
		return false
	case d.Condition == composetypes.ServiceConditionCompletedSuccessfully:
		return false
	case t.scale[t.owners[d.on]] == 0:
		t.note(d.member, key, manifest.Approximated, "it has no replicas, so nothing waits for it")
		return false
	case !t.networks.reaches(owner, t.owners[d.on]):
		t.note(d.member, key, manifest.Approximated, "the two share no network, so only the sync waves order them")
		return false
	}
	if healthy && !isChecked(t.project.Services[d.on].HealthCheck) {
		t.note(d.member, key, manifest.Approximated, fmt.Sprintf("%s has no health check: ready means that its pod runs and its port answers", d.on))
	}
	return true
}

// wait is an init container that ends when the service is ready; where its start is all that was asked for, after a
// minute at most. A ClusterIP refuses connections while no pod is ready, and a headless name leads nowhere.
func (t *translation) wait(d dependency) corev1.Container {
	healthy := d.Condition == composetypes.ServiceConditionHealthy
	host := t.names[d.on]
	check := ""
	if p, ok := t.waitPort(d.on, healthy); ok {
		check = fmt.Sprintf("nc -z -w 2 %s %d", host, p)
	} else {
		if name := t.readyNames[d.on]; name != "" && !t.isHeadless(t.project.Services[d.on]) {
			host = name
		}
		check = fmt.Sprintf("! nc -z -w 2 %s 1 2>&1 | grep -qE 'bad address|not known|resolve'", host)
	}
	script := "until " + check + "; do echo waiting for " + t.names[d.on] + "; sleep 1; done"
	if !healthy {
		script = `end=$(($(date +%s)+60)); until ` + check + ` || [ "$(date +%s)" -ge "$end" ]; do echo waiting for ` + t.names[d.on] + "; sleep 1; done"
	}
	return t.helper(cut("wait-for-"+t.names[d.on]), script, nonRoot())
}

// waitPort is the TCP port that answers when the service is ready. Waiting without bound for a health check takes one
// that the check and the Compose file agree on: another may never answer from outside the container.
func (t *translation) waitPort(service string, healthy bool) (int32, bool) {
	strict := healthy && isChecked(t.project.Services[service].HealthCheck)
	best, found := port{}, false
	better := func(p port) bool {
		switch {
		case !found || p.checked && p.declared && !(best.checked && best.declared):
			return true
		}
		return p.declared && !best.declared
	}
	for _, p := range t.ports[service] {
		if p.protocol == corev1.ProtocolTCP && better(p) {
			best, found = p, true
		}
	}
	switch {
	case strict && !(best.checked && best.declared), healthy && !best.declared:
		return 0, false
	}
	return best.target, found
}

// nameReadiness gives a headless Service to each service that others wait for and whose own name and ports do not tell
// whether it is ready.
func (t *translation) nameReadiness() {
	t.readyNames = map[string]string{}
	taken := map[string]bool{}
	for service, name := range t.names {
		taken[name] = true
		for _, a := range t.aliases[service] {
			taken[a] = true
		}
	}
	for _, svc := range t.services() {
		for _, d := range t.depends[svc.Name] {
			_, port := t.waitPort(d.on, d.Condition == composetypes.ServiceConditionHealthy)
			if port || t.readyNames[d.on] != "" || t.oneShot[d.on] || t.isHeadless(t.project.Services[d.on]) {
				continue
			}
			name := cut(t.names[d.on] + "-ready")
			for taken[name] {
				name = cut(t.names[d.on] + "-ready-" + shortHash(name))
			}
			taken[name] = true
			t.readyNames[d.on] = name
		}
	}
}
