package composefaults

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	composetypes "github.com/compose-spec/compose-go/v2/types"
	corev1 "k8s.io/api/core/v1"
)

// file is what a container finds at a path: the kind of the volume, and the content and mode where the manifests say them.
type file struct {
	kind    string
	content []byte
	mode    int64
}

func (f file) String() string {
	if f.kind == "" {
		return "nothing"
	}
	return "of a volume of type " + f.kind
}

// file looks a path up in a container's mounts, the deepest first.
func (o *objects) file(at place, target string) file {
	target = path.Clean(target)
	best, rest := corev1.VolumeMount{}, ""
	for _, mount := range at.container.VolumeMounts {
		inside, ok := below(path.Clean(mount.MountPath), target)
		if ok && (best.Name == "" || len(path.Clean(mount.MountPath)) > len(path.Clean(best.MountPath))) {
			best, rest = mount, inside
		}
	}
	for _, volume := range at.workload.pod.Spec.Volumes {
		if volume.Name == best.Name && best.Name != "" {
			return o.inVolume(volume, path.Join(best.SubPath, rest))
		}
	}
	return file{}
}

// below returns a path relative to a folder, where it is that or inside.
func below(folder, target string) (string, bool) {
	if folder == target {
		return "", true
	}
	return strings.CutPrefix(target, strings.TrimSuffix(folder, "/")+"/")
}

func (o *objects) inVolume(volume corev1.Volume, name string) file {
	switch {
	case volume.ConfigMap != nil:
		return o.inConfigMap(volume.ConfigMap.Name, volume.ConfigMap.Items, octal(volume.ConfigMap.DefaultMode), name)
	case volume.Secret != nil:
		return o.inSecret(volume.Secret.SecretName, volume.Secret.Items, octal(volume.Secret.DefaultMode), name)
	case volume.Projected != nil:
		for _, source := range volume.Projected.Sources {
			mode := octal(volume.Projected.DefaultMode)
			var found file
			if source.ConfigMap != nil {
				found = o.inConfigMap(source.ConfigMap.Name, source.ConfigMap.Items, mode, name)
			}
			if source.Secret != nil {
				found = o.inSecret(source.Secret.Name, source.Secret.Items, mode, name)
			}
			if found.kind != "" {
				return found
			}
		}
		return file{}
	case volume.PersistentVolumeClaim != nil:
		return file{kind: "persistentVolumeClaim"}
	case volume.EmptyDir != nil:
		return file{kind: "emptyDir"}
	case volume.HostPath != nil:
		return file{kind: "hostPath"}
	}
	return file{kind: "other"}
}

func (o *objects) inConfigMap(configMap string, items []corev1.KeyToPath, mode int64, name string) file {
	key, mode, ok := keyOf(items, mode, name)
	content, exists := o.configMaps[configMap][key]
	if name == "" { // the folder itself
		return file{kind: "configMap"}
	}
	if !ok || !exists {
		return file{}
	}
	return file{kind: "configMap", content: content, mode: mode}
}

func (o *objects) inSecret(secret string, items []corev1.KeyToPath, mode int64, name string) file {
	key, mode, ok := keyOf(items, mode, name)
	value, exists := o.secrets[secret][key]
	if !ok || !exists {
		return file{}
	}
	return file{kind: "secret", content: []byte(value), mode: mode}
}

// keyOf is the key of an object whose content a file of its volume has.
func keyOf(items []corev1.KeyToPath, mode int64, name string) (string, int64, bool) {
	if items == nil {
		return name, mode, true
	}
	for _, item := range items {
		if item.Path == name {
			if item.Mode != nil {
				mode = octal(item.Mode)
			}
			return item.Key, mode, true
		}
	}
	return "", 0, false
}

// volumes checks that each volume is at its target, with the content of the repository where it comes from there.
func (c *checker) volumes(svc composetypes.ServiceConfig, at place) {
	for i, volume := range svc.Volumes {
		key := fmt.Sprintf("volumes[%d]", i)
		if !hasMount(at, volume.Target) && c.objects.file(at, volume.Target).kind == "" && !c.mountedBelow(at, volume) {
			if !c.told(svc.Name, key) && !c.toldOf(svc.Name, volume.Source) {
				c.fault(Mount, svc.Name, "nothing at %s (%s of type %s)", volume.Target, volume.Source, volume.Type)
			}
			continue
		}
		if volume.Type == composetypes.VolumeTypeBind && !c.told(svc.Name, key) && !c.toldOf(svc.Name, volume.Source) {
			c.bound(svc, at, volume)
		}
	}
	for _, tmpfs := range svc.Tmpfs {
		target, _, _ := strings.Cut(tmpfs, ":")
		if !hasMount(at, target) && !c.told(svc.Name, "tmpfs") {
			c.fault(Mount, svc.Name, "no tmpfs at %s", target)
		}
	}
}

// toldOf reports whether the report says something of a volume by its source: merging may have renumbered the volumes.
func (c *checker) toldOf(service, source string) bool {
	rel, err := filepath.Rel(c.app.Dir, source)
	return slices.ContainsFunc(c.report, func(f finding) bool {
		return f.Subject == service && strings.HasPrefix(f.Key, "volumes") && source != "" &&
			(strings.Contains(f.Reason, source) || err == nil && strings.Contains(f.Reason, rel))
	})
}

func hasMount(at place, target string) bool {
	return slices.ContainsFunc(at.container.VolumeMounts, func(m corev1.VolumeMount) bool {
		return path.Clean(m.MountPath) == path.Clean(target)
	})
}

// mountedBelow reports whether a folder's files are mounted one by one.
func (c *checker) mountedBelow(at place, volume composetypes.ServiceVolumeConfig) bool {
	return slices.ContainsFunc(at.container.VolumeMounts, func(m corev1.VolumeMount) bool {
		_, ok := below(path.Clean(volume.Target), path.Clean(m.MountPath))
		return ok && volume.Type == composetypes.VolumeTypeBind
	})
}

// bound checks the content of a bind mount of the repository.
func (c *checker) bound(svc composetypes.ServiceConfig, at place, volume composetypes.ServiceVolumeConfig) {
	const most = 200
	seen := 0
	err := filepath.WalkDir(volume.Source, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		if seen++; seen > most {
			return fs.SkipAll
		}
		rel, err := filepath.Rel(volume.Source, name)
		if err != nil {
			return err
		}
		target := path.Join(volume.Target, filepath.ToSlash(rel))
		found := c.objects.file(at, target)
		want, err := os.ReadFile(name)
		switch {
		case err != nil:
			return err
		case found.kind == "":
			c.fault(Mount, svc.Name, "%s of the repository is not at %s", rel, target)
		default:
			c.content(svc.Name, target, found, string(want))
		}
		return nil
	})
	if err != nil && !os.IsNotExist(err) {
		c.fault(Mount, svc.Name, "reading the repository: %v", err)
	}
}

// content checks a mounted file against the repository's, in which hosts that Kubernetes does not accept must be rewritten.
func (c *checker) content(service, target string, found file, want string) {
	got := string(found.content)
	if found.content == nil || got == unseen {
		return
	}
	translated := want
	if isConfig(target) {
		translated = c.translated(want)
	}
	switch got {
	case translated:
	case want:
		c.fault(Unreachable, service, "%s names a host that no Service can be called", target)
	default:
		c.fault(Mount, service, "%s has another content than in the repository", target)
	}
}
