package v1alpha1

import (
	"path"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// validateConfig reports what is wrong with container fields on their own.
func validateConfig(p *problems, at *field.Path, c Config) {
	if c.Image != "" {
		p.check(at.Child("image"), badImage(c.Image))
	}
	validateContainer(p, at, corev1.Container{
		WorkingDir: c.WorkingDir, Ports: c.Ports, Env: c.Env, Resources: c.Resources, VolumeMounts: c.VolumeMounts,
		LivenessProbe: c.LivenessProbe, ReadinessProbe: c.ReadinessProbe, StartupProbe: c.StartupProbe,
	})
	names := unique{}
	for i, init := range c.InitContainers {
		below := at.Child("initContainers").Index(i)
		p.check(below.Child("name"), badName(init.Name))
		names.check(p, below.Child("name"), init.Name)
		if init.Image != "" {
			p.check(below.Child("image"), badImage(init.Image))
		}
		validateContainer(p, below, init)
	}
	volumes := unique{}
	for i, v := range c.Volumes {
		below := at.Child("volumes").Index(i)
		p.check(below.Child("name"), badName(v.Name))
		volumes.check(p, below.Child("name"), v.Name)
		resourceList(p, below.Child("persistentVolumeClaim", "resources", "requests"), v.PersistentVolumeClaim.Resources.Requests)
	}
	if c.Replicas != nil && *c.Replicas < 0 {
		p.add(at.Child("replicas"), "is negative")
	}
	validateIngress(p, at.Child("ingress"), c)
}

// validateIngress reports a port that the container does not listen on.
func validateIngress(p *problems, at *field.Path, c Config) {
	if c.Ingress == nil {
		return
	}
	if c.Ingress.Path != "" && !strings.HasPrefix(c.Ingress.Path, "/") || oneLine(c.Ingress.Path) != "" {
		p.add(at.Child("path"), "%q does not start with a slash", c.Ingress.Path)
	}
	if c.Ingress.Port == 0 {
		return
	}
	port(p, at.Child("port"), c.Ingress.Port)
	for _, have := range c.Ports {
		if have.ContainerPort == c.Ingress.Port {
			return
		}
	}
	if len(c.Ports) > 0 {
		p.add(at.Child("port"), "%d is none of config.ports", c.Ingress.Port)
	}
}

// port reports a number that is no port.
func port(p *problems, at *field.Path, n int32) {
	if n < 1 || n > 65535 {
		p.add(at, "%d is no port; ports go from 1 to 65535", n)
	}
}

// validateContainer reports what is wrong with the fields that containers and init containers share.
func validateContainer(p *problems, at *field.Path, c corev1.Container) {
	if c.WorkingDir != "" && !path.IsAbs(c.WorkingDir) {
		p.add(at.Child("workingDir"), "%q is not absolute", c.WorkingDir)
	}
	names, numbers := unique{}, unique{}
	for i, cp := range c.Ports {
		below := at.Child("ports").Index(i)
		port(p, below.Child("containerPort"), cp.ContainerPort)
		if cp.Protocol != "" {
			oneOf(p, below.Child("protocol"), cp.Protocol, corev1.ProtocolTCP, corev1.ProtocolUDP, corev1.ProtocolSCTP)
		}
		numbers.check(p, below.Child("containerPort"), strconv.Itoa(int(cp.ContainerPort))+strings.TrimPrefix("/"+string(cp.Protocol), "/TCP"))
		if cp.Name != "" {
			names.check(p, below.Child("name"), cp.Name)
			if why := validation.IsValidPortName(cp.Name); len(why) > 0 {
				p.add(below.Child("name"), "%q is no port name: at most 15 lower-case letters, digits and hyphens, one letter at least", cp.Name)
			}
		}
	}
	vars := unique{}
	for i, env := range c.Env {
		below := at.Child("env").Index(i).Child("name")
		if why := validation.IsRelaxedEnvVarName(env.Name); env.Name == "" || len(why) > 0 {
			p.add(below, "%q is no variable name", env.Name)
		}
		vars.check(p, below, env.Name)
	}
	requirements(p, at.Child("resources"), c.Resources)
	probe(p, at.Child("livenessProbe"), c.LivenessProbe)
	probe(p, at.Child("readinessProbe"), c.ReadinessProbe)
	probe(p, at.Child("startupProbe"), c.StartupProbe)
	mountPaths(p, at, c.VolumeMounts)
}

// mountPaths reports mounts that cannot be.
func mountPaths(p *problems, at *field.Path, mounts []corev1.VolumeMount) {
	seen := unique{}
	for i, m := range mounts {
		below := at.Child("volumeMounts").Index(i)
		p.check(below.Child("name"), badName(m.Name))
		seen.check(p, below.Child("mountPath"), m.MountPath)
		if !path.IsAbs(m.MountPath) || strings.Contains(m.MountPath, ":") {
			p.add(below.Child("mountPath"), "%q is no absolute path", m.MountPath)
		}
		p.check(below.Child("subPath"), badPath(m.SubPath))
	}
}

// probe reports a probe that has not exactly one way to look, or numbers that cannot be.
func probe(p *problems, at *field.Path, pr *corev1.Probe) {
	if pr == nil {
		return
	}
	ways := 0
	for _, is := range []bool{pr.Exec != nil, pr.HTTPGet != nil, pr.TCPSocket != nil, pr.GRPC != nil} {
		if is {
			ways++
		}
	}
	if ways != 1 {
		p.add(at, "needs exactly one of exec, httpGet, tcpSocket and grpc, and has %d", ways)
	}
	if pr.HTTPGet != nil && pr.HTTPGet.Port.Type == intstr.Int {
		port(p, at.Child("httpGet", "port"), pr.HTTPGet.Port.IntVal)
	}
	if pr.TCPSocket != nil && pr.TCPSocket.Port.Type == intstr.Int {
		port(p, at.Child("tcpSocket", "port"), pr.TCPSocket.Port.IntVal)
	}
	if pr.GRPC != nil {
		port(p, at.Child("grpc", "port"), pr.GRPC.Port)
	}
	for _, n := range []struct {
		name  string
		value int32
	}{
		{"initialDelaySeconds", pr.InitialDelaySeconds}, {"timeoutSeconds", pr.TimeoutSeconds},
		{"periodSeconds", pr.PeriodSeconds}, {"successThreshold", pr.SuccessThreshold}, {"failureThreshold", pr.FailureThreshold},
	} {
		if n.value < 0 {
			p.add(at.Child(n.name), "is negative")
		}
	}
}

// validateMounts reports mounts of volumes that the template does not have. An environment may mount the template's.
func validateMounts(p *problems, at *field.Path, c Config) {
	have := map[string]bool{}
	for _, v := range c.Volumes {
		have[v.Name] = true
	}
	report := func(at *field.Path, mounts []corev1.VolumeMount) {
		for i, m := range mounts {
			if !have[m.Name] {
				p.fix(at.Child("volumeMounts").Index(i).Child("name"), "add it to config.volumes", "%q is no volume", m.Name)
			}
		}
	}
	report(at, c.VolumeMounts)
	for i, init := range c.InitContainers {
		report(at.Child("initContainers").Index(i), init.VolumeMounts)
	}
}
