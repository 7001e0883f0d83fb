package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"catalyst.dev/catalyst/gitops/forge/forgetest"
	"catalyst.dev/catalyst/server"
)

// tour is one pull request of the demo.
type tour struct {
	repository string
	// project and prefix of the environment's name; what follows is the pull request's number.
	project, prefix string
	// file that the pull request changes, and its new content.
	file, content string
	fork          bool
	label         string
	// closed at the end; the others stay to be looked at.
	closed bool
}

// environment of the tour's pull request.
func (t tour) environment(number int) string {
	return fmt.Sprintf("acme/%s/%spr-%d", t.project, t.prefix, number)
}

func tours() []tour {
	return []tour{
		{repository: "acme/shop", project: "shop", closed: true, file: "proxy/nginx.conf",
			content: "server {\n    listen 80;\n    client_max_body_size 8m;\n    location / {\n        proxy_pass http://app:8000;\n    }\n}\n"},
		{repository: "acme/guestbook", project: "guestbook", file: "chart/values.yaml",
			content: "replicas: 2\nimage:\n  repository: ghcr.io/acme/guestbook\n  tag: latest\ningress:\n  host: guestbook.example.com\ncache:\n  enabled: true\n"},
		{repository: "acme/docs", project: "docs", file: "README.md", content: "# Docs, second edition\n"},
		{repository: "acme/inventory", project: "inventory", file: "overlays/preview/replicas.yaml",
			content: "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: inventory\nspec:\n  replicas: 2\n"},
		{repository: "acme/status", project: "status", file: "deploy/checks.json", label: "preview",
			content: `{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "checks"}, "data": {"checks.txt": "https://example.com every 30s\n"}}` + "\n"},
		{repository: "acme/portal-backend", project: "portal", prefix: "backend-", file: "index.html", content: "<h1>faster backend</h1>\n"},
		{repository: "acme/shop", project: "shop", fork: true, file: "compose.yaml", content: "services:\n  app:\n    image: nginx:1.29-alpine\n"},
	}
}

func newDemo(p *program) *cobra.Command {
	var data string
	c := &apiClient{}
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Open, update and close pull requests against a server that was started with --demo",
		Long: `Open, update and close pull requests against a server that was started with --demo. A server that is just
starting is waited for.`,
		Example: `  catalyst serve --demo &
  catalyst demo`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			g := guide{program: p, api: c}
			if err := g.await(cmd.Context(), data); err != nil {
				return err
			}
			if err := g.run(cmd.Context()); err != nil {
				return err
			}
			fmt.Fprintf(p.Out, "\nLook around:\n  git clone %s environments && git -C environments log\n  catalyst env list\n", filepath.Join(data, "environments.git"))
			return nil
		},
	}
	c.register(p, cmd)
	cmd.Flags().StringVar(&data, "data", "data", "the server's data folder")
	return cmd
}

// guide leads through the demo.
type guide struct {
	*program
	api   *apiClient
	forge forgetest.Client
}

func (g guide) say(format string, args ...any) { fmt.Fprintf(g.Out, format+"\n", args...) }

func (g guide) run(ctx context.Context) error {
	for _, t := range tours() {
		if err := g.tour(ctx, t); err != nil {
			return err
		}
	}
	return nil
}

func (g guide) tour(ctx context.Context, t tour) error {
	branch := fmt.Sprintf("demo-%d", time.Now().UnixNano())
	g.say("\n● %s: a pull request%s changes %s", t.repository, map[bool]string{true: " from a fork"}[t.fork], t.file)
	o := forgetest.PullOptions{Fork: t.fork, Files: map[string][]byte{t.file: []byte(t.content)}, Subject: "Try " + filepath.Base(t.file)}
	opened, err := g.forge.Open(ctx, t.repository, branch, "Try "+filepath.Base(t.file), o)
	if err != nil {
		return err
	}
	if err := g.send(ctx, opened); err != nil {
		return err
	}
	if t.fork {
		return g.wait(ctx, t.environment(opened.Number), "render-only")
	}
	if t.label != "" {
		g.say("  the project asks for the label %q: nothing happens until it is there", t.label)
		d, err := g.forge.Label(ctx, t.repository, opened.Number, t.label, true)
		if err == nil {
			err = g.send(ctx, d)
		}
		if err != nil {
			return err
		}
	}
	return g.live(ctx, t, opened.Number)
}

