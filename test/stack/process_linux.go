package stack

import "syscall"

// attributes put a program in a process group of its own, and have the kernel kill it when the test is killed.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
