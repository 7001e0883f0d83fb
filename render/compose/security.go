package compose

import (
	"fmt"
	"path"
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
	"net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_intvl", "net.ipv4.tcp_keepalive_probes",
	"net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem"}

// privilegedRemedy is how the Platform allows what reaches into the node.
const privilegedRemedy = "or let catalyst.yaml allow it: spec.policy.exceptions with podSecurity: privileged"

// refuseNodeAccess collects what no tenant of a shared cluster gets: some of it never, the rest unless the Platform allows it.
func (t *translation) refuseNodeAccess(svc composetypes.ServiceConfig) {
	t.refuseAlways(svc)
	if t.in.Privileged {
		return
	}
	const remedy = "remove it, " + privilegedRemedy
	for _, k := range []struct {
		key   string
		asked bool
	}{
		{"privileged", svc.Privileged}, {"pid", svc.Pid == "host"}, {"ipc", svc.Ipc == "host"}, {"userns_mode", svc.UserNSMode == "host"},
		{"uts", svc.Uts == "host"}, {"cgroup", svc.Cgroup == "host"}, {"use_api_socket", svc.UseAPISocket},
		{"devices", slices.ContainsFunc(svc.Devices, isNodeDevice)}, {"network_mode", usesHostNetwork(svc)},
	} {
		if k.asked {
			t.refuseKey(svc.Name, k.key, "reaches out of the container into the node, which others share", remedy)
		}
	}
	for _, c := range capabilities(svc.CapAdd) {
		if !slices.Contains(allowedCapabilities, string(c)) {
			t.refuseKey(svc.Name, "cap_add", fmt.Sprintf("the capability %s is not allowed at the baseline Pod Security Standard", c), remedy)
		}
	}
	for _, o := range svc.SecurityOpt {
		if name, value := securityOption(o); value == "unconfined" {
			t.refuseKey(svc.Name, "security_opt", name+"=unconfined is not allowed at the baseline Pod Security Standard", remedy)
		}
	}
	for _, s := range sortedKeys(svc.Sysctls) {
		if !slices.Contains(safeSysctls, s) {
			t.refuseKey(svc.Name, "sysctls."+s, "not a sysctl that Kubernetes counts as safe", remedy)
		}
	}
}

// refuseAlways collects what no policy allows: other people's containers, and what has no counterpart in a cluster.
func (t *translation) refuseAlways(svc composetypes.ServiceConfig) {
	for _, k := range []struct{ key, value string }{{"pid", svc.Pid}, {"ipc", svc.Ipc}, {"network_mode", svc.NetworkMode}} {
		if strings.HasPrefix(k.value, "container:") {
			t.refuseKey(svc.Name, k.key, "names a container outside the application", "run it as a service of the application")
		}
	}
	if b := svc.Build; b != nil {
		const message = "a privileged build is not allowed"
		for _, k := range []struct {
			key, message string
			asked        bool
		}{
			{"privileged", message, b.Privileged}, {"entitlements", message, len(b.Entitlements) > 0},
			{"network", message, b.Network == "host"}, {"ssh", "builds have no SSH agent", len(b.SSH) > 0},
		} {
			if k.asked {
				t.refuseKey(svc.Name, "build."+k.key, k.message, "remove it; fetch what is private with a build secret")
			}
		}
	}
	if image, _ := t.serviceValues(svc.Name)["image"].(string); svc.Provider != nil && image == "" {
		t.refuseKey(svc.Name, "provider", fmt.Sprintf("the provider %q is a plugin on a laptop, which a cluster has not", svc.Provider.Type),
			"set values.services."+svc.Name+".image to the container that stands in for it, or use a profile to leave the service out")
	}
}

// isNodeDevice tells a device file of the node from a name of the Container Device Interface ("vendor.com/class=name").
func isNodeDevice(d composetypes.DeviceMapping) bool { return !strings.Contains(d.Source, "=") }

