// Package repository provides the environments repository as Git objects: its tip, its files, and commits that are made in
// memory and pushed without a worktree.
//
// Correctness rests on Git's compare-and-swap alone. A change is a function of the tip: it is asked again on every tip that
// somebody else pushed first. After any push error the remote is read again and its content decides; the text of the error
// decides nothing.
package repository
