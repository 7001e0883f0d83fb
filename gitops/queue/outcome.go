package queue

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// The states of an outcome.
const (
	StateCommitted  = "committed"
	StateUnchanged  = "unchanged"
	StateFailed     = "failed"
	StateRenderOnly = "render-only"
	StateSkipped    = "skipped"
	StateDeleted    = "deleted"
	StateHeld       = "held"
	StateExpired    = "expired"
)

// ErrNotFound means that there is no outcome of that key.
var ErrNotFound = errors.New("no outcome")

// Outcome is what came of the last work on an environment.
type Outcome struct {
	// Key is team/project/environment.
	Key string
	// Repository is the application repository, as in the job.
	Repository string
	// PRNumber of the pull request; 0 without one.
	PRNumber int
	// SourceSHA is the source revision.
	SourceSHA string
	// State is one of the State constants.
	State string
	// Message says more, for people: why it failed, was held or skipped.
	Message string
	// Revision is the commit of the environments repository; empty when there was none.
	Revision string
	// Report of the render; nil when there was none.
	Report json.RawMessage
	// At is when, to the millisecond.
	At time.Time
}

// SaveOutcome replaces the outcome of its key.
func (q *Queue) SaveOutcome(ctx context.Context, o Outcome) error {
	if o.Key == "" {
		return errors.New("saving an outcome: it has no key")
	}
	_, err := q.writer.ExecContext(ctx, `INSERT INTO catalyst_outcome
			(key, repository, pr_number, source_sha, state, message, revision, report, at)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (key) DO UPDATE SET repository = excluded.repository, pr_number = excluded.pr_number,
			source_sha = excluded.source_sha, state = excluded.state, message = excluded.message,
			revision = excluded.revision, report = excluded.report, at = excluded.at`,
		o.Key, o.Repository, o.PRNumber, o.SourceSHA, o.State, o.Message, o.Revision, string(o.Report), o.At.UnixMilli())
	if err != nil {
		return fmt.Errorf("saving the outcome of %s: %w", o.Key, err)
	}
	return nil
}

// Outcome returns the outcome of a key, or ErrNotFound.
func (q *Queue) Outcome(ctx context.Context, key string) (Outcome, error) {
	o := Outcome{Key: key}
	var report string
	var at int64
	err := q.reader.QueryRowContext(ctx, `SELECT repository, pr_number, source_sha, state, message, revision, report, at
		FROM catalyst_outcome WHERE key = ?`, key).
		Scan(&o.Repository, &o.PRNumber, &o.SourceSHA, &o.State, &o.Message, &o.Revision, &report, &at)
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrNotFound
	}
	if err != nil {
		return Outcome{}, fmt.Errorf("reading the outcome of %s: %w", key, err)
	}
	if report != "" {
		o.Report = json.RawMessage(report)
	}
	o.At = time.UnixMilli(at).UTC()
	return o, nil
}
