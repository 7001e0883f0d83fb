package gitops

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"catalyst.dev/catalyst/api/v1alpha1"
	"catalyst.dev/catalyst/gitops/forge"
	"catalyst.dev/catalyst/gitops/queue"
)

const (
	// sweepPause between two questions of a sweep to forges and remotes bounds their rate.
	sweepPause = 100 * time.Millisecond
	// sweepAgain is when what a sweep asked for, and what changed nothing, is asked for once more.
	sweepAgain = time.Hour
	// aboutPull marks differences from a pull request, beside those from a branch.
	aboutPull = "pull request"
)

// sweeper is what sweeps remember of each other.
type sweeper struct {
	mu sync.Mutex
	// asked are the differences that jobs were asked for: by environment and what it differs from, what was seen then.
	asked map[string]sighting
	// due says when an environment's time to live may be over.
	due map[v1alpha1.EnvironmentKey]time.Time
}

type sighting struct {
	seen string
	at   time.Time
}

// KeepSweeping sweeps now and again and again until ctx ends.
func (l *Loop) KeepSweeping(ctx context.Context) error {
	if l.config.SweepInterval < 0 || l.config.Enqueue == nil {
		return nil
	}
	for {
		// Many servers that were started together do not stay together.
		wait := l.config.SweepInterval*9/10 + rand.N(l.config.SweepInterval/5+1)
		err := l.Sweep(ctx)
		var limited *forge.RateLimitError
		if errors.As(err, &limited) {
			wait = max(wait, limited.RetryAfter.Sub(l.config.Now()))
		}
		if err != nil && ctx.Err() == nil {
			l.config.Logger.Error("sweeping: the next sweep tries again", "error", err)
		}
		if pause(ctx, wait) != nil {
			return nil
		}
	}
}

// pause waits, or returns ctx's error.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// Sweep finds what lost webhooks should have told, and asks for jobs: open pull requests without their environment or with
// another head, environments of pull requests that are not open, branches that moved. It deletes previews whose time to
// live is over. What it finds is a hint like a webhook: the jobs ask what is true. One repository that cannot be asked
// keeps no other from being swept.
func (l *Loop) Sweep(ctx context.Context) error {
	l.sweeper.mu.Lock()
	defer l.sweeper.mu.Unlock()
	view, err := l.fresh(ctx)
	if err != nil {
		return err
	}
	s := &sweep{loop: l, view: view, now: l.config.Now()}
	if err := s.gather(ctx); err != nil {
		return err
	}
	maps.DeleteFunc(l.sweeper.asked, func(_ string, was sighting) bool { return s.now.Sub(was.at) >= sweepAgain })
	var errs []error
	for _, step := range []func(context.Context) error{s.pullRequests, s.branches, s.expired} {
		errs = append(errs, step(ctx))
		if ctx.Err() != nil {
			break
		}
	}
	return errors.Join(errs...)
}

// sweep is one of them.
type sweep struct {
	loop     *Loop
	view     *View
	now      time.Time
	projects []sweptProject
}

// sweptProject is a project with its environments that can be read.
type sweptProject struct {
	*v1alpha1.Project
	environments []*v1alpha1.Environment
	previews     int
}

func (p sweptProject) environment(name string) *v1alpha1.Environment {
	for _, env := range p.environments {
		if env.Name == name {
			return env
		}
	}
	return nil
}

func (s *sweep) gather(ctx context.Context) error {
	projects, _, err := s.view.Projects(ctx)
	if err != nil {
		return err
	}
	for _, project := range projects {
		p := sweptProject{Project: project}
		keys, err := s.view.Keys(ctx, project.Namespace, project.Name)
		if err != nil {
			return err
		}
		for _, key := range keys {
			env, err := s.view.Environment(ctx, key)
			if err != nil {
				continue // Follow reports it
			}
			p.environments = append(p.environments, env)
			if isPreview(env) {
				p.previews++
			}
		}
		s.projects = append(s.projects, p)
	}
	return nil
}

// sweptSource is one source of one project.
type sweptSource struct {
	project sweptProject
	source  v1alpha1.Source
}

// repositories groups the sources that may have previews by the name that the forge knows their repository by.
func (s *sweep) repositories() map[string][]sweptSource {
	found := map[string][]sweptSource{}
	for _, p := range s.projects {
		for _, src := range p.Spec.Sources {
			previewed := slices.ContainsFunc(p.environments, func(e *v1alpha1.Environment) bool { return e.Source(src.Name).PRNumber > 0 })
			if name, ok := forgeName(src.RepositoryURL); ok && (p.Spec.Previews.Enabled || previewed) {
				found[name] = append(found[name], sweptSource{p, src})
			}
		}
	}
	return found
}