// securityOption splits "seccomp:unconfined" and "seccomp=unconfined". systempaths is the file system under /proc.
func securityOption(o string) (name, value string) {
	i := strings.IndexAny(o, "=:")
	if i < 0 {
		return o, ""
	}
	return o[:i], o[i+1:]
}

// containerSecurity is the container's security context; nil when it asks for nothing.
func (t *translation) containerSecurity(svc composetypes.ServiceConfig) *corev1.SecurityContext {
	c := &corev1.SecurityContext{}
	if svc.ReadOnly {
		c.ReadOnlyRootFilesystem = &svc.ReadOnly
	}
	if svc.Privileged {
		c.Privileged = &svc.Privileged
	}
	for _, o := range svc.SecurityOpt {
		t.securityOption(svc, o, c)
	}
	if len(svc.CapAdd)+len(svc.CapDrop) > 0 {
		c.Capabilities = &corev1.Capabilities{Add: capabilities(svc.CapAdd), Drop: capabilities(svc.CapDrop)}
	}
	user, group, _ := strings.Cut(svc.User, ":")
	c.RunAsUser = t.id(svc.Name, user)
	c.RunAsGroup = t.id(svc.Name, group)
	if *c == (corev1.SecurityContext{}) {
		return nil
	}
	return c
}

// securityOption translates one entry of security_opt.
func (t *translation) securityOption(svc composetypes.ServiceConfig, o string, c *corev1.SecurityContext) {
	name, value := securityOption(o)
	switch {
	case name == "no-new-privileges" && (value == "" || value == "true"):
		// The API server refuses it beside privileges that it would take away again.
		if no := false; !svc.Privileged && !slices.Contains(capabilities(svc.CapAdd), "SYS_ADMIN") {
			c.AllowPrivilegeEscalation = &no
		}
	case name == "no-new-privileges":
	case name == "seccomp" && value == "unconfined":
		c.SeccompProfile = &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeUnconfined}
	case name == "apparmor" && value == "unconfined":
		c.AppArmorProfile = &corev1.AppArmorProfile{Type: corev1.AppArmorProfileTypeUnconfined}
	case name == "seccomp" || name == "apparmor":
		t.note(svc.Name, "security_opt", manifest.Approximated, fmt.Sprintf("the %s profile is a file of the host: the container runtime's default holds", name))
	case name == "systempaths" && value == "unconfined":
		t.note(svc.Name, "security_opt", manifest.Ignored, "system paths stay masked: ask for privileged if the application needs them")
	default:
		t.note(svc.Name, "security_opt", manifest.Ignored, fmt.Sprintf("%s is a matter of the node", name))
	}
}

// id reads a numeric user or group; a name other than root is the image's to resolve, which Kubernetes cannot do.
func (t *translation) id(service, s string) *int64 {
	if s == "" {
		return nil
	}
	n, ok := numericID(s)
	if !ok {
		t.note(service, "user", manifest.Approximated, fmt.Sprintf("%q is a name: the image's own user runs; use the number", s))
		return nil
	}
	return &n
}

func numericID(s string) (int64, bool) {
	if s == "root" {
		return 0, true
	}
	n, err := strconv.ParseInt(s, 10, 32)
	return n, err == nil && n >= 0
}

