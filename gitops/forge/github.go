package forge

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/google/go-github/v60/github"
	lru "github.com/hashicorp/golang-lru/v2"
)

// maxFiles is the number of changed files that GitHub lists at most.
const maxFiles = 3000

// Options configure a GitHub client.
type Options struct {
	// BaseURL is the API's address; empty means https://api.github.com/. GitHub Enterprise: https://HOST/api/v3/.
	BaseURL string
	// Token is sent as a bearer token; empty means anonymous. It is never sent to another host than BaseURL's.
	Token string
	// TokenOf gives the token of one repository in place of Token; an empty one means Token. Nil means Token for all.
	TokenOf func(ctx context.Context, fullName string) (string, error)
	// HTTPClient sends the requests; nil means one with a timeout of 30 seconds.
	HTTPClient *http.Client
	// Now is the clock that RateLimitError counts from; nil means time.Now.
	Now func() time.Time
}

// GitHub asks GitHub's REST API. It is safe for concurrent use, and leaves retries to its callers.
type GitHub struct {
	client  *github.Client
	now     func() time.Time
	tokenOf func(context.Context, string) (string, error)
	// pages of lists that were read, by path.
	pages *lru.Cache[string, listPage]
}

// NewGitHub checks the options. It sends nothing.
func NewGitHub(o Options) (*GitHub, error) {
	if o.BaseURL == "" {
		o.BaseURL = "https://api.github.com/"
	}
	base, err := url.Parse(strings.TrimSuffix(o.BaseURL, "/") + "/")
	if err != nil || base.Host == "" || (base.Scheme != "https" && base.Scheme != "http") || base.User != nil {
		return nil, fmt.Errorf("GitHub base URL %q must be http(s)://HOST/ without credentials", o.BaseURL)
	}
	httpClient := &http.Client{Timeout: 30 * time.Second}
	if o.HTTPClient != nil {
		copied := *o.HTTPClient
		httpClient = &copied
	}
	if httpClient.Transport == nil {
		httpClient.Transport = http.DefaultTransport
	}
	httpClient.Transport = ownToken{httpClient.Transport}
	// The token is put on each request, so a redirect to another host would carry it along.
	httpClient.CheckRedirect = func(req *http.Request, via []*http.Request) error {
		if len(via) >= 5 || req.URL.Host != base.Host || req.URL.Scheme != base.Scheme {
			return fmt.Errorf("redirect to %s refused", req.URL.Host)
		}
		return nil
	}
	client := github.NewClient(httpClient)
	if o.Token != "" {
		client = client.WithAuthToken(o.Token)
	}
	client.BaseURL = base
	client.UserAgent = "catalyst"
	if o.Now == nil {
		o.Now = time.Now
	}
	pages, err := lru.New[string, listPage](maxRemembered)
	if err != nil {
		return nil, fmt.Errorf("making the cache of lists: %w", err)
	}
	return &GitHub{client: client, now: o.Now, tokenOf: o.TokenOf, pages: pages}, nil
}

// PullRequest reads the state of a pull request. The error is ErrNotFound or a *RateLimitError where these apply.
func (g *GitHub) PullRequest(ctx context.Context, fullName string, number int) (PullRequest, error) {
	owner, name, err := split(fullName)
	if err != nil {
		return PullRequest{}, err
	}
	if ctx, err = g.authorized(ctx, fullName); err != nil {
		return PullRequest{}, err
	}
	pr, _, err := g.client.PullRequests.Get(ctx, owner, name, number)
	if err != nil {
		return PullRequest{}, fmt.Errorf("reading pull request %s#%d: %w", fullName, number, g.explain(err))
	}
	return convert(pr), nil
}

