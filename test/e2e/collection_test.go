//go:build e2e

package e2e

import (
	"bytes"
	"crypto/rsa"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"

	"catalyst.dev/catalyst/test/composeapp"
	"catalyst.dev/catalyst/test/composefaults"
	"catalyst.dev/catalyst/test/stack"
)

// collection is what became of each application.
type collection struct {
	certificate string
	key         *rsa.PrivateKey
	mu          sync.Mutex
	rows        map[string][2]string
}

func (c *collection) row(name, outcome, detail string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rows[name] = [2]string{outcome, detail}
}

// Your own Compose applications, a folder each below CATALYST_COMPOSE_CORPUS: each must render the same twice, without a fault, to
// what kube-apiserver accepts. Refusals are listed, and yours to judge.
func TestComposeCollection(t *testing.T) {
	dir := os.Getenv("CATALYST_COMPOSE_CORPUS")
	if dir == "" {
		dir = filepath.Join("..", "..", "examples", "compose")
	}
	apps, err := composeapp.In(dir)
	if err != nil || len(apps) == 0 {
		t.Fatalf("%s has no application: %v", dir, err)
	}
	server := stack.StartAPIServer(t)
	c := &collection{rows: map[string][2]string{}}
	c.certificate, c.key = composeapp.Certificate(t)
	t.Run("applications", func(t *testing.T) {
		for _, app := range apps {
			t.Run(app.Name, func(t *testing.T) {
				t.Parallel()
				c.check(t, server, app)
			})
		}
	})
	t.Log(c.table())
}

func (c *collection) check(t *testing.T, server *stack.APIServer, app composeapp.App) {
	report := filepath.Join(t.TempDir(), "report.json")
	args := append(app.RenderArgs(t), "--report", report, "--certificate", c.certificate)
	out, err := render(t.Context(), t, args)
	if err != nil {
		if strings.Contains(err.Error(), "panic:") || !strings.Contains(err.Error(), "exit status 1") {
			t.Error(err)
		}
		c.row(app.Name, "refused", strings.TrimPrefix(err.Error(), "exit status 1: catalyst: "))
		return
	}
	faults, err := composefaults.Check(t.Context(), composefaults.Application{Dir: app.Dir, File: app.File, Variables: app.Variables(), Rendered: out, Report: report, Key: c.key})
	var details []string
	if err != nil {
		details = append(details, "not checked: "+err.Error())
	}
	for _, fault := range faults {
		details = append(details, fault.String())
	}
	if err := judge(t.Context(), t, server, manifests(t, out)); err != nil {
		details = append(details, "kube-apiserver: "+err.Error())
	}
	again, err := render(t.Context(), t, args)
	if err != nil {
		details = append(details, "rendered once only: "+err.Error())
	} else if difference := different(t, out, again); difference != "" {
		details = append(details, "another render has a different "+difference)
	}
	if len(details) == 0 {
		c.row(app.Name, "rendered", "")
		return
	}
	c.row(app.Name, "faulty", strings.Join(details, "\n"))
	t.Error(strings.Join(details, "\n"))
}

// table of all applications: name, outcome, and the first line of why.
func (c *collection) table() string {
	var b bytes.Buffer
	w := tabwriter.NewWriter(&b, 0, 4, 2, ' ', 0)
	count := map[string]int{}
	for _, name := range slices.Sorted(maps.Keys(c.rows)) {
		outcome, detail := c.rows[name][0], c.rows[name][1]
		count[outcome]++
		first, rest, _ := strings.Cut(detail, "\n")
		if rest != "" {
			first += fmt.Sprintf(" (and %d more)", 1+strings.Count(rest, "\n"))
		}
		fmt.Fprintf(w, "%s\t%s\t%s\n", name, outcome, first)
	}
	_ = w.Flush() // into memory
	return fmt.Sprintf("%d rendered without a fault, %d faulty, %d refused\n%s", count["rendered"], count["faulty"], count["refused"], b.String())
}
