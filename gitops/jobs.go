package gitops

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"catalyst.dev/catalyst/api/v1alpha1"
	"catalyst.dev/catalyst/gitops/forge"
	"catalyst.dev/catalyst/gitops/queue"
)

// Jobs are the jobs that a webhook's event makes: hints at what to look at, nothing more.
func Jobs(e forge.Event, delivery string) []queue.Job {
	job := queue.Job{Delivery: delivery}
	if e.Sender != "" {
		job.Actor = "github:" + e.Sender
	}
	branch, isBranch := strings.CutPrefix(e.Ref, "refs/heads/")
	switch {
	case e.Kind == forge.KindPullRequest:
		job.Kind, job.Repository, job.Number = queue.KindPullRequest, e.Repository.FullName, e.PullRequest
	case e.Kind == forge.KindPush && isBranch && !e.Deleted:
		job.Kind, job.Repository, job.Branch = queue.KindBranch, e.Repository.CloneURL, branch
	default:
		return nil
	}
	return []queue.Job{job}
}

// EnvironmentJobs are the jobs that look at environments again.
func EnvironmentJobs(keys []v1alpha1.EnvironmentKey) []queue.Job {
	jobs := make([]queue.Job, len(keys))
	for i, key := range keys {
		jobs[i] = queue.Job{Kind: queue.KindEnvironment, Environment: key.String()}
	}
	return jobs
}

// Work works one job. Its error tells the queue whether trying again can help.
func (l *Loop) Work(ctx context.Context, job queue.Job) error {
	cause := Cause{Actor: job.Actor, Delivery: job.Delivery}
	err := l.work(ctx, job, cause)
	var limited *forge.RateLimitError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &limited):
		return queue.Snooze(time.Until(limited.RetryAfter))
	case permanent(err):
		// The job ends here: what concerns no environment, such as a repository that no project has, is told nowhere else.
		l.config.Logger.Warn("job refused", "kind", job.Kind, "repository", job.Repository, "number", job.Number,
			"environment", job.Environment, "delivery", job.Delivery, "error", err)
		return queue.Permanent(err)
	}
	return err
}

func (l *Loop) work(ctx context.Context, job queue.Job, cause Cause) error {
	switch job.Kind {
	case queue.KindPullRequest:
		return l.PullRequest(ctx, job.Repository, job.Number, cause)
	case queue.KindBranch:
		if job.Environment == "" {
			return l.Push(ctx, job.Repository, job.Branch, cause)
		}
		return withKey(job, func(key v1alpha1.EnvironmentKey) error { return l.PushTo(ctx, key, job.Repository, job.Branch, cause) })
	case queue.KindEnvironment:
		return withKey(job, func(key v1alpha1.EnvironmentKey) error { return l.Environment(ctx, key, cause) })
	}
	return fmt.Errorf("%w: job of unknown kind %q", ErrInvalid, job.Kind)
}

func withKey(job queue.Job, f func(v1alpha1.EnvironmentKey) error) error {
	key, ok := v1alpha1.ParseEnvironmentKey(job.Environment)
	if !ok {
		return fmt.Errorf("%w: environment %q is not team/project/environment", ErrInvalid, job.Environment)
	}
	return f(key)
}

// permanent reports whether every part of an error is somebody's input: then trying again changes nothing until the
// input does, and that brings a job of its own.
func permanent(err error) bool {
	if joined, ok := err.(interface{ Unwrap() []error }); ok && !errors.Is(err, context.Canceled) {
		parts := joined.Unwrap()
		// fmt.Errorf with several %w joins as well: there the sentinel decides, not every part.
		if len(parts) > 0 && (parts[0] == ErrInvalid || parts[0] == ErrConflict) {
			return true
		}
		for _, part := range parts {
			if !permanent(part) {
				return false
			}
		}
		return true
	}
	return errors.Is(err, ErrInvalid) || errors.Is(err, ErrConflict) || errors.Is(err, ErrNotFound)
}
