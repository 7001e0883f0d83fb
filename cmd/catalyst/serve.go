package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/sync/errgroup"

	"catalyst.dev/catalyst/api/v1alpha1"
	template "catalyst.dev/catalyst/environments-repo-template"
	"catalyst.dev/catalyst/gitops"
	"catalyst.dev/catalyst/gitops/forge"
	"catalyst.dev/catalyst/gitops/queue"
	"catalyst.dev/catalyst/gitops/repository"
	"catalyst.dev/catalyst/render/worker"
	"catalyst.dev/catalyst/secrets"
	"catalyst.dev/catalyst/server"
)

// serveFlags are the settings of the server. Secrets come from the environment only: arguments can be read by everybody
// on the machine.
type serveFlags struct {
	data             string
	listen           string
	environmentsRepo string
	repositoryURL    string
	branch           string
	githubAPI        string
	workers          int
	renders          int
	poll             time.Duration
	sweep            time.Duration
	localSources     bool
	demo             bool
	logLevel         string
	sshKey           string
	gitSSHKey        string
	sshKnownHosts    string
	githubApp        string
	githubAppKey     string

	githubAppPrivateKey                                            string
	sshPrivateKey, gitSSHPrivateKey                                string
	githubToken, gitToken, webhookSecrets, apiToken, encryptionKey string
}

func newServe(p *program) *cobra.Command {
	var f serveFlags
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve webhooks and the API, and bring the environments repository to what they say",
		Long: `Serve webhooks and the API. Secrets are read from the environment:

  CATALYST_GITHUB_TOKEN           reads pull requests and application repositories
  CATALYST_GIT_TOKEN              pushes to the environments repository; CATALYST_GITHUB_TOKEN when unset
  CATALYST_GITHUB_WEBHOOK_SECRET  signs webhooks; two, separated by a comma, while one is rotated
  CATALYST_API_TOKEN              bearer token of the API
  TOKEN_ENCRYPTION_KEY            32 bytes in hex; tells unchanged secret values from changed ones
  CATALYST_GITHUB_APP_PRIVATE_KEY the GitHub App's key itself, instead of --github-app-key FILE
  CATALYST_SSH_PRIVATE_KEY        the key of ssh URLs itself, instead of --ssh-key FILE
  CATALYST_GIT_SSH_PRIVATE_KEY    the same for the environments repository, instead of --git-ssh-key FILE

Every flag can be given as a variable: --environments-repo is CATALYST_ENVIRONMENTS_REPO.`,
		Example: `  catalyst serve --demo
  catalyst serve --listen 0.0.0.0:8080 --data /var/lib/catalyst --environments-repo https://github.com/acme/environments`,
		Args: cobra.NoArgs,
		PreRunE: func(cmd *cobra.Command, _ []string) error {
			return p.flagsFromEnvironment(cmd)
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			f.githubToken = p.getenv("CATALYST_GITHUB_TOKEN")
			f.gitToken = p.getenv("CATALYST_GIT_TOKEN")
			f.webhookSecrets = p.getenv("CATALYST_GITHUB_WEBHOOK_SECRET")
			f.apiToken = p.getenv("CATALYST_API_TOKEN")
			f.encryptionKey = p.getenv("TOKEN_ENCRYPTION_KEY")
			f.githubAppPrivateKey = p.getenv("CATALYST_GITHUB_APP_PRIVATE_KEY")
			f.sshPrivateKey = p.getenv("CATALYST_SSH_PRIVATE_KEY")
			f.gitSSHPrivateKey = p.getenv("CATALYST_GIT_SSH_PRIVATE_KEY")
			return p.serve(cmd.Context(), f)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.data, "data", "data", "folder for the database and caches")
	flags.StringVar(&f.listen, "listen", "127.0.0.1:8080", "address to listen on")
	flags.StringVar(&f.environmentsRepo, "environments-repo", "", "URL of the environments repository")
	flags.StringVar(&f.repositoryURL, "argocd-repo-url", "", "the environments repository as Argo CD reaches it; --environments-repo when empty")
	flags.StringVar(&f.branch, "branch", "main", "branch of the environments repository")
	flags.StringVar(&f.githubAPI, "github-api", "https://api.github.com/", "address of GitHub's API")
	flags.IntVar(&f.workers, "workers", 16, "jobs worked at once")
	flags.IntVar(&f.renders, "renders", 4, "render processes at once")
	flags.DurationVar(&f.poll, "poll", 15*time.Second, "time between looks at the environments repository for what people pushed")
	flags.DurationVar(&f.sweep, "sweep-interval", 3*time.Minute, "time between sweeps for what lost webhooks should have told; negative for none")
	flags.BoolVar(&f.localSources, "local-sources", false, "let projects name repositories on this machine (file:// and paths)")
	flags.BoolVar(&f.demo, "demo", false, "serve a demo: everything under --data, with the repositories of examples/")
	flags.StringVar(&f.githubApp, "github-app-id", "", "ID of the GitHub App whose installations projects name (githubInstallationId)")
	flags.StringVar(&f.githubAppKey, "github-app-key", "", "file with the GitHub App's private key")
	flags.StringVar(&f.sshKey, "ssh-key", "", "file with the private key for ssh URLs of application repositories")
	flags.StringVar(&f.gitSSHKey, "git-ssh-key", "", "file with the private key for an ssh URL of the environments repository; --ssh-key when empty")
	flags.StringVar(&f.sshKnownHosts, "ssh-known-hosts", "", "known_hosts file with the keys of the hosts of ssh URLs")
	flags.StringVar(&f.logLevel, "log-level", "info", "debug, info, warn or error")
	return cmd
}

