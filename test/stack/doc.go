// Package stack runs the real things that Catalyst works with, each an ordinary process on loopback: no containers, no network,
// nothing of the machine but the Go toolchain. Only tests use it.
//
// The programs are built from modules pinned below tools/ (`make stack`) and kept in a folder outside the repository by version.
package stack
