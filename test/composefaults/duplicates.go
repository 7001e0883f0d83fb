package composefaults

import (
	"fmt"
	"path"
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// duplicates checks that names are unique where Kubernetes or Docker want them so.
func (c *checker) duplicates() {
	for _, w := range c.objects.workloads {
		subject := w.kind + "/" + w.name
		unique(c, subject, "volume", w.pod.Spec.Volumes, func(v corev1.Volume) string { return v.Name })
		containers := slices.Concat(w.pod.Spec.Containers, w.pod.Spec.InitContainers)
		unique(c, subject, "container", containers, func(v corev1.Container) string { return v.Name })
		for _, container := range containers {
			unique(c, subject, "mount of "+container.Name, container.VolumeMounts, func(m corev1.VolumeMount) string { return path.Clean(m.MountPath) })
			unique(c, subject, "variable of "+container.Name, container.Env, func(e corev1.EnvVar) string { return e.Name })
			unique(c, subject, "port of "+container.Name, container.Ports, func(p corev1.ContainerPort) string {
				return fmt.Sprintf("%d/%s", p.ContainerPort, p.Protocol)
			})
			named := slices.DeleteFunc(slices.Clone(container.Ports), func(p corev1.ContainerPort) bool { return p.Name == "" })
			unique(c, subject, "port name of "+container.Name, named, func(p corev1.ContainerPort) string { return p.Name })
		}
	}
	for name, service := range c.objects.services {
		unique(c, "Service/"+name, "port", service.Spec.Ports, func(p corev1.ServicePort) string { return fmt.Sprintf("%d/%s", p.Port, p.Protocol) })
		unique(c, "Service/"+name, "port name", service.Spec.Ports, func(p corev1.ServicePort) string { return p.Name })
	}
}

func unique[T any](c *checker, subject, what string, all []T, key func(T) string) {
	seen := map[string]bool{}
	for _, v := range all {
		if seen[key(v)] {
			c.fault(Duplicate, subject, "%s %s", what, key(v))
		}
		seen[key(v)] = true
	}
}

// references checks that objects name only objects, keys and ports that exist.
func (c *checker) references() {
	for _, w := range c.objects.workloads {
		subject := w.kind + "/" + w.name
		for _, volume := range w.pod.Spec.Volumes {
			c.volumeExists(subject, volume)
		}
		for _, container := range slices.Concat(w.pod.Spec.Containers, w.pod.Spec.InitContainers) {
			c.sourcesExist(subject, w.pod.Spec.Volumes, container)
		}
	}
	for _, ingress := range c.objects.ingress {
		for _, rule := range ingress.Spec.Rules {
			for _, p := range rule.HTTP.Paths {
				backend := p.Backend.Service
				if !slices.ContainsFunc(c.objects.services[backend.Name].Spec.Ports, func(port corev1.ServicePort) bool {
					return port.Name != "" && port.Name == backend.Port.Name || port.Port == backend.Port.Number
				}) {
					c.fault(Dangling, "Ingress/"+ingress.Name, "no Service %s with port %v", backend.Name, backend.Port)
				}
			}
		}
	}
	for name, service := range c.objects.services {
		if len(service.Spec.Selector) > 0 && !slices.ContainsFunc(c.objects.workloads, func(w workload) bool { return selects(service.Spec.Selector, w.pod.Labels) }) {
			c.fault(Dangling, "Service/"+name, "selects no pod")
		}
	}
}

func (c *checker) volumeExists(subject string, volume corev1.Volume) {
	switch {
	case volume.ConfigMap != nil && c.objects.configMaps[volume.ConfigMap.Name] == nil:
		c.fault(Dangling, subject, "volume %s: no ConfigMap %s", volume.Name, volume.ConfigMap.Name)
	case volume.Secret != nil && c.objects.secrets[volume.Secret.SecretName] == nil:
		c.fault(Dangling, subject, "volume %s: no Secret %s", volume.Name, volume.Secret.SecretName)
	case volume.PersistentVolumeClaim != nil && !c.objects.claims[volume.PersistentVolumeClaim.ClaimName] && !c.external(volume.PersistentVolumeClaim.ClaimName):
		c.fault(Dangling, subject, "volume %s: no PersistentVolumeClaim %s", volume.Name, volume.PersistentVolumeClaim.ClaimName)
	}
}

// external reports whether a claim is of a volume that the application expects to find.
func (c *checker) external(claim string) bool {
	for _, volume := range c.project.Volumes {
		if bool(volume.External) && plain(volume.Name) == claim {
			return true
		}
	}
	return false
}

func (c *checker) sourcesExist(subject string, volumes []corev1.Volume, container corev1.Container) {
	for _, mount := range container.VolumeMounts {
		if !slices.ContainsFunc(volumes, func(v corev1.Volume) bool { return v.Name == mount.Name }) {
			c.fault(Dangling, subject, "container %s mounts the volume %s, which the pod has not", container.Name, mount.Name)
		}
	}
	for _, variable := range container.Env {
		from := variable.ValueFrom
		if from == nil {
			continue
		}
		if from.SecretKeyRef != nil {
			if _, ok := c.objects.secrets[from.SecretKeyRef.Name][from.SecretKeyRef.Key]; !ok {
				c.fault(Dangling, subject, "%s: no Secret %s with key %s", variable.Name, from.SecretKeyRef.Name, from.SecretKeyRef.Key)
			}
		}
		if from.ConfigMapKeyRef != nil {
			if _, ok := c.objects.configMaps[from.ConfigMapKeyRef.Name][from.ConfigMapKeyRef.Key]; !ok {
				c.fault(Dangling, subject, "%s: no ConfigMap %s with key %s", variable.Name, from.ConfigMapKeyRef.Name, from.ConfigMapKeyRef.Key)
			}
		}
	}
}
