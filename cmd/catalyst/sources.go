package main

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"strconv"
	"sync"

	"catalyst.dev/catalyst/gitops"
	"catalyst.dev/catalyst/gitops/source"
)

// caches of application commits: one for the server's token, and one for each installation of the App, which may read what
// others may not.
type caches struct {
	options     source.Options
	credentials *credentials
	mu          sync.Mutex
	installed   map[string]*source.Cache
}

func newCaches(f serveFlags, tokens *credentials, logger *slog.Logger) (*caches, error) {
	ssh, err := f.sourceSSH()
	if err != nil {
		return nil, err
	}
	c := &caches{credentials: tokens, installed: map[string]*source.Cache{},
		options: source.Options{Dir: filepath.Join(f.data, "sources"), AllowLocal: f.localSources, Logger: logger}}
	if ssh != nil {
		c.options.SSH = ssh
	}
	return c, nil
}

// own reads with the server's token.
func (c *caches) own() (*source.Cache, error) {
	o := c.options
	o.Auth = func(url string) *source.Auth { return c.credentials.authOf(url, c.credentials.token) }
	return source.New(o)
}

// perInstallation is for gitops.Config.Installed.
func (c *caches) perInstallation() func(string) (*source.Cache, error) {
	if c.credentials.app == nil {
		return nil
	}
	return c.of
}

// of an installation: its commits are kept apart from all others'.
func (c *caches) of(installation string) (*source.Cache, error) {
	if _, err := strconv.ParseUint(installation, 10, 63); err != nil {
		return nil, fmt.Errorf("%w: installation %q of the GitHub App is not a number", gitops.ErrInvalid, installation)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if cache := c.installed[installation]; cache != nil {
		return cache, nil
	}
	o := c.options
	o.Dir += "-" + installation
	o.Auth = func(url string) *source.Auth { return c.credentials.ofInstallation(url, installation) }
	cache, err := source.New(o)
	if err == nil {
		c.installed[installation] = cache
	}
	return cache, err
}