// Branch reads the commit that a branch points to.
func (g *GitHub) Branch(ctx context.Context, fullName, branch string) (string, error) {
	owner, name, err := split(fullName)
	if err != nil {
		return "", err
	}
	if branch == "" || strings.Contains(branch, "..") {
		return "", fmt.Errorf("branch %q is not a branch name", branch)
	}
	if ctx, err = g.authorized(ctx, fullName); err != nil {
		return "", err
	}
	// go-github's GetBranch turns every refusal into plain text; Do keeps what explain needs.
	request, err := g.client.NewRequest(http.MethodGet, fmt.Sprintf("repos/%s/%s/branches/%s", owner, name, url.PathEscape(branch)), nil)
	if err != nil {
		return "", fmt.Errorf("reading branch %q of %s: %w", branch, fullName, err)
	}
	var b github.Branch
	if _, err := g.client.Do(ctx, request, &b); err != nil {
		return "", fmt.Errorf("reading branch %q of %s: %w", branch, fullName, g.explain(err))
	}
	commit := b.GetCommit().GetSHA()
	if !sha(commit) {
		return "", fmt.Errorf("reading branch %q of %s: the answer holds no commit", branch, fullName)
	}
	return commit, nil
}

// Files lists the paths that a pull request adds, changes, deletes or renames (both names), at most 3,000 files.
func (g *GitHub) Files(ctx context.Context, fullName string, number int) ([]string, error) {
	owner, name, err := split(fullName)
	if err != nil {
		return nil, err
	}
	if ctx, err = g.authorized(ctx, fullName); err != nil {
		return nil, err
	}
	var paths []string
	options := &github.ListOptions{PerPage: 100}
	for seen := 0; seen < maxFiles; {
		files, response, err := g.client.PullRequests.ListFiles(ctx, owner, name, number, options)
		if err != nil {
			return nil, fmt.Errorf("listing the files of %s#%d: %w", fullName, number, g.explain(err))
		}
		for _, f := range files {
			paths = append(paths, f.GetFilename())
			if f.GetPreviousFilename() != "" {
				paths = append(paths, f.GetPreviousFilename())
			}
		}
		seen += len(files)
		if response.NextPage <= options.Page || len(files) == 0 {
			break
		}
		options.Page = response.NextPage
	}
	return paths, nil
}

// explain turns go-github's errors into this package's.
func (g *GitHub) explain(err error) error {
	var primary *github.RateLimitError
	if errors.As(err, &primary) {
		return &RateLimitError{RetryAfter: primary.Rate.Reset.Time}
	}
	var secondary *github.AbuseRateLimitError
	if errors.As(err, &secondary) {
		wait := time.Minute // GitHub's advice when it names no time
		if secondary.RetryAfter != nil {
			wait = *secondary.RetryAfter
		}
		return &RateLimitError{RetryAfter: g.now().Add(wait), Secondary: true}
	}
	var answer *github.ErrorResponse
	if !errors.As(err, &answer) || answer.Response == nil {
		return err
	}
	switch answer.Response.StatusCode {
	case http.StatusNotFound, http.StatusGone:
		return ErrNotFound
	case http.StatusTooManyRequests, http.StatusForbidden:
		if wait, err := time.ParseDuration(answer.Response.Header.Get("Retry-After") + "s"); err == nil {
			return &RateLimitError{RetryAfter: g.now().Add(wait), Secondary: true}
		}
		if answer.Response.StatusCode == http.StatusTooManyRequests {
			return &RateLimitError{RetryAfter: g.now().Add(time.Minute), Secondary: true}
		}
	}
	return err
}

func convert(pr *github.PullRequest) PullRequest {
	base, head := pr.GetBase(), pr.GetHead()
	out := PullRequest{
		Repository: Repository{ID: base.GetRepo().GetID(), FullName: base.GetRepo().GetFullName(), CloneURL: base.GetRepo().GetCloneURL()},
		Number:     pr.GetNumber(),
		State:      pr.GetState(),
		Merged:     pr.GetMerged(),
		Draft:      pr.GetDraft(),
		Head: Head{Ref: head.GetRef(), SHA: head.GetSHA(),
			RepositoryID: head.GetRepo().GetID(), FullName: head.GetRepo().GetFullName()},
		Base:      Base{Ref: base.GetRef()},
		Title:     pr.GetTitle(),
		Author:    pr.GetUser().GetLogin(),
		AuthorID:  pr.GetUser().GetID(),
		UpdatedAt: pr.GetUpdatedAt().Time,
	}
	for _, l := range pr.Labels {
		out.Labels = append(out.Labels, l.GetName())
	}
	return out
}

func split(name string) (owner, repo string, err error) {
	if !fullName(name) {
		return "", "", fmt.Errorf("repository %q is not owner/name", name)
	}
	owner, repo, _ = strings.Cut(name, "/")
	return owner, repo, nil
}