// flagsFromEnvironment sets every flag that was not given from its CATALYST_ variable.
func (p *program) flagsFromEnvironment(cmd *cobra.Command) error {
	var errs []error
	cmd.LocalNonPersistentFlags().VisitAll(func(flag *pflag.Flag) {
		variable := "CATALYST_" + strings.ToUpper(strings.ReplaceAll(flag.Name, "-", "_"))
		if v := p.getenv(variable); v != "" && !flag.Changed && flag.Name != "help" {
			if err := cmd.Flags().Set(flag.Name, v); err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", variable, err))
			}
		}
	})
	return errors.Join(errs...)
}

func (p *program) logger(level string) (*slog.Logger, error) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		return nil, fmt.Errorf("--log-level %s: %w", level, err)
	}
	return slog.New(slog.NewJSONHandler(p.Err, &slog.HandlerOptions{Level: l})), nil
}

// serve wires the parts and runs them until ctx ends.
func (p *program) serve(ctx context.Context, f serveFlags) error {
	logger, err := p.logger(f.logLevel)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(f.data, 0o700); err != nil {
		return fmt.Errorf("making the data folder: %w", err)
	}
	listener, err := net.Listen("tcp", f.listen)
	if err != nil {
		return hinted{fmt.Errorf("listening on %s: %w", f.listen, err), "does another server run there? --listen takes another address"}
	}
	defer func() { _ = listener.Close() }() // the server closes it; this is for what fails before
	group, ctx := errgroup.WithContext(ctx)
	if f.demo {
		demo, err := prepareDemo(ctx, f.data)
		if err != nil {
			return err
		}
		group.Go(func() error { return demo.serve(ctx) })
		demo.set(&f)
	}
	if err := f.validate(); err != nil {
		return err
	}
	return p.runServer(ctx, group, f, listener, logger)
}

// validate names what is missing, all at once.
func (f serveFlags) validate() error {
	var errs []error
	for _, missing := range []struct {
		value, name, remedy string
	}{
		{f.environmentsRepo, "--environments-repo", "give the URL of the environments repository"},
		{f.webhookSecrets, "CATALYST_GITHUB_WEBHOOK_SECRET", "set it here and in the webhook's settings"},
		{f.encryptionKey, "TOKEN_ENCRYPTION_KEY", "make one with: openssl rand -hex 32"},
	} {
		if missing.value == "" {
			errs = append(errs, fmt.Errorf("%s is not set (%s)", missing.name, missing.remedy))
		}
	}
	if f.apiToken == "" && !f.demo {
		errs = append(errs, errors.New("CATALYST_API_TOKEN is not set (any long random text)"))
	}
	return errors.Join(errs...)
}

func (p *program) runServer(ctx context.Context, group *errgroup.Group, f serveFlags, listener net.Listener, logger *slog.Logger) (err error) {
	q, err := queue.Open(ctx, queue.Options{Path: filepath.Join(f.data, "catalyst.db"), Workers: f.workers, Logger: logger})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, q.Close()) }()
	pool := worker.New(worker.Options{MaxWorkers: f.renders, Logger: logger})
	defer func() { err = errors.Join(err, pool.Close()) }()
	loop, repo, err := newLoop(ctx, f, q, pool, logger)
	if err != nil {
		return err
	}
	s, err := server.New(server.Config{
		WebhookSecrets: byteSlices(strings.Split(f.webhookSecrets, ",")), APIToken: f.apiToken, Demo: f.demo,
		Intake: func(ctx context.Context, d queue.Delivery, e forge.Event) (bool, error) {
			return q.Accept(ctx, d, gitops.Jobs(e, d.ID))
		},
		Data: apiData{loop: loop, repository: repo, queue: q}.functions(), Ready: q.Ping, QueueStats: q.Stats, Logger: logger, Version: version,
	})
	if err != nil {
		return err
	}
	group.Go(func() error { return s.Run(ctx, listener) })
	group.Go(func() error { return q.Run(ctx, loop.Work) })
	group.Go(func() error { return loop.Follow(ctx) })
	group.Go(func() error { return loop.KeepSweeping(ctx) })
	fmt.Fprintf(p.Err, "catalyst: serving on http://%s, environments repository %s\n", listener.Addr(), f.environmentsRepo)
	return group.Wait()
}

