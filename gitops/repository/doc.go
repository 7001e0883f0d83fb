// Package repository provides the environments repository as a database: snapshots to read, changes to commit, and
// the history of any path.
//
// It works on Git objects in memory and has no checkout and no clone on disk. Correctness rests on the remote's
// compare-and-swap alone: a push names the tip that it replaces, and after any error the remote is read again and its
// content decides.
package repository
