package queue

import (
	"context"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/riverdriver/riversqlite"
)

// driver is River's driver for SQLite, whose own listener asks the database twenty times a second whether there are new
// jobs. One process has the file at a time, so new jobs are told inside it: at once, and at no cost while there are none.
type driver struct {
	*riversqlite.Driver
	inserted chan struct{}
}

// tell wakes the workers for jobs that were committed.
func (d *driver) tell() {
	select {
	case d.inserted <- struct{}{}:
	default: // they are awake
	}
}

// SupportsListenNotify implements riverdriver.Driver: nothing is written to the database to tell of jobs.
func (*driver) SupportsListenNotify() bool { return false }

// GetListener implements riverdriver.Driver.
func (d *driver) GetListener(p *riverdriver.GetListenenerParams) riverdriver.Listener {
	return &listener{inserted: d.inserted, schema: p.Schema}
}

// listener hears of new jobs only. All else that River tells through the database concerns several processes.
type listener struct {
	inserted <-chan struct{}
	schema   string
}

var _ riverdriver.Listener = (*listener)(nil)

// Close implements riverdriver.Listener.
func (*listener) Close(context.Context) error { return nil }

// Connect implements riverdriver.Listener.
func (*listener) Connect(context.Context) error { return nil }

// Listen implements riverdriver.Listener.
func (*listener) Listen(context.Context, string) error { return nil }

// Ping implements riverdriver.Listener.
func (*listener) Ping(context.Context) error { return nil }

// Schema implements riverdriver.Listener.
func (l *listener) Schema() string { return l.schema }

// SetAfterConnectExec implements riverdriver.Listener.
func (*listener) SetAfterConnectExec(string) {}

// Unlisten implements riverdriver.Listener.
func (*listener) Unlisten(context.Context, string) error { return nil }

// WaitForNotification implements riverdriver.Listener.
func (l *listener) WaitForNotification(ctx context.Context) (*riverdriver.Notification, error) {
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-l.inserted:
		return &riverdriver.Notification{Topic: "river_insert", Payload: `{"queue":"` + river.QueueDefault + `"}`}, nil
	}
}
