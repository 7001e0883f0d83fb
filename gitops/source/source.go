package source

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	gitobject "github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/plumbing/transport"
	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/hashicorp/golang-lru/v2/expirable"
	"golang.org/x/sync/singleflight"
)

// Auth is what a repository is fetched with.
type Auth struct {
	// Username and Password (or token) for https and http.
	Username, Password string
}

// Options of a Cache.
type Options struct {
	// Dir is the cache folder, which may be deleted at any time; "" keeps commits in memory only.
	Dir string
	// Auth says what a URL is fetched with; nil, or a nil answer, is anonymous.
	Auth func(url string) *Auth
	// SSH is the transport of ssh URLs; nil refuses them.
	SSH transport.Transport
	// MaxBytes of one commit's packs, and four times that unpacked; 500 MiB when zero.
	MaxBytes int64
	// MaxEntries of one commit's tree; 50,000 when zero.
	MaxEntries int
	// MaxFile is the largest file that can be read; 10 MiB when zero.
	MaxFile int64
	// MaxCache of the cache folder, beyond which the commits unused for longest go; 2 GiB when zero.
	MaxCache int64
	// AllowLocal permits file URLs and paths. Leave it off where projects choose the URL: it reads this machine's files.
	AllowLocal bool
	// Timeout of one fetch; 2 minutes when zero.
	Timeout time.Duration
	// Logger; slog.Default when nil.
	Logger *slog.Logger
}

// Commit is what a commit says of itself. All but SHA is its author's to choose.
type Commit struct {
	SHA, Subject, AuthorName, AuthorEmail string
	When                                  time.Time
}

// Cache fetches commits and keeps them. It is safe for concurrent use.
type Cache struct {
	options Options
	client  *http.Client
	flight  singleflight.Group
	recent  *lru.Cache[string, *state]
	disk    *disk
	// services are the servers' answers to discovery, by URL.
	services *expirable.LRU[string, *service]
}

const (
	// maxRecent commits stay in memory.
	maxRecent = 32
	// maxServices are remembered for serviceAge.
	maxServices, serviceAge = 1000, time.Hour
)

// New prepares a cache. It fetches nothing.
func New(o Options) (*Cache, error) {
	o.MaxBytes = defaulted(o.MaxBytes, 500<<20)
	o.MaxEntries = defaulted(o.MaxEntries, 50_000)
	o.MaxFile = defaulted(o.MaxFile, 10<<20)
	o.MaxCache = defaulted(o.MaxCache, 2<<30)
	o.Timeout = defaulted(o.Timeout, 2*time.Minute)
	if o.MaxBytes < 0 || o.MaxEntries < 0 || o.MaxFile < 0 || o.MaxCache < 0 || o.Timeout < 0 {
		return nil, errors.New("source.Options: limits must not be negative")
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	recent, err := lru.New[string, *state](maxRecent)
	if err != nil {
		return nil, fmt.Errorf("making the cache: %w", err)
	}
	disk, err := newDisk(o.Dir, o.MaxCache)
	if err != nil {
		return nil, err
	}
	return &Cache{options: o, recent: recent, disk: disk, services: expirable.NewLRU[string, *service](maxServices, nil, serviceAge),
		client: &http.Client{Timeout: o.Timeout, CheckRedirect: noCrossHost}}, nil
}

func defaulted[T comparable](v, otherwise T) T {
	var zero T
	if v == zero {
		return otherwise
	}
	return v
}

// Tree returns the files of a commit, whose full SHA is given in lower-case hex.
func (c *Cache) Tree(ctx context.Context, url, commitSHA string) (*Tree, error) {
	s, err := c.state(ctx, url, commitSHA)
	if err != nil {
		return nil, err
	}
	return &Tree{state: s}, nil
}

// Commit returns what a commit says of itself.
func (c *Cache) Commit(ctx context.Context, url, sha string) (Commit, error) {
	s, err := c.state(ctx, url, sha)
	if err != nil {
		return Commit{}, err
	}
	return s.commit, nil
}

// Resolve asks the repository for the commit of a branch.
func (c *Cache) Resolve(ctx context.Context, url, branch string) (string, error) {
	ref := plumbing.NewBranchReferenceName(branch)
	if err := ref.Validate(); err != nil || branch == "" || branch[0] == '-' {
		return "", fmt.Errorf("branch %q is not a branch name", branch)
	}
	r, err := parseURL(url, c.options.AllowLocal)
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, c.options.Timeout)
	defer cancel()
	sha, err := c.branch(ctx, r, url, ref)
	if err != nil {
		return "", fmt.Errorf("resolving branch %q of %s: %w", branch, r.text, err)
	}
	return sha, nil
}

func (c *Cache) branch(ctx context.Context, r remote, url string, ref plumbing.ReferenceName) (string, error) {
	if r.scheme == "file" {
		return localBranch(r.text, ref)
	}
	if r.scheme != "ssh" {
		sha, err := c.http(r, url).branch(ctx, ref)
		if !errors.Is(err, errOldProtocol) {
			return sha, err
		}
	}
	return c.old(r, url).branch(ctx, ref)
}

