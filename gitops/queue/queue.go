package queue

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riversqlite"
)

// ErrClosed means that the queue was used after Close.
var ErrClosed = errors.New("queue is closed")

// Options of a queue.
type Options struct {
	// Path of the SQLite file. Its folder exists; the file is made when missing.
	Path string
	// Workers is how many jobs run at the same time; 32 when zero.
	Workers int
	// Logger for what no caller sees; nil discards.
	Logger *slog.Logger
	// RetryAfter is the wait before the next attempt after the given number of failures; nil doubles from one second
	// to 90, less a tenth at random.
	RetryAfter func(failures int) time.Duration
	// MaxAttempts of a job until it is given up; 250 when zero, which outlasts some six hours of failure.
	MaxAttempts int
	// JobTimeout ends a job's context; 10 minutes when zero.
	JobTimeout time.Duration
	// DrainTimeout is how long running jobs may finish when Run ends before they are cancelled and handed back;
	// 8 seconds when zero.
	DrainTimeout time.Duration
	// BusyTimeout is how long a statement waits for a lock that somebody else holds on the file; 5 seconds when zero.
	BusyTimeout time.Duration
}

func (o *Options) setDefaults() {
	if o.Workers == 0 {
		o.Workers = 32
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.RetryAfter == nil {
		o.RetryAfter = retryAfter
	}
	if o.MaxAttempts == 0 {
		o.MaxAttempts = 250
	}
	if o.JobTimeout == 0 {
		o.JobTimeout = 10 * time.Minute
	}
	if o.DrainTimeout == 0 {
		o.DrainTimeout = 8 * time.Second
	}
	if o.BusyTimeout == 0 {
		o.BusyTimeout = 5 * time.Second
	}
}

// Queue is the durable queue. All methods may be called concurrently.
type Queue struct {
	opts   Options
	lock   *os.File
	writer *sql.DB // one connection
	reader *sql.DB
	river  *river.Client[*sql.Tx]
	driver *driver
	batch  batcher
	gate   gate
	work   atomic.Pointer[workFunc]
	close  func() error
}

type workFunc func(ctx context.Context, job Job) error

// Open opens the queue, migrates its tables, and hands back the jobs that ran when the process before died. A second
// process on the same file is refused.
func Open(ctx context.Context, opts Options) (*Queue, error) {
	opts.setDefaults()
	q := &Queue{opts: opts}
	q.close = sync.OnceValue(q.shut)
	if err := q.open(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("opening the queue %s: %w", opts.Path, err), q.Close())
	}
	return q, nil
}

func (q *Queue) open(ctx context.Context) (err error) {
	if q.lock, err = lockFile(q.opts.Path + ".lock"); err != nil {
		return err
	}
	if q.writer, q.reader, err = openSQLite(q.opts); err != nil {
		return err
	}
	if err = prepareSQLite(ctx, q.writer); err != nil {
		return err
	}
	if q.river, err = q.newRiver(); err != nil {
		return err
	}
	q.batch.commit = q.commit
	return nil
}

func (q *Queue) newRiver() (*river.Client[*sql.Tx], error) {
	workers := river.NewWorkers()
	if err := river.AddWorkerSafely(workers, worker(q)); err != nil {
		return nil, fmt.Errorf("adding the worker: %w", err)
	}
	q.driver = &driver{Driver: riversqlite.New(q.writer), inserted: make(chan struct{}, 1)}
	client, err := river.NewClient[*sql.Tx](q.driver, &river.Config{
		FetchCooldown:     50 * time.Millisecond,
		FetchPollInterval: 500 * time.Millisecond,
		JobTimeout:        q.opts.JobTimeout,
		Logger:            slog.New(atLeastWarnings{q.opts.Logger.Handler()}),
		MaxAttempts:       q.opts.MaxAttempts,
		Queues:            map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: q.opts.Workers}},
		RetryPolicy:       retryPolicy(q.opts.RetryAfter),
		SoftStopTimeout:   q.opts.DrainTimeout,
		Workers:           workers,
	})
	if err != nil {
		return nil, fmt.Errorf("making the job client: %w", err)
	}
	return client, nil
}

// Close ends intake and closes the database. Run has returned before.
func (q *Queue) Close() error { return q.close() }

func (q *Queue) shut() error {
	q.batch.close()
	var errs []error
	for _, db := range []*sql.DB{q.reader, q.writer} {
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	if q.lock != nil {
		errs = append(errs, q.lock.Close())
	}
	return errors.Join(errs...)
}

// atLeastWarnings leaves out what River says of its own doings.
type atLeastWarnings struct{ slog.Handler }

// Enabled implements slog.Handler.
func (h atLeastWarnings) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn && h.Handler.Enabled(ctx, level)
}

// WithAttrs implements slog.Handler.
func (h atLeastWarnings) WithAttrs(attrs []slog.Attr) slog.Handler {
	return atLeastWarnings{h.Handler.WithAttrs(attrs)}
}

// WithGroup implements slog.Handler.
func (h atLeastWarnings) WithGroup(name string) slog.Handler {
	return atLeastWarnings{h.Handler.WithGroup(name)}
}