func (s *sweep) pullRequests(ctx context.Context) error {
	repositories := s.repositories()
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(repositories)) {
		if err := pause(ctx, sweepPause); err != nil {
			return err
		}
		open, err := s.loop.config.Forge.OpenPullRequests(ctx, name)
		var limited *forge.RateLimitError
		if errors.As(err, &limited) {
			return errors.Join(append(errs, err)...)
		}
		if err == nil {
			err = s.repository(ctx, name, open, repositories[name])
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// repository asks for the pull requests of one repository that differ from their environments.
func (s *sweep) repository(ctx context.Context, name string, open []forge.PullRequest, sources []sweptSource) error {
	differ := map[int]bool{}
	isOpen := map[int]bool{}
	for _, pr := range open {
		isOpen[pr.Number] = true
		for _, at := range sources {
			if !sameRepository(pr.Repository.CloneURL, at.source.RepositoryURL) {
				continue // another forge's repository of the same name
			}
			is, err := s.differs(ctx, at, pr)
			if err != nil {
				return err
			}
			differ[pr.Number] = differ[pr.Number] || is
		}
	}
	for _, at := range sources {
		for _, env := range at.project.environments {
			number := env.Source(at.source.Name).PRNumber
			if number > 0 && !isOpen[number] && s.first(env.Key(), aboutPull, "not open") {
				differ[number] = true
			}
		}
	}
	var jobs []queue.Job
	for _, number := range slices.Sorted(maps.Keys(differ)) {
		if differ[number] {
			jobs = append(jobs, queue.Job{Kind: queue.KindPullRequest, Repository: name, Number: number})
		}
	}
	return s.enqueue(ctx, jobs)
}

// differs reports whether an open pull request's environment is not what it should be, as far as the list tells.
func (s *sweep) differs(ctx context.Context, at sweptSource, pr forge.PullRequest) (bool, error) {
	project := at.project.DeepCopy()
	project.Spec.Previews.Paths = nil // lists hold no files: the job asks for them
	plan := planPullRequest(project, at.source, pr, nil)
	env := at.project.environment(plan.Key.Environment)
	seen := fmt.Sprint(plan.Decision, pr.Head, pr.Base.Ref, pr.Draft, pr.Labels)
	switch {
	case plan.Decision == Unwanted:
		return env != nil && s.first(plan.Key, aboutPull, seen), nil
	case env != nil && env.Source(at.source.Name) == plan.Source:
		return false, nil
	}
	last, known, err := s.last(ctx, plan.Key)
	if err != nil {
		return false, err
	}
	most := int(at.project.Spec.Previews.Max)
	switch {
	case known && last.SourceSHA == pr.Head.SHA && settled(last.State):
		return false, nil
	case env == nil && plan.Decision == Want && most > 0 && at.project.previews >= most:
		delete(s.loop.sweeper.asked, plan.Key.String()+" "+aboutPull) // asked for as soon as there is room
		return false, nil
	}
	return s.first(plan.Key, aboutPull, seen), nil
}

// settled reports whether a source revision was dealt with, so that an environment that is not at it now was taken back by a
// person or by its time to live: no sweep brings it back.
func settled(state State) bool {
	switch state {
	case StateCommitted, StateUnchanged, StateRenderOnly, StateExpired:
		return true
	}
	return false
}

func (s *sweep) last(ctx context.Context, key v1alpha1.EnvironmentKey) (Outcome, bool, error) {
	if s.loop.config.Last == nil {
		return Outcome{}, false, nil
	}
	return s.loop.config.Last(ctx, key)
}

// first reports whether a difference is new, and notes it. The input that the environment is made from counts: a job that
// failed may succeed once somebody changed it.
func (s *sweep) first(key v1alpha1.EnvironmentKey, about, seen string) bool {
	for _, path := range []string{platformFile, certificateFile, projectFile(key.Team, key.Project), EnvironmentDir(key)} {
		hash, _ := s.view.snapshot.Tree(path)
		seen += " " + hash
	}
	subject := key.String() + " " + about
	if s.loop.sweeper.asked[subject].seen == seen {
		return false
	}
	s.loop.sweeper.asked[subject] = sighting{seen: seen, at: s.now}
	return true
}

func (s *sweep) enqueue(ctx context.Context, jobs []queue.Job) error {
	if len(jobs) == 0 || s.loop.config.Enqueue == nil {
		return nil
	}
	for _, job := range jobs {
		s.loop.config.Logger.Info("sweep found a difference", "kind", job.Kind, "repository", job.Repository,
			"number", job.Number, "branch", job.Branch, "environment", job.Environment)
	}
	return s.loop.config.Enqueue(ctx, jobs)
}

// branch of a repository, as an installation reads it.
type branch struct{ installation, url, name string }

// follower is an environment one of whose sources follows a branch.
type follower struct {
	environment *v1alpha1.Environment
	source      string
}

func (s *sweep) followers() map[branch][]follower {
	followers := map[branch][]follower{}
	for _, p := range s.projects {
		for _, env := range p.environments {
			for _, src := range p.Spec.Sources {
				at := env.Source(src.Name)
				if at.PRNumber == 0 && at.CommitSHA != "" {
					b := branch{installationOf(p.Project), src.RepositoryURL, cmp.Or(at.Branch, src.Branch)}
					followers[b] = append(followers[b], follower{env, src.Name})
				}
			}
		}
	}
	return followers
}

// branches asks for the environments whose branch has moved on.
func (s *sweep) branches(ctx context.Context) error {
	followers := s.followers()
	var errs []error
	for _, b := range slices.SortedFunc(maps.Keys(followers), func(x, y branch) int {
		return cmp.Or(cmp.Compare(x.url, y.url), cmp.Compare(x.name, y.name), cmp.Compare(x.installation, y.installation))
	}) {
		if err := pause(ctx, sweepPause); err != nil {
			return err
		}
		sources, err := s.loop.sourcesOf(b.installation)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		head, err := sources.Resolve(ctx, b.url, b.name)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		var jobs []queue.Job
		for _, f := range followers[b] {
			key := f.environment.Key()
			last, known, err := s.last(ctx, key)
			switch {
			case err != nil:
				return err
			case f.environment.Source(f.source).CommitSHA == head,
				known && last.SourceSHA == head && settled(last.State),
				!s.first(key, b.url+" "+b.name, head):
				continue
			}
			jobs = append(jobs, queue.Job{Kind: queue.KindBranch, Repository: b.url, Branch: b.name, Environment: key.String()})
		}
		errs = append(errs, s.enqueue(ctx, jobs))
	}
	return errors.Join(errs...)
}
