package compose

import (
	"fmt"
	"strings"

	composetypes "github.com/compose-spec/compose-go/v2/types"

	"catalyst.dev/catalyst/render/manifest"
)

// takeDependencies takes depends_on out of the model: compose-go looks for cycles along every path, and the number of
// paths grows exponentially with the services. giveDependencies checks them and puts them back.
func takeDependencies(services map[string]any) map[string]composetypes.DependsOnConfig {
	taken := map[string]composetypes.DependsOnConfig{}
	for name, s := range services {
		service, _ := s.(map[string]any)
		depends, _ := service["depends_on"].(map[string]any)
		if len(depends) == 0 {
			continue
		}
		config := composetypes.DependsOnConfig{}
		for other, d := range depends {
			m, _ := d.(map[string]any)
			dependency := composetypes.ServiceDependency{Condition: composetypes.ServiceConditionStarted, Required: true}
			if c, ok := m["condition"].(string); ok && c != "" {
				dependency.Condition = c
			}
			if required, ok := m["required"].(bool); ok {
				dependency.Required = required
			}
			dependency.Restart, _ = m["restart"].(bool)
			config[other] = dependency
		}
		taken[name] = config
		delete(service, "depends_on")
	}
	return taken
}

// giveDependencies puts depends_on back. What is not there must not be required, and no service may wait for itself.
func giveDependencies(project *composetypes.Project, taken map[string]composetypes.DependsOnConfig) error {
	for _, name := range project.ServiceNames() {
		svc := project.Services[name]
		svc.DependsOn = taken[name]
		project.Services[name] = svc
		for _, other := range sortedKeys(svc.DependsOn) {
			if _, exists := project.Services[other]; exists {
				continue
			}
			_, disabled := project.DisabledServices[other]
			if disabled && !svc.DependsOn[other].Required {
				continue
			}
			p := &manifest.Problem{Field: "services." + name + ".depends_on." + other, Message: fmt.Sprintf("there is no service %q", other),
				Remedy: "correct the name, or add the service"}
			if disabled {
				p.Message = fmt.Sprintf("the service %q is in a profile that is not enabled", other)
				p.Remedy = "enable the profile in values.profiles, or write required: false"
			}
			return p
		}
	}
	if cycle := findCycle(project.Services); cycle != nil {
		return &manifest.Problem{Field: "services." + cycle[0] + ".depends_on", Message: "dependency cycle: " + strings.Join(cycle, " → "),
			Remedy: "remove one of the dependencies"}
	}
	return nil
}

// findCycle returns a cycle of depends_on, its first service repeated at its end.
func findCycle(services composetypes.Services) []string {
	const visiting, done = 1, 2
	state := map[string]int{}
	var path []string
	var visit func(name string) []string
	visit = func(name string) []string {
		switch state[name] {
		case done:
			return nil
		case visiting:
			for i, p := range path {
				if p == name {
					return append(path[i:len(path):len(path)], name)
				}
			}
		}
		state[name] = visiting
		path = append(path, name)
		for _, other := range sortedKeys(services[name].DependsOn) {
			if cycle := visit(other); cycle != nil {
				return cycle
			}
		}
		path = path[:len(path)-1]
		state[name] = done
		return nil
	}
	for _, name := range sortedKeys(services) {
		if cycle := visit(name); cycle != nil {
			return cycle
		}
	}
	return nil
}
