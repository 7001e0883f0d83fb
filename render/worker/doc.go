// Package worker provides contained rendering: a pool of child processes, this binary re-executed, that run render.Render.
//
// The parent treats a child as hostile: it answers requests for files of the sources within a budget, caps everything
// that comes back, and kills the child at the deadline. A worker serves one project only.
package worker