func newLoop(ctx context.Context, f serveFlags, q *queue.Queue, pool *worker.Pool, logger *slog.Logger) (*gitops.Loop, *repository.Repository, error) {
	key, err := secrets.ParseEncryptionKey(f.encryptionKey)
	if err != nil {
		return nil, nil, fmt.Errorf("TOKEN_ENCRYPTION_KEY: %w", err)
	}
	macKey, err := secrets.DeriveMACKey(key)
	if err != nil {
		return nil, nil, err
	}
	tokens, err := newCredentials(f, logger)
	if err != nil {
		return nil, nil, err
	}
	kept, err := newCaches(f, tokens, logger)
	if err != nil {
		return nil, nil, err
	}
	sources, err := kept.own()
	if err != nil {
		return nil, nil, err
	}
	// All settings are read before anything is asked for.
	repo, err := openRepository(ctx, f, logger)
	if err != nil {
		return nil, nil, err
	}
	github, err := forge.NewGitHub(forge.Options{BaseURL: f.githubAPI, Token: f.githubToken, TokenOf: tokens.ofRepository})
	if err != nil {
		return nil, nil, err
	}
	loop, err := gitops.New(gitops.Config{
		Repository: repo, Sources: sources, Installed: kept.perInstallation(), Forge: github, Render: pool.Render,
		Record: func(ctx context.Context, o gitops.Outcome) error {
			return q.SaveOutcome(ctx, outcomeRow(o, time.Now()))
		},
		Last: func(ctx context.Context, key v1alpha1.EnvironmentKey) (gitops.Outcome, bool, error) {
			o, err := q.Outcome(ctx, key.String())
			if errors.Is(err, queue.ErrNotFound) {
				return gitops.Outcome{}, false, nil
			}
			return gitops.Outcome{Key: key, State: gitops.State(o.State), SourceSHA: o.SourceSHA}, err == nil, err
		},
		Enqueue:       func(ctx context.Context, jobs []queue.Job) error { return q.Enqueue(ctx, jobs...) },
		RepositoryURL: f.argoURL(), Branch: f.branch, MACKey: macKey, Version: version, PollInterval: f.poll,
		SweepInterval: f.sweep, Logger: logger,
	})
	tokens.loop = loop
	return loop, repo, err
}

// argoURL is the environments repository as Argo CD reaches it.
func (f serveFlags) argoURL() string {
	if f.repositoryURL != "" {
		return f.repositoryURL
	}
	return f.environmentsRepo
}

// openRepository opens the environments repository, and fills an empty one from the template.
func openRepository(ctx context.Context, f serveFlags, logger *slog.Logger) (*repository.Repository, error) {
	ssh, err := f.repositorySSH()
	if err != nil {
		return nil, err
	}
	options := repository.Options{URL: f.environmentsRepo, Branch: f.branch, Logger: logger, Auth: repository.Auth{Password: cmp.Or(f.gitToken, f.githubToken)}}
	if ssh != nil {
		options.SSH = ssh
	}
	repo, err := repository.Open(ctx, options)
	if err != nil {
		return nil, err
	}
	files, err := gitops.InitialFiles(template.FS, f.argoURL(), f.branch)
	if err != nil {
		return nil, err
	}
	err = repo.Init(ctx, files, repository.Message("Begin the environments repository", "", []repository.Trailer{{Key: "Catalyst-Action", Value: "init"}}))
	if err != nil && !errors.Is(err, repository.ErrUnchanged) {
		return nil, fmt.Errorf("filling the environments repository: %w", err)
	}
	return repo, nil
}

func byteSlices(list []string) [][]byte {
	var out [][]byte
	for _, s := range list {
		out = append(out, []byte(strings.TrimSpace(s)))
	}
	return out
}

func outcomeRow(o gitops.Outcome, at time.Time) queue.Outcome {
	return queue.Outcome{Key: o.Key.String(), PRNumber: o.PRNumber, SourceSHA: o.SourceSHA, State: string(o.State),
		Message: o.Message, Revision: o.Revision, Report: o.Report, At: at}
}