// live follows the environment of an open pull request: committed, updated, and perhaps closed.
func (g guide) live(ctx context.Context, t tour, number int) error {
	environment := t.environment(number)
	first, err := g.committed(ctx, environment, "")
	if err != nil {
		return err
	}
	if err := g.files(ctx, environment); err != nil {
		return err
	}
	pushed, err := g.forge.Push(ctx, t.repository, number, "Try again", map[string][]byte{"CHANGELOG.md": []byte("Second try.\n")})
	if err != nil {
		return err
	}
	if err := g.send(ctx, pushed); err != nil {
		return err
	}
	if _, err := g.committed(ctx, environment, first); err != nil || !t.closed {
		return err
	}
	closed, err := g.forge.Close(ctx, t.repository, number, false)
	if err != nil {
		return err
	}
	if err := g.send(ctx, closed); err != nil {
		return err
	}
	return g.gone(ctx, environment)
}

// send delivers a webhook as the forge would.
func (g guide) send(ctx context.Context, d forgetest.Delivery) error {
	req, err := d.Request(ctx, strings.TrimSuffix(g.api.server, "/")+"/webhooks/github")
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return hinted{fmt.Errorf("sending the webhook: %w", err), "start the server first: make run"}
	}
	defer func() { _ = res.Body.Close() }() // the answer is short and read
	body, err := io.ReadAll(io.LimitReader(res.Body, 1<<10))
	if err != nil {
		return fmt.Errorf("reading the answer to the webhook: %w", err)
	}
	if res.StatusCode != http.StatusAccepted {
		return fmt.Errorf("the webhook was answered %s: %s", res.Status, body)
	}
	g.say("  webhook %s %s: %s", d.Event, d.ID, res.Status)
	return nil
}

// committed waits for a commit of the environment that is not the one before.
func (g guide) committed(ctx context.Context, name, before string) (string, error) {
	var found server.Change
	err := g.poll(ctx, name, func() (bool, error) {
		var h server.List[server.Change]
		if err := g.api.get(ctx, "/api/v1/environments/"+name+"/history", &h); err != nil || len(h.Items) == 0 {
			return false, nil // not there yet
		}
		found = h.Items[0]
		return found.Revision != before, nil
	})
	if err == nil {
		g.say("  commit %s  %s", found.Revision[:7], found.Subject)
	}
	return found.Revision, err
}

// wait waits for an outcome.
func (g guide) wait(ctx context.Context, name, state string) error {
	var e server.Environment
	err := g.poll(ctx, name, func() (bool, error) {
		if err := g.api.get(ctx, "/api/v1/environments/"+name, &e); err != nil || e.Outcome == nil {
			return false, nil // not there yet
		}
		return e.Outcome.State == state, nil
	})
	if err == nil {
		g.say("  %s: %s", e.Outcome.State, e.Outcome.Message)
	}
	return err
}

// gone waits until the environment is deleted.
func (g guide) gone(ctx context.Context, name string) error {
	err := g.poll(ctx, name, func() (bool, error) {
		var e server.Environment
		return g.api.get(ctx, "/api/v1/environments/"+name, &e) != nil, nil
	})
	if err == nil {
		g.say("  the pull request is closed, and %s is gone", name)
	}
	return err
}

// poll asks until done, and says what the server says of a failure.
func (g guide) poll(ctx context.Context, name string, done func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		ok, err := done()
		if ok || err != nil {
			return err
		}
		var e server.Environment
		if g.api.get(ctx, "/api/v1/environments/"+name, &e) == nil && e.Outcome != nil && e.Outcome.State == "failed" {
			return fmt.Errorf("%s failed: %s", name, e.Outcome.Message)
		}
		select {
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("waiting for %s", name), context.Cause(ctx))
		case <-tick.C:
		}
	}
}

// files shows what was committed.
func (g guide) files(ctx context.Context, name string) error {
	var list server.List[server.Manifest]
	if err := g.api.get(ctx, "/api/v1/environments/"+name+"/manifests", &list); err != nil {
		return err
	}
	names := map[string]bool{}
	for _, m := range list.Items {
		names[m.Name] = true
	}
	for _, n := range slices.Sorted(maps.Keys(names)) {
		g.say("    manifests/%s", n)
	}
	return nil
}
