package composefaults

import (
	"maps"
	"math"
	"regexp"
	"slices"
	"strings"
	"time"

	composetypes "github.com/compose-spec/compose-go/v2/types"
	corev1 "k8s.io/api/core/v1"
)

// probe checks that the readiness probe runs what Docker would as the health check.
func (c *checker) probe(svc composetypes.ServiceConfig, at place) {
	want := healthCommand(svc.HealthCheck)
	if at.container.LivenessProbe != nil {
		c.fault(Probe, svc.Name, "Docker restarts nothing that is unhealthy, a livenessProbe does")
	}
	if at.workload.kind == "Job" {
		return // nobody asks whether it is ready
	}
	if want == nil {
		if svc.HealthCheck != nil && at.container.ReadinessProbe != nil {
			c.fault(Probe, svc.Name, "it is switched off")
		}
		return
	}
	probes := map[string]*corev1.Probe{"readinessProbe": at.container.ReadinessProbe}
	if svc.HealthCheck.StartPeriod != nil && *svc.HealthCheck.StartPeriod > 0 {
		probes["startupProbe"] = at.container.StartupProbe
	}
	for _, name := range slices.Sorted(maps.Keys(probes)) {
		probe := probes[name]
		if probe == nil || probe.Exec == nil {
			c.fault(Probe, svc.Name, "no %s that runs %q", name, want)
			continue
		}
		if got := c.objects.expand(probe.Exec.Command, at.container.Env, false); !c.same(got, want) && !c.unsealed(got, want, at) {
			c.fault(Probe, svc.Name, "the %s runs %q, Docker %q", name, got, want)
		}
	}
	if probe := at.container.ReadinessProbe; probe != nil {
		c.timing(svc, probe)
	}
}