// state returns a commit's state, fetched once for all who ask for it at the same time. One who gives up waiting does
// not take the fetch away from the others: it runs on until it is done or times out.
func (c *Cache) state(ctx context.Context, url, sha string) (*state, error) {
	if err := checkSHA(sha); err != nil {
		return nil, err
	}
	r, err := parseURL(url, c.options.AllowLocal)
	if err != nil {
		return nil, err
	}
	key := r.text + "\n" + sha
	if s, ok := c.recent.Get(key); ok {
		return s, nil
	}
	done := c.flight.DoChan(key, func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.options.Timeout)
		defer cancel()
		s, err := c.open(ctx, r, url, plumbing.NewHash(sha))
		if err == nil {
			c.recent.Add(key, s)
		}
		return s, err
	})
	select {
	case <-ctx.Done():
		return nil, fmt.Errorf("fetching %s of %s: %w", sha, r.text, ctx.Err())
	case result := <-done:
		if result.Err != nil {
			return nil, fmt.Errorf("fetching %s of %s: %w", sha, r.text, result.Err)
		}
		return result.Val.(*state), nil
	}
}

// open reads a commit from the folder, the cache folder, or the server, in this order.
func (c *Cache) open(ctx context.Context, r remote, url string, sha plumbing.Hash) (*state, error) {
	s := newState(c.options)
	if r.scheme == "file" {
		local, err := openLocal(r.text, s.limits.file)
		if err != nil {
			return nil, err
		}
		s.fetch = func(ctx context.Context, wants []plumbing.Hash) error { return local.read(ctx, s, wants) }
		return s, s.load(ctx, sha)
	}
	s.fetch = c.missing(r, url, s, sha)
	s.neighbour = func(hash plumbing.Hash) (object, bool) { return c.neighbour(r, hash) }
	if c.disk.read(r.text, sha.String(), s) == nil {
		if err := s.load(ctx, sha); err == nil {
			return s, nil
		}
	}
	c.disk.remove(r.text, sha.String()) // absent, or damaged: fetch it anew
	s.reset()
	return s, c.fetchCommit(ctx, r, url, s, sha)
}

// neighbour looks for an object among the commits of a repository that are in memory.
func (c *Cache) neighbour(r remote, hash plumbing.Hash) (object, bool) {
	for _, key := range c.recent.Keys() {
		if !strings.HasPrefix(key, r.text+"\n") {
			continue
		}
		if s, ok := c.recent.Peek(key); ok {
			if o, ok := s.has(hash); ok {
				return o, true
			}
		}
	}
	return object{}, false
}

// missing returns how objects that did not come with a commit are had.
func (c *Cache) missing(r remote, url string, s *state, sha plumbing.Hash) func(context.Context, []plumbing.Hash) error {
	return func(ctx context.Context, wants []plumbing.Hash) error {
		if r.scheme == "ssh" {
			return nil // everything came with the commit
		}
		body, err := c.http(r, url).fetch(ctx, wants)
		if errors.Is(err, errOldProtocol) {
			return nil
		}
		if err != nil {
			return err
		}
		return s.unpack(body, c.disk.writer(r.text, sha.String()))
	}
}

func (c *Cache) fetchCommit(ctx context.Context, r remote, url string, s *state, sha plumbing.Hash) error {
	w := c.disk.writer(r.text, sha.String())
	if r.scheme != "ssh" {
		h := c.http(r, url)
		service, err := h.discover(ctx)
		if err == nil {
			args := []string{"deepen 1"}
			if service.filter {
				args = append(args, "filter blob:none")
			}
			body, err := h.fetch(ctx, []plumbing.Hash{sha}, args...)
			if err != nil {
				return err
			}
			if err := s.unpack(body, w); err != nil {
				return err
			}
			return s.load(ctx, sha)
		}
		if !errors.Is(err, errOldProtocol) {
			return err
		}
	}
	if err := c.old(r, url).fetch(ctx, s, sha, w); err != nil {
		return err
	}
	return s.load(ctx, sha)
}

// http returns the client of a repository.
func (c *Cache) http(r remote, url string) *httpRemote {
	return &httpRemote{client: c.client, url: r.text, auth: c.auth(url), maxBytes: c.options.MaxBytes, known: c.services}
}

func (c *Cache) auth(url string) *Auth {
	if c.options.Auth == nil {
		return nil
	}
	return c.options.Auth(url)
}

// parseCommit reads a commit object.
func parseCommit(sha plumbing.Hash, data []byte) (Commit, plumbing.Hash, error) {
	m := &plumbing.MemoryObject{}
	m.SetType(plumbing.CommitObject)
	if _, err := m.Write(data); err != nil {
		return Commit{}, plumbing.ZeroHash, err
	}
	var o gitobject.Commit
	if err := o.Decode(m); err != nil {
		return Commit{}, plumbing.ZeroHash, fmt.Errorf("%w: reading the commit: %w", ErrInvalid, err)
	}
	return Commit{SHA: sha.String(), Subject: subject(o.Message), AuthorName: o.Author.Name,
		AuthorEmail: o.Author.Email, When: o.Author.When}, o.TreeHash, nil
}
