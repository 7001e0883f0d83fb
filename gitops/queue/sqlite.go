package queue

import (
	"context"
	"database/sql"
	_ "embed"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"

	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivermigrate"
	"golang.org/x/sys/unix"
	_ "modernc.org/sqlite" // the driver "sqlite"
)

//go:embed schema.sql
var schema string

// ErrInUse means that another process has the queue open.
var ErrInUse = errors.New("another process uses it")

// lockFile takes a lock that ends with the process, however it ends.
func lockFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		if errors.Is(err, unix.EWOULDBLOCK) {
			err = ErrInUse
		}
		return nil, errors.Join(fmt.Errorf("locking %s: %w", path, err), f.Close())
	}
	return f, nil
}

// openSQLite opens the file twice: one connection that writes, because SQLite has one writer at a time and waiting in
// Go is fairer than waiting for its lock, and a few that read beside it.
func openSQLite(opts Options) (writer, reader *sql.DB, err error) {
	f, err := os.OpenFile(opts.Path, os.O_CREATE|os.O_RDWR, 0o600) // SQLite itself would make it readable to all
	if err != nil {
		return nil, nil, err
	}
	if err := f.Close(); err != nil {
		return nil, nil, err
	}
	busy := "busy_timeout(" + strconv.FormatInt(opts.BusyTimeout.Milliseconds(), 10) + ")"
	// FULL, because in WAL mode NORMAL may lose the last commits when the power goes.
	writer, err = openPool(opts.Path, 1, busy, "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(1)")
	if err != nil {
		return nil, nil, err
	}
	const readers = 4
	reader, err = openPool(opts.Path, readers, busy, "query_only(1)")
	return writer, reader, err
}

func openPool(path string, connections int, pragmas ...string) (*sql.DB, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	dsn := url.URL{Scheme: "file", Path: abs, RawQuery: url.Values{
		"_pragma": pragmas,
		"_txlock": {"immediate"}, // a transaction that writes later would fail instead of waiting
	}.Encode()}
	db, err := sql.Open("sqlite", dsn.String())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	return db, nil
}

// prepareSQLite checks the file, brings its tables up to date and frees what the process before held.
func prepareSQLite(ctx context.Context, db *sql.DB) error {
	var verdict string
	if err := db.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&verdict); err != nil {
		return fmt.Errorf("checking the file: %w", err)
	}
	if verdict != "ok" {
		return fmt.Errorf("the file is damaged (%s): restore it from a backup, or move it away and start without it", verdict)
	}
	migrator, err := rivermigrate.New(riversqlite.New(db), nil)
	if err != nil {
		return fmt.Errorf("preparing the migration: %w", err)
	}
	if _, err := migrator.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return fmt.Errorf("migrating the job tables: %w", err)
	}
	if _, err := db.ExecContext(ctx, schema); err != nil {
		return fmt.Errorf("making the tables: %w", err)
	}
	return rescue(ctx, db)
}

// rescue hands back the jobs of a process that died. The lock on the file says that there is no other process now, so
// nobody needs to wait for River's rescuer or for its leader's term to end. A crash keeps its attempt: a job that
// kills the process is given up in the end.
func rescue(ctx context.Context, db *sql.DB) error {
	for _, statement := range []string{
		`UPDATE river_job SET state = 'available',
			attempt = CASE WHEN attempt >= max_attempts THEN max_attempts - 1 ELSE attempt END
			WHERE state = 'running'`,
		`DELETE FROM river_leader`,
	} {
		if _, err := db.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("handing back interrupted jobs: %w", err)
		}
	}
	return nil
}