// unsealed reports whether a probe is a shell that takes from the environment what Docker is told in plain words: the kubelet
// gives a probe no sealed value. Quotes are the shell's matter.
func (c *checker) unsealed(got, want []string, at place) bool {
	if len(got) != 3 || got[0] != "/bin/sh" || got[1] != "-c" {
		return false
	}
	script, wanted := got[2], want[len(want)-1]
	if len(want) != 3 || want[0] != "/bin/sh" || want[1] != "-c" {
		script, wanted = strings.TrimPrefix(script, "exec "), strings.Join(want, " ")
	}
	sealed := script
	for _, variable := range at.container.Env {
		if variable.ValueFrom != nil && variable.ValueFrom.SecretKeyRef != nil {
			script = strings.ReplaceAll(script, "${"+variable.Name+"}", c.objects.value(variable, nil))
		}
	}
	unquoted := strings.NewReplacer(`"`, "", "'", "", `\`, "")
	script, wanted = unquoted.Replace(script), unquoted.Replace(wanted)
	pattern := strings.ReplaceAll(regexp.QuoteMeta(script), unseen, "(?s:.*)")
	return script != unquoted.Replace(sealed) && (matches(pattern, wanted) || matches(pattern, unquoted.Replace(c.translated(wanted))))
}

// timing checks interval, timeout and retries, rounded up to what Kubernetes can count.
func (c *checker) timing(svc composetypes.ServiceConfig, probe *corev1.Probe) {
	check := svc.HealthCheck
	seconds := func(d *composetypes.Duration) int32 {
		if d == nil || *d == 0 {
			return 30
		}
		return int32(math.Ceil(time.Duration(*d).Seconds()))
	}
	retries := int32(3)
	if check.Retries != nil && *check.Retries > 0 {
		retries = int32(*check.Retries)
	}
	for name, pair := range map[string][2]int32{"interval": {probe.PeriodSeconds, seconds(check.Interval)},
		"timeout": {probe.TimeoutSeconds, seconds(check.Timeout)}, "retries": {probe.FailureThreshold, retries}} {
		said := map[string]bool{"interval": check.Interval != nil, "timeout": check.Timeout != nil, "retries": check.Retries != nil}[name]
		if pair[0] != pair[1] && (said || svc.Build == nil) { // a Dockerfile may say what the Compose file does not
			c.fault(Probe, svc.Name, "%s is %d, want %d", name, pair[0], pair[1])
		}
	}
}

// healthCommand is what Docker runs; nil where nothing.
func healthCommand(check *composetypes.HealthCheckConfig) []string {
	if check == nil || check.Disable || len(check.Test) == 0 {
		return nil
	}
	switch check.Test[0] {
	case "NONE":
		return nil
	case "CMD":
		if len(check.Test) == 1 {
			return nil
		}
		return check.Test[1:]
	case "CMD-SHELL":
		return append([]string{"/bin/sh", "-c"}, check.Test[1:]...) // as they are: the shell takes the first for the script
	}
	return []string{"/bin/sh", "-c", strings.Join(check.Test, " ")}
}

// command checks that the container runs what Docker would.
func (c *checker) command(svc composetypes.ServiceConfig, at place) {
	command, args := c.objects.expand(at.container.Command, at.container.Env, true), c.objects.expand(at.container.Args, at.container.Env, true)
	switch {
	case svc.Entrypoint != nil:
		if got, want := slices.Concat(command, args), slices.Concat(svc.Entrypoint, svc.Command); len(want) > 0 && !c.same(got, want) {
			c.fault(Command, svc.Name, "runs %q, Docker %q", got, want)
		}
	case !c.same(args, svc.Command) || len(command) > 0:
		c.fault(Command, svc.Name, "runs %q %q, Docker the image's entrypoint with %q", command, args, svc.Command)
	}
}

// unseen stands for a value that only the cluster knows.
const unseen = "\x00"

// same compares what is run, but for hosts that had to be rewritten and values that are sealed.
func (c *checker) same(got, want []string) bool {
	return slices.EqualFunc(got, want, func(got, want string) bool {
		if got == want || got == c.translated(want) || c.isHost(want) && strings.EqualFold(got, want) {
			return true
		}
		pattern := strings.ReplaceAll(regexp.QuoteMeta(got), unseen, "(?s:.*)")
		return strings.Contains(got, unseen) && (matches(pattern, want) || matches(pattern, c.translated(want)))
	})
}

// isHost reports whether a text is a host of the application: DNS knows no case.
func (c *checker) isHost(text string) bool {
	_, ok := c.service(text)
	return ok
}

func matches(pattern, text string) bool {
	ok, err := regexp.MatchString("^(?:"+pattern+")$", text)
	return err == nil && ok
}

// translated replaces hosts that Kubernetes does not accept by the names that their Services have, where a text names them as hosts.
func (c *checker) translated(text string) string {
	for _, host := range c.invalid {
		object, ok := c.service(host)
		if !ok {
			continue
		}
		for at := 0; ; {
			i := strings.Index(text[at:], host)
			if i < 0 {
				break
			}
			start, end := at+i, at+i+len(host)
			at = end
			if opens(text[:start]) && closes(text[end:]) {
				text = text[:start] + object.Name + text[end:]
				at = start + len(object.Name)
			}
		}
	}
	return text
}

// closes reports whether a host may end before.
func closes(after string) bool {
	return after == "" || strings.ContainsAny(after[:1], ":/?,;\"') \n\t|")
}

// expand does what the kubelet does with $(NAME) and $$ in commands. In that of a probe, it takes values from elsewhere for empty.
func (o *objects) expand(words []string, env []corev1.EnvVar, elsewhere bool) []string {
	values := map[string]string{}
	for _, variable := range env {
		if variable.ValueFrom == nil || elsewhere {
			values[variable.Name] = o.value(variable, values)
		} else {
			values[variable.Name] = ""
		}
	}
	var out []string
	for _, word := range words {
		out = append(out, expandWord(word, values))
	}
	return out
}

// value of a variable, given those before it.
func (o *objects) value(variable corev1.EnvVar, before map[string]string) string {
	from := variable.ValueFrom
	switch {
	case from == nil:
		return expandWord(variable.Value, before)
	case from.SecretKeyRef != nil:
		return o.secrets[from.SecretKeyRef.Name][from.SecretKeyRef.Key]
	case from.ConfigMapKeyRef != nil:
		return string(o.configMaps[from.ConfigMapKeyRef.Name][from.ConfigMapKeyRef.Key])
	}
	return unseen
}

func expandWord(word string, values map[string]string) string {
	var b strings.Builder
	for i := 0; i < len(word); i++ {
		if word[i] != '$' || i+1 == len(word) {
			b.WriteByte(word[i])
			continue
		}
		switch word[i+1] {
		case '$':
			b.WriteByte('$')
			i++
			continue
		case '(':
			if end := strings.IndexByte(word[i:], ')'); end > 0 {
				if value, ok := values[word[i+2:i+end]]; ok {
					b.WriteString(value)
					i += end
					continue
				}
			}
		}
		b.WriteByte('$')
	}
	return b.String()
}

// environment checks that each variable has its value, or takes it from an object that has the key.
func (c *checker) environment(svc composetypes.ServiceConfig, at place) {
	values := map[string]string{}
	given := map[string]bool{}
	for _, variable := range at.container.Env {
		given[variable.Name] = true
		values[variable.Name] = c.objects.value(variable, values)
	}
	for _, name := range slices.Sorted(maps.Keys(svc.Environment)) {
		want := svc.Environment[name]
		if want == nil {
			continue
		}
		ok := given[name]
		switch {
		case !ok && !c.fromAll(at.container.EnvFrom, name):
			if !c.told(svc.Name, "environment", "env_file") {
				c.fault(Environment, svc.Name, "%s is not set", name)
			}
		case ok && !c.same([]string{values[name]}, []string{*want}):
			c.fault(Environment, svc.Name, "%s is %q, want %q", name, values[name], *want)
		}
	}
}

func (c *checker) fromAll(sources []corev1.EnvFromSource, name string) bool {
	return slices.ContainsFunc(sources, func(source corev1.EnvFromSource) bool {
		if source.SecretRef != nil {
			_, ok := c.objects.secrets[source.SecretRef.Name][name]
			return ok
		}
		_, ok := c.objects.configMaps[source.ConfigMapRef.Name][name]
		return ok
	})
}
