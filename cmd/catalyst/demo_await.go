package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"catalyst.dev/catalyst/gitops/forge/forgetest"
)

// patience is how long the demo waits for a server that is just starting.
const patience = time.Minute

// await waits until the server and the demo's forge answer.
func (g *guide) await(ctx context.Context, data string) error {
	waiting, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for said := false; ; said = true {
		err := g.find(waiting, data)
		if err == nil {
			return nil
		}
		if !said {
			g.say("waiting up to %s for the server (make run starts it)", patience)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-waiting.Done():
			return hinted{err, "start the server first: make run"}
		case <-tick.C:
		}
	}
}

// find reads where the demo's forge is, which changes with every start of the server, and asks both.
func (g *guide) find(ctx context.Context, data string) error {
	address, err := os.ReadFile(filepath.Join(data, demoForgeURL))
	if err != nil {
		return fmt.Errorf("finding the demo's forge: %w", err)
	}
	g.forge = forgetest.Client{BaseURL: strings.TrimSpace(string(address))}
	if _, err := g.forge.Repositories(ctx); err != nil {
		return err
	}
	var health struct{}
	return g.api.get(ctx, "/healthz", &health)
}
