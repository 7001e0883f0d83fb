package queue

import (
	"context"
	"fmt"
)

// Stats counts the jobs that are not finished.
type Stats struct {
	// Waiting for a worker.
	Waiting int
	// Running now.
	Running int
	// Retrying wait for their next attempt after a failure, or snooze.
	Retrying int
}

// Stats counts the jobs that are not finished.
func (q *Queue) Stats(ctx context.Context) (Stats, error) {
	rows, err := q.reader.QueryContext(ctx, `SELECT state, count(*) FROM river_job
		WHERE state IN ('available', 'pending', 'running', 'retryable', 'scheduled') GROUP BY state`)
	if err != nil {
		return Stats{}, fmt.Errorf("counting jobs: %w", err)
	}
	defer rows.Close()
	var s Stats
	for rows.Next() {
		var state string
		var n int
		if err := rows.Scan(&state, &n); err != nil {
			return Stats{}, fmt.Errorf("counting jobs: %w", err)
		}
		switch state {
		case "running":
			s.Running += n
		case "retryable", "scheduled":
			s.Retrying += n
		default:
			s.Waiting += n
		}
	}
	if err := rows.Err(); err != nil {
		return Stats{}, fmt.Errorf("counting jobs: %w", err)
	}
	return s, nil
}

// Ping reports whether the database answers.
func (q *Queue) Ping(ctx context.Context) error {
	var one int
	if err := q.reader.QueryRowContext(ctx, "SELECT 1 FROM catalyst_outcome UNION SELECT 1").Scan(&one); err != nil {
		return fmt.Errorf("asking the database: %w", err)
	}
	return nil
}
