package compose_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"catalyst.dev/catalyst/render/compose"
)

const exception = "or let catalyst.yaml allow it: spec.policy.exceptions with podSecurity: privileged"

// What reaches into the node is refused with the service, the key and the remedy, and translated where the Platform allows it.
func TestNodeAccess(t *testing.T) {
	tests := []struct {
		key, value string
		allowed    func(corev1.PodSpec) bool
	}{
		{"privileged", "true", func(p corev1.PodSpec) bool { return *p.Containers[0].SecurityContext.Privileged }},
		{"cap_add", "[NET_ADMIN, cap_sys_admin]", func(p corev1.PodSpec) bool {
			return slices.Equal(p.Containers[0].SecurityContext.Capabilities.Add, []corev1.Capability{"NET_ADMIN", "SYS_ADMIN"})
		}},
		{"pid", "host", func(p corev1.PodSpec) bool { return p.HostPID }},
		{"ipc", "host", func(p corev1.PodSpec) bool { return p.HostIPC }},
		{"network_mode", "host", func(p corev1.PodSpec) bool {
			return p.HostNetwork && p.DNSPolicy == corev1.DNSClusterFirstWithHostNet
		}},
		{"userns_mode", "host", func(p corev1.PodSpec) bool { return p.HostUsers == nil }},
		{"devices", "['/dev/net/tun:/dev/tun']", func(p corev1.PodSpec) bool {
			return p.Volumes[0].HostPath.Path == "/dev/net/tun" && p.Containers[0].VolumeMounts[0].MountPath == "/dev/tun" && *p.Containers[0].SecurityContext.Privileged
		}},
		{"use_api_socket", "true", func(p corev1.PodSpec) bool { return p.Volumes[0].HostPath.Path == "/var/run/docker.sock" }},
		{"security_opt", "['seccomp:unconfined', 'apparmor=unconfined']", func(p corev1.PodSpec) bool {
			c := p.Containers[0].SecurityContext
			return c.SeccompProfile.Type == corev1.SeccompProfileTypeUnconfined && c.AppArmorProfile.Type == corev1.AppArmorProfileTypeUnconfined
		}},
		{"sysctls", "{net.ipv4.conf.all.src_valid_mark: 1}", func(p corev1.PodSpec) bool {
			i := p.InitContainers[0]
			return len(p.SecurityContext.Sysctls) == 0 && *i.SecurityContext.Privileged && i.Command[2] == "sysctl -w net.ipv4.conf.all.src_valid_mark=1"
		}},
	}
	for _, tt := range tests {
		t.Run(tt.key, func(t *testing.T) {
			files := map[string]string{"compose.yaml": "services: {web: {image: x, " + tt.key + ": " + tt.value + "}}\n"}
			_, err := tryApp(t, files, nil)
			if err == nil || !strings.Contains(err.Error(), "services.web."+tt.key) || !strings.Contains(err.Error(), exception) {
				t.Errorf("refusal: %v", err)
			}
			a := renderApp(t, files, func(in *compose.Input) { in.Privileged = true })
			if pod := a.deployment(t, "web").Spec.Template.Spec; !tt.allowed(pod) {
				t.Errorf("the pod is %+v", pod)
			}
		})
	}
}

func TestRefusedWhateverThePolicySays(t *testing.T) {
	for key, value := range map[string]string{
		"build.privileged": "{context: ., privileged: true}", "build.entitlements": "{context: ., entitlements: [network.host]}",
		"build.network": "{context: ., network: host}", "build.ssh": "{context: ., ssh: [default]}",
		"pid": "'container:other'", "ipc": "'container:other'", "provider": "{type: awesomecloud}",
	} {
		top, _, _ := strings.Cut(key, ".")
		_, err := tryApp(t, map[string]string{"compose.yaml": "services: {web: {image: x, " + top + ": " + value + "}}\n"}, func(in *compose.Input) { in.Privileged = true })
		if err == nil || !strings.Contains(err.Error(), "services.web."+key) || !strings.Contains(err.Error(), "(") {
			t.Errorf("%s: %v", key, err)
		}
	}
}

func TestUsersAndCapabilities(t *testing.T) {
	a := renderApp(t, map[string]string{"compose.yaml": `
services:
  numbers: {image: x, user: "1000:2000", group_add: ["44", 44, audio], cap_drop: [ALL], cap_add: [CHOWN, cap_chown], read_only: true, security_opt: ["no-new-privileges:true"], sysctls: {net.core.somaxconn: 1}}
  root: {image: x, user: root}
  name: {image: x, user: "node:node"}
`}, func(in *compose.Input) { in.Privileged = true })
	pod := a.deployment(t, "numbers").Spec.Template.Spec
	yes, no, user, group := true, false, int64(1000), int64(2000)
	want := &corev1.SecurityContext{RunAsUser: &user, RunAsGroup: &group, ReadOnlyRootFilesystem: &yes, AllowPrivilegeEscalation: &no,
		Capabilities: &corev1.Capabilities{Add: []corev1.Capability{"CHOWN"}, Drop: []corev1.Capability{"ALL"}}}
	if diff := cmp.Diff(want, pod.Containers[0].SecurityContext); diff != "" {
		t.Error(diff)
	}
	if *pod.SecurityContext.FSGroup != 2000 || !slices.Equal(pod.SecurityContext.SupplementalGroups, []int64{44}) {
		t.Errorf("groups: %+v", pod.SecurityContext)
	}
	if c := a.container(t, "root"); *c.SecurityContext.RunAsUser != 0 {
		t.Errorf("root is %+v", c.SecurityContext)
	}
	if !a.says(`name user: "node" is a name`) || !a.says(`numbers group_add: "audio" is a name`) {
		t.Errorf("the report does not name names: %v", a.report.Findings)
	}
}
