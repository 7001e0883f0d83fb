package compose

import (
	"fmt"
	"maps"
	"slices"
	"unicode/utf8"

	composetypes "github.com/compose-spec/compose-go/v2/types"

	"catalyst.dev/catalyst/render/manifest"
)

// renameHosts writes the new names of hosts into commands, health checks, hooks and inline configs. Environment values,
// which env files add to, and mounted files are rewritten where they are read.
func (t *translation) renameHosts() {
	if len(t.hosts.renamed) == 0 {
		return
	}
	for _, svc := range t.services() {
		svc.Entrypoint = t.renamedCommand(svc.Name, "entrypoint", svc.Entrypoint)
		svc.Command = t.renamedCommand(svc.Name, "command", svc.Command)
		if h := svc.HealthCheck; h != nil {
			check := *h
			check.Test = composetypes.HealthCheckTest(t.renamedCommand(svc.Name, "healthcheck.test", composetypes.ShellCommand(h.Test)))
			svc.HealthCheck = &check
		}
		svc.PostStart = t.renamedHooks(svc.Name, "post_start", svc.PostStart)
		svc.PreStop = t.renamedHooks(svc.Name, "pre_stop", svc.PreStop)
		svc.PreStart = slices.Clone(svc.PreStart)
		for i := range svc.PreStart {
			h := &svc.PreStart[i]
			key := fmt.Sprintf("pre_start[%d].", i)
			h.Entrypoint = t.renamedCommand(svc.Name, key+"entrypoint", h.Entrypoint)
			h.Command = t.renamedCommand(svc.Name, key+"command", h.Command)
		}
		t.project.Services[svc.Name] = svc
	}
	for _, name := range sortedKeys(t.project.Configs) {
		c := t.project.Configs[name]
		c.Content = t.renamedIn("", "configs."+name+".content", mention{text: c.Content, prose: true})
		t.project.Configs[name] = c
	}
}

func (t *translation) renamedHooks(service, key string, hooks []composetypes.ServiceHook) []composetypes.ServiceHook {
	out := slices.Clone(hooks)
	for i := range out {
		h := &out[i]
		at := fmt.Sprintf("%s[%d]", key, i)
		h.Command = t.renamedCommand(service, at+".command", h.Command)
		h.Environment = maps.Clone(h.Environment)
		for _, name := range sortedKeys(h.Environment) {
			if v := h.Environment[name]; v != nil {
				text := t.renamedIn(service, at+".environment."+name, mention{text: *v, key: name})
				h.Environment[name] = &text
			}
		}
	}
	return out
}

func (t *translation) renamedCommand(service, key string, words composetypes.ShellCommand) composetypes.ShellCommand {
	if words == nil {
		return nil
	}
	out := make(composetypes.ShellCommand, len(words))
	for i, m := range mentions(words) {
		out[i] = t.renamedIn(service, key, m)
	}
	return out
}

// mentions are the arguments of a command, each with its neighbours.
func mentions(words []string) []mention {
	out := make([]mention, len(words))
	for i, w := range words {
		out[i] = mention{text: w, prose: true}
		if i > 0 {
			out[i].before = words[i-1]
		}
		if i+1 < len(words) {
			out[i].after = words[i+1]
		}
	}
	return out
}

// renamed writes the new names of hosts into a variable's value.
func (t *translation) renamed(service, name, value string) string {
	return t.renamedIn(service, "environment."+name, mention{text: value, key: name})
}

// renamedFile writes the new names of hosts into a mounted file of the repository, and says so.
func (t *translation) renamedFile(service, key string, data []byte) []byte {
	if len(t.hosts.renamed) == 0 || !utf8.Valid(data) {
		return data
	}
	return []byte(t.renamedIn(service, key, mention{text: string(data), prose: true}))
}

func (t *translation) renamedIn(service, key string, m mention) string {
	text, changed := t.hosts.rename(m)
	for _, old := range changed {
		reason := "Kubernetes names are DNS labels"
		if t.fixed[old] != "" {
			reason = "addresses are the cluster's to give"
		}
		t.note(service, key, manifest.Approximated, fmt.Sprintf("the host %q is written %q: %s", old, t.hosts.renamed[old], reason))
	}
	return text
}

// namedPorts are the ports with which other services name a service: Compose's DNS leads to every port, a Kubernetes
// Service only to those that it lists.
func (t *translation) namedPorts() map[string][]int32 {
	named := map[string][]int32{}
	seen := map[string]bool{}
	add := func(m mention) {
		for _, r := range t.hosts.references(m) {
			service := t.hosts.services[r.host]
			if id := fmt.Sprint(service, " ", r.port); r.port != 0 && !seen[id] {
				seen[id] = true
				named[service] = append(named[service], r.port)
			}
		}
	}
	for _, svc := range t.services() {
		for _, m := range mentions(slices.Concat(svc.Entrypoint, svc.Command)) {
			add(m)
		}
		for _, name := range sortedKeys(svc.Environment) {
			if v := svc.Environment[name]; v != nil {
				add(mention{text: *v, key: name})
			}
		}
		for _, text := range t.readTexts(svc) {
			add(mention{text: text, prose: true})
		}
	}
	for _, name := range sortedKeys(t.project.Configs) {
		add(mention{text: t.project.Configs[name].Content, prose: true})
	}
	return named
}
