package queue

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"
)

const (
	// retention of deliveries. Forges repeat one within days.
	retention  = 30 * 24 * time.Hour
	cleanEvery = time.Hour
	// grace is how long cancelled jobs may take to return.
	grace = 2 * time.Second
	// maxError is how much of a failure's text is kept with the job, for each attempt.
	maxError = 1024
)

// Run works jobs until ctx ends. Then it lets running jobs finish for the drain timeout, cancels those that did not, and
// hands them back. A job whose work fails is tried again later; see Permanent and Snooze. Run is called once.
func (q *Queue) Run(ctx context.Context, work func(ctx context.Context, job Job) error) error {
	do := workFunc(work)
	if !q.work.CompareAndSwap(nil, &do) {
		return errors.New("running the queue: it was run before")
	}
	if err := q.river.Start(ctx); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return fmt.Errorf("starting the workers: %w", err)
	}
	q.clean(ctx)
	<-ctx.Done()
	late := time.NewTimer(q.opts.DrainTimeout + grace)
	defer late.Stop()
	select {
	case <-q.river.Stopped():
		return nil
	case <-late.C:
		return errors.New("stopping the workers: some jobs ignore that they were cancelled; they run again after a restart")
	}
}

// clean forgets old deliveries, now and every hour until ctx ends. River itself removes finished jobs.
func (q *Queue) clean(ctx context.Context) {
	tick := time.NewTicker(cleanEvery)
	defer tick.Stop()
	for {
		if err := q.forget(ctx, time.Now().Add(-retention)); err != nil && ctx.Err() == nil {
			q.opts.Logger.WarnContext(ctx, "old deliveries were not removed", "error", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// forget removes deliveries received before the time, in slices that hold intake up only briefly.
func (q *Queue) forget(ctx context.Context, before time.Time) error {
	const slice = 1000
	for {
		res, err := q.writer.ExecContext(ctx, `DELETE FROM catalyst_delivery WHERE id IN
			(SELECT id FROM catalyst_delivery WHERE received_at < ? LIMIT ?)`, before.UnixMilli(), slice)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n < slice {
			return err
		}
	}
}

func worker(q *Queue) river.Worker[jobArgs] {
	return river.WorkFunc(func(ctx context.Context, j *river.Job[jobArgs]) error { return q.workJob(ctx, j) })
}

// workJob works one job in its subject's turn and tells River how it went.
func (q *Queue) workJob(ctx context.Context, j *river.Job[jobArgs]) error {
	subject := j.Args.Job.subject()
	mine, err := q.gate.enter(ctx, subject, j.ID)
	if err != nil {
		return river.JobSnooze(0)
	}
	if !mine {
		return nil
	}
	defer q.gate.leave(subject)
	return verdict(ctx, (*q.work.Load())(ctx, j.Args.Job))
}

// verdict translates what the work returned.
func verdict(ctx context.Context, err error) error {
	var permanent *permanentError
	var snooze snoozeError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &permanent):
		return river.JobCancel(shorten(err))
	case errors.As(err, &snooze):
		return river.JobSnooze(snooze.after)
	case errors.Is(ctx.Err(), context.Canceled): // stopped while draining: no fault of the job
		return river.JobSnooze(0)
	}
	return shorten(err)
}

// shorten bounds what is kept of an error; the work has reported it in full.
func shorten(err error) error {
	text := err.Error()
	if len(text) <= maxError {
		return err
	}
	return errors.New(strings.ToValidUTF8(text[:maxError], "") + "…")
}

// retryPolicy is River's view of Options.RetryAfter.
type retryPolicy func(failures int) time.Duration

// NextRetry implements river.ClientRetryPolicy. River counts attempts without snoozes.
func (p retryPolicy) NextRetry(job *rivertype.JobRow) time.Time {
	return time.Now().Add(p(max(job.Attempt, 1)))
}

var _ river.ClientRetryPolicy = retryPolicy(nil)

// retryAfter doubles from a second up to 90, so that what failed for an hour is tried within two minutes of the
// trouble's end. The random part keeps many failures from coming back together.
func retryAfter(failures int) time.Duration {
	const longest = 90 * time.Second
	wait := longest
	if failures < 7 {
		wait = time.Second << (failures - 1)
	}
	return wait - rand.N(wait/10)
}
