package compose

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	composetypes "github.com/compose-spec/compose-go/v2/types"
	corev1 "k8s.io/api/core/v1"

	"catalyst.dev/catalyst/render/manifest"
)

// allowedCapabilities are those that the baseline Pod Security Standard lets a container add.
var allowedCapabilities = []string{"AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD",
	"NET_BIND_SERVICE", "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT"}

// safeSysctls are those that the baseline Pod Security Standard allows.
var safeSysctls = []string{"kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.ip_unprivileged_port_start",
	"net.ipv4.tcp_syncookies", "net.ipv4.ping_group_range", "net.ipv4.ip_local_reserved_ports", "net.ipv4.tcp_keepalive_time",
	"net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_intvl", "net.ipv4.tcp_keepalive_probes"}

// refuse collects what no tenant of a shared cluster gets.
func (t *translation) refuse(svc composetypes.ServiceConfig) {
	const remedy = "remove it: it reaches out of the container into the node"
	for key, asked := range map[string]bool{
		"privileged":     svc.Privileged,
		"pid":            svc.Pid == "host" || strings.HasPrefix(svc.Pid, "container:"),
		"ipc":            svc.Ipc == "host" || strings.HasPrefix(svc.Ipc, "container:"),
		"userns_mode":    svc.UserNSMode == "host",
		"uts":            svc.Uts == "host",
		"use_api_socket": svc.UseAPISocket,
		"devices":        len(svc.Devices) > 0,
	} {
		if asked {
			t.refuseKey(svc.Name, key, "not allowed in a cluster that others share", remedy)
		}
	}
	for _, c := range svc.CapAdd {
		if !slices.Contains(allowedCapabilities, strings.TrimPrefix(strings.ToUpper(c), "CAP_")) {
			t.refuseKey(svc.Name, "cap_add", "capability "+c+" is not allowed at the baseline Pod Security Standard", remedy)
		}
	}
	for _, o := range svc.SecurityOpt {
		if strings.Contains(o, "unconfined") {
			t.refuseKey(svc.Name, "security_opt", o+" is not allowed at the baseline Pod Security Standard", remedy)
		}
	}
	for _, s := range sortedKeys(svc.Sysctls) {
		if !slices.Contains(safeSysctls, s) {
			t.refuseKey(svc.Name, "sysctls."+s, "not a sysctl that Kubernetes counts as safe", "remove it")
		}
	}
	if b := svc.Build; b != nil && (b.Privileged || len(b.Entitlements) > 0 || b.Network == "host") {
		t.refuseKey(svc.Name, "build", "a privileged build is not allowed", "build without privileges")
	}
}

// containerSecurity is the container's security context.
func (t *translation) containerSecurity(svc composetypes.ServiceConfig) *corev1.SecurityContext {
	c := &corev1.SecurityContext{}
	if svc.ReadOnly {
		yes := true
		c.ReadOnlyRootFilesystem = &yes
	}
	for _, o := range svc.SecurityOpt {
		if o == "no-new-privileges" || o == "no-new-privileges:true" || o == "no-new-privileges=true" {
			no := false
			c.AllowPrivilegeEscalation = &no
		}
	}
	if len(svc.CapAdd)+len(svc.CapDrop) > 0 {
		c.Capabilities = &corev1.Capabilities{Add: capabilities(svc.CapAdd), Drop: capabilities(svc.CapDrop)}
	}
	user, group, _ := strings.Cut(svc.User, ":")
	c.RunAsUser = t.id(svc.Name, user)
	c.RunAsGroup = t.id(svc.Name, group)
	if c.ReadOnlyRootFilesystem == nil && c.AllowPrivilegeEscalation == nil && c.Capabilities == nil && c.RunAsUser == nil && c.RunAsGroup == nil {
		return nil
	}
	return c
}

// id reads a numeric user or group; a name is the image's to resolve, which Kubernetes cannot do.
func (t *translation) id(service, s string) *int64 {
	if s == "" {
		return nil
	}
	n, err := strconv.ParseInt(s, 10, 32)
	if err != nil || n < 0 {
		t.note(service, "user", manifest.Approximated, fmt.Sprintf("%q is a name: the image's own user runs; use the number", s))
		return nil
	}
	return &n
}

func capabilities(names []string) []corev1.Capability {
	var out []corev1.Capability
	for _, n := range names {
		out = append(out, corev1.Capability(strings.TrimPrefix(strings.ToUpper(n), "CAP_")))
	}
	return out
}

// podSecurity is the pod's security context. The group owns the volumes, so that a user of its own can write them.
func (t *translation) podSecurity(svc composetypes.ServiceConfig) *corev1.PodSecurityContext {
	p := &corev1.PodSecurityContext{SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault}}
	user, group, _ := strings.Cut(svc.User, ":")
	if group == "" {
		group = user
	}
	if n, err := strconv.ParseInt(group, 10, 32); err == nil && n > 0 {
		policy := corev1.FSGroupChangeOnRootMismatch
		p.FSGroup, p.FSGroupChangePolicy = &n, &policy
	}
	for _, g := range svc.GroupAdd {
		n, err := strconv.ParseInt(g, 10, 32)
		if err != nil || n < 0 {
			t.note(svc.Name, "group_add", manifest.Ignored, fmt.Sprintf("%q is a name; use the number", g))
			continue
		}
		p.SupplementalGroups = append(p.SupplementalGroups, n)
	}
	for _, s := range sortedKeys(svc.Sysctls) {
		p.Sysctls = append(p.Sysctls, corev1.Sysctl{Name: s, Value: svc.Sysctls[s]})
	}
	return p
}
