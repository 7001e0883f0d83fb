package queue

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/riverqueue/river"
)

// commitTimeout ends a transaction that does not come to an end, such as on a file that stays locked.
const commitTimeout = 15 * time.Second

// Delivery is a webhook delivery.
type Delivery struct {
	// ID that the forge gave it; a repetition has the same.
	ID string
	// Event name, such as "pull_request".
	Event string
	// Repository is the forge's full name of the application repository; may be empty.
	Repository string
	// ReceivedAt says when; the delivery is forgotten 30 days later.
	ReceivedAt time.Time
}

// Accept records a delivery and its jobs in one transaction that is on disk when it returns. A delivery seen before is
// not accepted and makes no jobs. When ctx ends first, the delivery may be recorded all the same; delivering it again
// is harmless.
func (q *Queue) Accept(ctx context.Context, d Delivery, jobs []Job) (accepted bool, err error) {
	if d.ID == "" {
		return false, errors.New("accepting a delivery: it has no ID")
	}
	if err := validate(jobs); err != nil {
		return false, fmt.Errorf("accepting delivery %q: %w", d.ID, err)
	}
	accepted, err = q.batch.do(ctx, &request{delivery: &d, jobs: jobs})
	if err != nil {
		return false, fmt.Errorf("accepting delivery %q: %w", d.ID, err)
	}
	return accepted, nil
}

// Enqueue adds jobs that no delivery made, all or none.
func (q *Queue) Enqueue(ctx context.Context, jobs ...Job) error {
	if len(jobs) == 0 {
		return nil
	}
	if err := validate(jobs); err != nil {
		return fmt.Errorf("adding jobs: %w", err)
	}
	if _, err := q.batch.do(ctx, &request{jobs: jobs}); err != nil {
		return fmt.Errorf("adding jobs: %w", err)
	}
	return nil
}

func validate(jobs []Job) error {
	var errs []error
	for _, j := range jobs {
		errs = append(errs, j.validate())
	}
	return errors.Join(errs...)
}

// commit writes a batch in one transaction; where that fails, each request in its own, so that one cannot harm another.
func (q *Queue) commit(batch []*request) {
	ctx, cancel := context.WithTimeout(context.Background(), commitTimeout)
	defer cancel()
	err := q.write(ctx, batch)
	if err == nil {
		return
	}
	if len(batch) == 1 || ctx.Err() != nil {
		for _, r := range batch {
			r.accepted, r.err = false, err
		}
		return
	}
	for _, r := range batch {
		r.accepted = false
		r.err = q.write(ctx, []*request{r})
		if r.err != nil {
			r.accepted = false
		}
	}
}

func (q *Queue) write(ctx context.Context, batch []*request) error {
	tx, err := q.writer.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("beginning a transaction: %w", err)
	}
	if err := q.insert(ctx, tx, batch); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("committing: %w", err)
	}
	q.driver.tell()
	return nil
}

func (q *Queue) insert(ctx context.Context, tx *sql.Tx, batch []*request) error {
	statement, err := tx.PrepareContext(ctx, `INSERT INTO catalyst_delivery (id, event, repository, received_at)
		VALUES (?, ?, ?, ?) ON CONFLICT (id) DO NOTHING`)
	if err != nil {
		return fmt.Errorf("preparing: %w", err)
	}
	defer statement.Close()
	var params []river.InsertManyParams
	for _, r := range batch {
		r.accepted = true
		if r.delivery != nil {
			if r.accepted, err = insertDelivery(ctx, statement, *r.delivery); err != nil {
				return err
			}
		}
		if !r.accepted {
			continue
		}
		for _, j := range r.jobs {
			params = append(params, river.InsertManyParams{Args: jobArgs{j}})
		}
	}
	if len(params) == 0 {
		return nil
	}
	if _, err := q.river.InsertManyFastTx(ctx, tx, params); err != nil {
		return fmt.Errorf("inserting jobs: %w", err)
	}
	return nil
}

func insertDelivery(ctx context.Context, statement *sql.Stmt, d Delivery) (bool, error) {
	res, err := statement.ExecContext(ctx, d.ID, d.Event, d.Repository, d.ReceivedAt.UnixMilli())
	if err != nil {
		return false, fmt.Errorf("inserting the delivery: %w", err)
	}
	n, err := res.RowsAffected()
	return n == 1, err
}
