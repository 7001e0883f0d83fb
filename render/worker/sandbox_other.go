//go:build !linux

package worker

import (
	"runtime/debug"
	"syscall"
)

// restrict bounds the heap; what else there is, is Linux's.
func restrict(cfg config) []string {
	debug.SetMemoryLimit(int64(cfg.Memory) / 2) //nolint:gosec // a size
	return nil
}

func attributes(bool) *syscall.SysProcAttr { return nil }
