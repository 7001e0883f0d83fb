// Package queue provides the durable queue of webhook deliveries, jobs and outcomes: one database, written by one
// process.
//
// Accept records a delivery and its jobs in one transaction that is on disk when it returns. Concurrent calls share a
// transaction and its fsync. Run works the jobs: each at least once, those of one subject never at the same time, and
// of several waiting jobs of one subject only the newest, because a job says what to look at, never what to do.
//
// The SQL is the common part of SQLite and PostgreSQL.
package queue
