package composefaults

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/dotenv"
	composetypes "github.com/compose-spec/compose-go/v2/types"
)

// registerRaw teaches the library env_file's format raw, as `docker compose` does: lines of NAME=value, read as they stand.
var registerRaw = sync.OnceFunc(func() {
	dotenv.RegisterFormat("raw", func(r io.Reader, _ string, values map[string]string, lookup func(string) (string, bool)) error {
		text, err := io.ReadAll(r)
		for line := range strings.Lines(string(text)) {
			line = strings.TrimRight(line, "\r\n")
			name, value, assigned := strings.Cut(line, "=")
			if !assigned {
				value, assigned = lookup(name)
			}
			if assigned && !strings.HasPrefix(line, "#") {
				values[name] = value
			}
		}
		return err
	})
})

// load reads the application as `docker compose` does, but for the process environment.
func load(ctx context.Context, app Application) (*composetypes.Project, error) {
	registerRaw()
	var variables []string
	for name, value := range app.Variables {
		variables = append(variables, name+"="+value)
	}
	options, err := cli.NewProjectOptions([]string{app.File}, cli.WithWorkingDirectory(app.Dir), cli.WithName("reference"),
		cli.WithEnv(variables), cli.WithEnvFiles(), cli.WithDotEnv, cli.WithResolvedPaths(true))
	if err != nil {
		return nil, err
	}
	options.ConfigPaths = []string{app.Dir + "/" + app.File}
	return options.LoadProject(ctx)
}

// finding is a line of the report, as far as it says what was left out.
type finding struct{ Subject, Key, Verdict, Reason string }

func readReport(file string) ([]finding, error) {
	if file == "" {
		return nil, nil
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var report struct{ Findings []finding }
	if err := json.Unmarshal(data, &report); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return report.Findings, nil
}

// told reports whether the report says something of a service's key that is not just that it was translated.
func (c *checker) told(service string, keys ...string) bool {
	return slices.ContainsFunc(c.report, func(f finding) bool {
		return f.Subject == service && f.Verdict != "translated" && slices.ContainsFunc(keys, func(key string) bool {
			return f.Key == key || strings.HasPrefix(f.Key, key+".") || strings.HasPrefix(f.Key, key+"[")
		})
	})
}