func capabilities(names []string) []corev1.Capability {
	var out []corev1.Capability
	for _, n := range names {
		c := corev1.Capability(strings.TrimPrefix(strings.ToUpper(n), "CAP_"))
		if !slices.Contains(out, c) {
			out = append(out, c)
		}
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
	if n, ok := numericID(group); ok && n > 0 {
		policy := corev1.FSGroupChangeOnRootMismatch
		p.FSGroup, p.FSGroupChangePolicy = &n, &policy
	}
	for _, g := range svc.GroupAdd {
		n, ok := numericID(g)
		switch {
		case !ok:
			t.note(svc.Name, "group_add", manifest.Ignored, fmt.Sprintf("%q is a name; use the number", g))
		case !slices.Contains(p.SupplementalGroups, n):
			p.SupplementalGroups = append(p.SupplementalGroups, n)
		}
	}
	for _, s := range sortedKeys(svc.Sysctls) {
		if slices.Contains(safeSysctls, s) {
			p.Sysctls = append(p.Sysctls, corev1.Sysctl{Name: s, Value: svc.Sysctls[s]})
		}
	}
	return p
}

// nodeAccess gives a pod what reaches into the node, which refuseNodeAccess has found to be allowed.
func (t *translation) nodeAccess(svc composetypes.ServiceConfig, pod *corev1.PodSpec) {
	if !t.in.Privileged {
		return
	}
	pod.HostPID = svc.Pid == "host"
	pod.HostIPC = svc.Ipc == "host"
	if usesHostNetwork(svc) {
		hostNetwork(pod)
	}
	c := &pod.Containers[0]
	for i, d := range svc.Devices {
		t.device(svc, i, d, pod, c)
	}
	if svc.UseAPISocket {
		const socket = "/var/run/docker.sock"
		kind := corev1.HostPathSocket
		addHostPath(pod, c, "docker-socket", socket, socket, kind)
		t.note(svc.Name, "use_api_socket", manifest.Approximated, "the node's Docker socket, which nodes without Docker have not")
	}
	t.unsafeSysctls(svc, pod)
}

// device mounts a device file. Only a privileged container may open one: Kubernetes has no list of devices to allow.
func (t *translation) device(svc composetypes.ServiceConfig, i int, d composetypes.DeviceMapping, pod *corev1.PodSpec, c *corev1.Container) {
	key := fmt.Sprintf("devices[%d]", i)
	if !isNodeDevice(d) {
		t.note(svc.Name, key, manifest.Ignored, d.Source+" names a device of a plugin: ask for it with gpus or deploy.resources.reservations.devices")
		return
	}
	target := d.Target
	if target == "" {
		target = d.Source
	}
	if !path.IsAbs(d.Source) || !path.IsAbs(target) {
		t.refuseKey(svc.Name, key, fmt.Sprintf("%s:%s are not absolute paths", d.Source, target), "name the device as /dev/…")
		return
	}
	addHostPath(pod, c, fmt.Sprintf("device-%d", i), path.Clean(d.Source), path.Clean(target), corev1.HostPathUnset)
	yes := true
	if c.SecurityContext == nil {
		c.SecurityContext = &corev1.SecurityContext{}
	}
	c.SecurityContext.Privileged, c.SecurityContext.AllowPrivilegeEscalation = &yes, nil
	t.note(svc.Name, key, manifest.Approximated, "the container is privileged, as only those may open a device of the node")
}

func addHostPath(pod *corev1.PodSpec, c *corev1.Container, name, source, target string, kind corev1.HostPathType) {
	if slices.ContainsFunc(c.VolumeMounts, func(m corev1.VolumeMount) bool { return m.MountPath == target }) {
		return
	}
	pod.Volumes = append(pod.Volumes, corev1.Volume{Name: name, VolumeSource: corev1.VolumeSource{
		HostPath: &corev1.HostPathVolumeSource{Path: source, Type: &kind}}})
	c.VolumeMounts = append(c.VolumeMounts, corev1.VolumeMount{Name: name, MountPath: target})
}

// unsafeSysctls sets what the kubelet would refuse in the pod's security context, from a privileged init container: the
// containers of a pod share the kernel's tables that it writes.
func (t *translation) unsafeSysctls(svc composetypes.ServiceConfig, pod *corev1.PodSpec) {
	var lines []string
	for _, s := range sortedKeys(svc.Sysctls) {
		if !slices.Contains(safeSysctls, s) {
			lines = append(lines, "sysctl -w "+shellWord(s+"="+svc.Sysctls[s]))
		}
	}
	if len(lines) == 0 {
		return
	}
	if pod.HostNetwork {
		t.note(svc.Name, "sysctls", manifest.Ignored, "beside the host's network they would change the node")
		return
	}
	yes := true
	c := t.helper("set-sysctls", strings.Join(lines, "\n"), &corev1.SecurityContext{Privileged: &yes})
	pod.InitContainers = append([]corev1.Container{c}, pod.InitContainers...)
}
