package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"strings"
	"time"

	"catalyst.dev/catalyst/gitops"
	"catalyst.dev/catalyst/gitops/forge"
	"catalyst.dev/catalyst/gitops/source"
)

// credentials are what GitHub is asked with: the token of the App's installation that a project names, else the server's.
type credentials struct {
	token string
	// host that tokens are for, and scheme that they may be sent over. A project names any URL: no other host may learn
	// the token.
	host, scheme string
	app          *forge.App
	// loop knows the projects; it is set once it is made of these credentials.
	loop   *gitops.Loop
	logger *slog.Logger
}

func newCredentials(f serveFlags, logger *slog.Logger) (*credentials, error) {
	api, err := url.Parse(f.githubAPI)
	if err != nil || api.Host == "" {
		return nil, fmt.Errorf("--github-api %q is not a URL", f.githubAPI)
	}
	c := &credentials{token: f.githubToken, host: strings.TrimPrefix(api.Host, "api."), scheme: api.Scheme, logger: logger}
	switch withKey := f.githubAppKey != "" || f.githubAppPrivateKey != ""; {
	case f.githubApp == "" && withKey:
		return nil, errors.New("the GitHub App's key is given, and its ID is not: set --github-app-id")
	case f.githubApp == "":
		return c, nil
	case !withKey:
		return nil, errors.New("--github-app-id needs --github-app-key FILE, or CATALYST_GITHUB_APP_PRIVATE_KEY")
	}
	key := []byte(f.githubAppPrivateKey)
	if f.githubAppKey != "" {
		if key, err = os.ReadFile(f.githubAppKey); err != nil {
			return nil, fmt.Errorf("--github-app-key: %w", err)
		}
	}
	if c.app, err = forge.NewApp(f.githubApp, key, forge.Options{BaseURL: f.githubAPI}); err != nil {
		return nil, fmt.Errorf("--github-app-id and --github-app-key: %w", err)
	}
	return c, nil
}

// ofRepository is the token for GitHub's API; empty for the server's.
func (c *credentials) ofRepository(ctx context.Context, fullName string) (string, error) {
	installation, err := c.loop.InstallationOf(ctx, fullName)
	if err != nil || installation == "" || c.app == nil { // without an App the server's token is all there is
		return "", err
	}
	return c.app.Token(ctx, installation)
}

// ofInstallation is what the projects of an installation are given for a URL.
func (c *credentials) ofInstallation(raw, installation string) *source.Auth {
	const longest = 30 * time.Second
	if !c.isFor(raw) {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), longest)
	defer cancel()
	token, err := c.app.Token(ctx, installation)
	if err != nil {
		// The fetch says that it was refused; this says why.
		c.logger.Error("there is no token for a source", "repository", raw, "error", err)
		return nil
	}
	return c.authOf(raw, token)
}

// authOf is what a source is fetched with; nil for nothing.
func (c *credentials) authOf(raw, token string) *source.Auth {
	if token == "" || !c.isFor(raw) {
		return nil
	}
	return &source.Auth{Username: "x-access-token", Password: token}
}

// isFor reports whether a URL is of the host that tokens are for.
func (c *credentials) isFor(raw string) bool {
	u, err := url.Parse(raw)
	return err == nil && strings.EqualFold(u.Host, c.host) && (u.Scheme == "https" || u.Scheme == c.scheme)
}
