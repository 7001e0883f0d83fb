package worker

import (
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"

	seccomp "github.com/elastic/go-seccomp-bpf"
	"github.com/elastic/go-seccomp-bpf/arch"
	"github.com/landlock-lsm/go-landlock/landlock"
	"golang.org/x/sys/unix"
)

// restrict takes from this process all that a render does not need, each as far as the kernel goes, and says what held.
func restrict(cfg config) []string {
	var held []string
	note := func(name string, err error) {
		if err == nil {
			held = append(held, name)
		}
	}
	if free := int64(cfg.Memory) - addressSpace(); free > 0 { //nolint:gosec // a size
		debug.SetMemoryLimit(free * 8 / 10)
		debug.SetGCPercent(400) // a render's heap is small beside the limit, which collects sooner where it is not
	}
	for _, l := range []struct {
		name     string
		resource int
		most     uint64
	}{
		{"core", unix.RLIMIT_CORE, 0}, {"fsize", unix.RLIMIT_FSIZE, 0}, {"nofile", unix.RLIMIT_NOFILE, 32},
		{"cpu", unix.RLIMIT_CPU, cfg.CPUSeconds}, {"as", unix.RLIMIT_AS, cfg.Memory},
	} {
		note("rlimit "+l.name, unix.Setrlimit(l.resource, &unix.Rlimit{Cur: l.most, Max: l.most}))
	}
	if landlocks() {
		note("landlock", landlock.V5.BestEffort().Restrict())
	}
	note("seccomp", deny())
	return held
}

// landlocks reports whether the kernel has landlock, which the library's best effort does not tell.
func landlocks() bool {
	const version = 1 // LANDLOCK_CREATE_RULESET_VERSION
	abi, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, version)
	return errno == 0 && abi > 0
}

// addressSpace is what the process has mapped now, in bytes; 0 where it can't be read.
func addressSpace() int64 {
	data, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	pages, _, _ := strings.Cut(string(data), " ")
	n, err := strconv.ParseInt(pages, 10, 64)
	if err != nil {
		return 0
	}
	return n * int64(os.Getpagesize())
}

// deny makes the system calls fail that reach outside the process, for all its threads.
func deny() error {
	machine, err := arch.GetInfo("")
	if err != nil {
		return err
	}
	var names []string
	for _, name := range []string{
		"socket", "socketpair", "connect", "bind", "listen", "accept", "accept4", "sendto", "sendmsg", "sendmmsg",
		"execve", "execveat", "fork", "vfork", "ptrace", "process_vm_readv", "process_vm_writev", "pidfd_open",
		"pidfd_getfd", "mount", "umount2", "pivot_root", "chroot", "unshare", "setns", "bpf", "perf_event_open",
		"keyctl", "add_key", "request_key", "io_uring_setup", "userfaultfd", "kexec_load", "init_module",
		"finit_module", "delete_module", "reboot", "swapon", "swapoff", "open_by_handle_at", "memfd_create",
	} {
		if _, ok := machine.SyscallNames[name]; ok {
			names = append(names, name)
		}
	}
	return seccomp.LoadFilter(seccomp.Filter{
		NoNewPrivs: true,
		Flag:       seccomp.FilterFlagTSync,
		Policy: seccomp.Policy{
			DefaultAction: seccomp.ActionAllow,
			Syscalls:      []seccomp.SyscallGroup{{Names: names, Action: seccomp.ActionErrno}},
		},
	})
}

// attributes of the child: its own process group, death with the parent, and, where asked, namespaces without a user or network.
func attributes(namespaces bool) *syscall.SysProcAttr {
	a := &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if namespaces {
		a.Cloneflags = syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET | syscall.CLONE_NEWIPC
	}
	return a
}
