package gitops

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"catalyst.dev/catalyst/api/v1alpha1"
	"catalyst.dev/catalyst/gitops/forge"
	"catalyst.dev/catalyst/gitops/queue"
	"catalyst.dev/catalyst/gitops/repository"
	"catalyst.dev/catalyst/gitops/source"
	"catalyst.dev/catalyst/render"
)

// Forge is what the plan asks of GitHub, or of a forge that speaks like it.
type Forge interface {
	PullRequest(ctx context.Context, fullName string, number int) (forge.PullRequest, error)
	Files(ctx context.Context, fullName string, number int) ([]string, error)
	OpenPullRequests(ctx context.Context, fullName string) ([]forge.PullRequest, error)
}

var _ Forge = (*forge.GitHub)(nil)

// Config of a Loop.
type Config struct {
	// Repository is the environments repository.
	Repository *repository.Repository
	// Sources fetches application commits.
	Sources *source.Cache
	// Installed fetches them for the projects that name a GitHub App installation, with its token alone; nil where there is
	// no App: Sources serves all projects then. Each installation has a cache of its own: what one may read another may not.
	Installed func(installation string) (*source.Cache, error)
	// Forge says what a pull request is now.
	Forge Forge
	// Render renders one environment, contained.
	Render func(context.Context, render.Input) (*render.Output, error)
	// Record keeps the outcome of a job for people to see; nil drops it.
	Record func(context.Context, Outcome) error
	// Last is the outcome that Record kept last for an environment; it reports false for none. Nil knows of none.
	Last func(context.Context, v1alpha1.EnvironmentKey) (Outcome, bool, error)
	// Enqueue asks for jobs that no webhook asked for: after hand edits and lost webhooks. Nil ignores both.
	Enqueue func(context.Context, []queue.Job) error
	// RepositoryURL is the environments repository as Argo CD reaches it, unless the Platform says otherwise.
	RepositoryURL string
	// Branch of the environments repository; "main" when empty.
	Branch string
	// MACKey tells unchanged secret values from changed ones without keeping them.
	MACKey []byte
	// Version of Catalyst, written into hydrator.metadata.
	Version string
	// PollInterval between looks at the environments repository for what people pushed; 15s when zero.
	PollInterval time.Duration
	// SweepInterval between sweeps for what lost webhooks should have told, a tenth more or less; 3 minutes when zero, no
	// sweeps when negative.
	SweepInterval time.Duration
	// Now is the clock that previews' time to live runs by; time.Now when nil.
	Now func() time.Time
	// Logger; slog.Default when nil.
	Logger *slog.Logger
}

// Loop brings the environments repository to what forges and people say.
type Loop struct {
	config Config
	cache  *documentCache
	// environments serialises the work on each environment: without it, two jobs of one environment would render
	// two commits of its source at once, and the older could be pushed last.
	environments keyedMutex
	sweeper      sweeper
	broken       atomic.Pointer[brokenFiles]
}

// State is what became of a job.
type State string

// The states.
const (
	StateCommitted  State = "committed"
	StateUnchanged  State = "unchanged"
	StateDeleted    State = "deleted"
	StateRenderOnly State = "render-only"
	StateSkipped    State = "skipped"
	StateFailed     State = "failed"
	// StateExpired is a preview that was deleted since nobody changed it for its time to live.
	StateExpired State = "expired"
)

// Outcome of one job for one environment.
type Outcome struct {
	Key v1alpha1.EnvironmentKey
	// PRNumber is zero where no pull request is involved.
	PRNumber int
	// SourceSHA is the source revision that was looked at.
	SourceSHA string
	State     State
	// Message says why, in plain words; for StateFailed, what to do.
	Message string
	// Revision of the environments repository; empty when nothing was committed.
	Revision string
	// URL of the environment's main entrance.
	URL string
	// Report of the render; empty when there was none.
	Report []byte
}

// New checks the config.
func New(c Config) (*Loop, error) {
	for name, missing := range map[string]bool{
		"Repository": c.Repository == nil, "Sources": c.Sources == nil, "Forge": c.Forge == nil, "Render": c.Render == nil,
	} {
		if missing {
			return nil, fmt.Errorf("gitops.Config.%s is missing", name)
		}
	}
	c.setDefaults()
	cache, err := newDocumentCache()
	if err != nil {
		return nil, err
	}
	return &Loop{config: c, cache: cache, sweeper: sweeper{asked: map[string]sighting{}}}, nil
}

func (c *Config) setDefaults() {
	if c.Branch == "" {
		c.Branch = "main"
	}
	if c.PollInterval == 0 {
		c.PollInterval = 15 * time.Second
	}
	if c.SweepInterval == 0 {
		c.SweepInterval = 3 * time.Minute
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Record == nil {
		c.Record = func(context.Context, Outcome) error { return nil }
	}
}

// View is the environments repository as last seen.
func (l *Loop) View() *View { return &View{snapshot: l.config.Repository.Snapshot(), cache: l.cache} }

// fresh reads the environments repository's tip first.
func (l *Loop) fresh(ctx context.Context) (*View, error) {
	snapshot, err := l.config.Repository.Refresh(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading the environments repository: %w", err)
	}
	return &View{snapshot: snapshot, cache: l.cache}, nil
}

// record keeps an outcome. A job whose outcome cannot be kept is worked again: it will find nothing left to do.
func (l *Loop) record(ctx context.Context, o Outcome) error {
	l.config.Logger.Info("worked", "environment", o.Key.String(), "state", o.State, "sourceSHA", o.SourceSHA,
		"revision", o.Revision, "message", o.Message)
	if err := l.config.Record(ctx, o); err != nil {
		return fmt.Errorf("recording the outcome of %s: %w", o.Key, err)
	}
	return nil
}

// fail records a failure and tells whether trying again can help: bad input stays bad.
func (l *Loop) fail(ctx context.Context, o Outcome, cause error) error {
	o.State, o.Message = StateFailed, cause.Error()
	if err := l.record(ctx, o); err != nil {
		return errors.Join(cause, err)
	}
	return cause
}

// sourceTrees fetches every source of a project at the environment's commits.
func (l *Loop) sourceTrees(ctx context.Context, docs Documents) (map[string]fs.FS, error) {
	trees := map[string]fs.FS{}
	sources, err := l.sources(docs.Project)
	if err != nil {
		return nil, err
	}
	for _, src := range docs.Project.Spec.Sources {
		at := docs.Environment.Source(src.Name)
		if at.CommitSHA == "" {
			continue // no template needs a source that no environment names
		}
		tree, err := sources.Tree(ctx, src.RepositoryURL, at.CommitSHA)
		if err != nil {
			return nil, fmt.Errorf("fetching source %s of %s: %w", src.Name, docs.Environment.Key(), err)
		}
		trees[src.Name] = tree
	}
	return trees, nil
}

// keyedMutex is one lock per key. The zero value is ready.
type keyedMutex struct {
	mu    sync.Mutex
	locks map[string]*countedMutex
}

type countedMutex struct {
	sync.Mutex
	users int
}

// lock locks key and returns what unlocks it.
func (k *keyedMutex) lock(key string) func() {
	k.mu.Lock()
	if k.locks == nil {
		k.locks = map[string]*countedMutex{}
	}
	m := k.locks[key]
	if m == nil {
		m = &countedMutex{}
		k.locks[key] = m
	}
	m.users++
	k.mu.Unlock()
	m.Lock()
	return func() {
		m.Unlock()
		k.mu.Lock()
		defer k.mu.Unlock()
		if m.users--; m.users == 0 {
			delete(k.locks, key)
		}
	}
}
