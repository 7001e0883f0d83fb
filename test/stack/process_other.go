//go:build !linux

package stack

import "syscall"

// attributes put a program in a process group of its own.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
