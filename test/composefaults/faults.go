// Package composefaults finds what is wrong with a rendered Compose application. It reads the Compose file and the rendered
// folder, and shares nothing with the code that renders: it judges instead of repeating.
package composefaults

import (
	"cmp"
	"context"
	"crypto/rsa"
	"fmt"
	"slices"

	composetypes "github.com/compose-spec/compose-go/v2/types"
)

// Application is what was rendered, and to what.
type Application struct {
	// Dir is the source's folder, and File the Compose file in it.
	Dir, File string
	// Variables are what interpolation knows beside .env.
	Variables map[string]string
	// Key of the certificate that secrets were sealed with; sealed values are not compared when nil.
	Key *rsa.PrivateKey
	// Rendered is the folder that `catalyst render` wrote, and Report its report as JSON; none when empty.
	Rendered, Report string
}

// Fault is something that works with Docker and would not on the cluster, or a secret that anybody can read.
type Fault struct {
	// Rule that was broken, such as "unreachable".
	Rule    string
	Service string
	Detail  string
}

func (f Fault) String() string { return fmt.Sprintf("%s: %s: %s", f.Rule, f.Service, f.Detail) }

// The rules.
const (
	Missing     = "missing"          // a service has no container
	Unreachable = "unreachable"      // a host or port that a service names leads nowhere
	Probe       = "health check"     // a probe does not run what Docker would
	Command     = "command"          // a container does not run what Docker would
	Environment = "environment"      // a variable is not what Docker would set
	Secret      = "secret"           // a Compose secret or config is not readable at its path
	Plaintext   = "plaintext"        // a secret stands in a manifest
	Duplicate   = "duplicate"        // two mounts, volumes, ports or variables of one name
	Order       = "order"            // depends_on is not honoured
	Mount       = "mount"            // a volume is not at its target, and the report does not say so
	Dangling    = "broken reference" // an object names another that does not exist
)

// checker compares an application with its objects.
type checker struct {
	project *composetypes.Project
	// invalid are the hosts that Kubernetes does not accept.
	invalid []string
	objects *objects
	report  []finding
	app     Application
	faults  []Fault
}

// Check returns the faults of a rendered application. The error is that there was nothing to compare.
func Check(ctx context.Context, app Application) ([]Fault, error) {
	project, err := load(ctx, app)
	if err != nil {
		return nil, fmt.Errorf("loading %s: %w", app.File, err)
	}
	c := &checker{project: project, invalid: invalid(project), app: app}
	if c.objects, err = readObjects(app.Rendered, app.Key); err != nil {
		return nil, err
	}
	if c.report, err = readReport(app.Report); err != nil {
		return nil, err
	}
	for _, name := range project.ServiceNames() {
		svc := project.Services[name]
		place, ok := c.objects.find(name)
		if !ok {
			c.fault(Missing, name, "no container of this name")
			continue
		}
		c.names(svc, place)
		c.probe(svc, place)
		c.command(svc, place)
		c.environment(svc, place)
		c.secretFiles(svc, place)
		c.order(svc, place)
		c.volumes(svc, place)
	}
	c.plaintext()
	c.duplicates()
	c.references()
	slices.SortFunc(c.faults, func(a, b Fault) int {
		return cmp.Or(cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.Service, b.Service), cmp.Compare(a.Detail, b.Detail))
	})
	return slices.Compact(c.faults), nil
}

func (c *checker) fault(rule, service, format string, args ...any) {
	c.faults = append(c.faults, Fault{Rule: rule, Service: service, Detail: fmt.Sprintf(format, args...)})
}
