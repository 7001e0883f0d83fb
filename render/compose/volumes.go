package compose

import (
	"fmt"
	"path"
	"slices"
	"strings"

	composetypes "github.com/compose-spec/compose-go/v2/types"
	corev1 "k8s.io/api/core/v1"

	"catalyst.dev/catalyst/render/manifest"
)

// mounts collects the volumes and mounts of one pod.
type mounts struct {
	volumes []corev1.Volume
	mounts  []corev1.VolumeMount
	targets map[string]bool
	// claims to make writable, seeds to fill, code to clone.
	claims []corev1.VolumeMount
	seeds  []corev1.VolumeMount
	code   []corev1.Volume
	texts  []completedText
}

// mount adds one, unless its target is taken: two mounts of one path are refused by the API server.
func (m *mounts) mount(volume corev1.Volume, vm corev1.VolumeMount) bool {
	target := path.Clean(vm.MountPath)
	if m.targets[target] {
		return false
	}
	m.targets[target] = true
	vm.Name, vm.MountPath = volume.Name, target
	m.mounts = append(m.mounts, vm)
	m.extra(volume)
	return true
}

// extra adds a volume that only init containers mount.
func (m *mounts) extra(volume corev1.Volume) {
	if !slices.ContainsFunc(m.volumes, func(v corev1.Volume) bool { return v.Name == volume.Name }) {
		m.volumes = append(m.volumes, volume)
	}
}

// volumes of a service, and the init containers that prepare them.
func (t *translation) volumes(svc composetypes.ServiceConfig) ([]corev1.Volume, []corev1.VolumeMount, []corev1.Container) {
	m := &mounts{targets: map[string]bool{}}
	t.configs(svc, m)
	t.secrets(svc, m)
	for _, p := range t.storage.mounts[svc.Name] {
		if p.kind != mountNone && p.kind != mountImaged && m.targets[p.Target] {
			t.note(svc.Name, p.key, manifest.Ignored, fmt.Sprintf("a config or secret is mounted on %s already", p.Target))
			continue
		}
		t.mount(svc, p, m)
	}
	t.tmpfs(svc, m)
	if svc.ShmSize > 0 {
		m.mount(memoryVolume("shm", int64(svc.ShmSize)), corev1.VolumeMount{MountPath: "/dev/shm"})
	}
	return m.volumes, m.mounts, t.prepare(svc, m)
}

// tmpfs mounts the service's tmpfs entries, "path" or "path:options".
func (t *translation) tmpfs(svc composetypes.ServiceConfig, m *mounts) {
	for i, entry := range svc.Tmpfs {
		target, options, _ := strings.Cut(entry, ":")
		if !path.IsAbs(target) || path.Clean(target) == "/" {
			t.refuseKey(svc.Name, fmt.Sprintf("tmpfs[%d]", i), fmt.Sprintf("%q is not a path that can be mounted", target), "write it from the container's root, below /")
			continue
		}
		m.mount(memoryVolume("tmpfs-"+hash(svc.Name+target), tmpfsSize(options)), corev1.VolumeMount{MountPath: target})
	}
}

// mount makes the volume of a planned mount.
func (t *translation) mount(svc composetypes.ServiceConfig, p plannedMount, m *mounts) {
	vm := corev1.VolumeMount{MountPath: p.Target, ReadOnly: p.ReadOnly}
	switch p.kind {
	case mountClaim:
		t.mountClaim(svc, p, m)
	case mountCode:
		t.mountCode(p, m)
	case mountFiles:
		t.mountFiles(svc, p, m)
	case mountMemory:
		m.mount(memoryVolume("tmpfs-"+hash(svc.Name+p.Target), p.size), vm)
	case mountEmpty:
		v := corev1.Volume{Name: "anonymous-" + hash(svc.Name+p.Target), VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}
		vm.Name, vm.SubPath = v.Name, "data"
		if m.mount(v, vm) && p.seed {
			m.seeds = append(m.seeds, vm)
		}
	case mountHost:
		m.mount(hostVolume(p), t.hostMount(svc, p))
	case mountImage:
		if p.Image != nil {
			vm.SubPath = p.Image.SubPath
		}
		vm.ReadOnly = true
		m.mount(corev1.Volume{Name: "image-" + hash(p.Source), VolumeSource: corev1.VolumeSource{Image: &corev1.ImageVolumeSource{Reference: p.Source}}}, vm)
	}
}

// mountClaim mounts a claim below a folder of its own: the lost+found of a fresh disk breaks databases. An external claim
// is mounted as it is, for whoever filled it knows of no such folder.
func (t *translation) mountClaim(svc composetypes.ServiceConfig, p plannedMount, m *mounts) {
	external := t.storage.claims[p.claim].external
	vm := corev1.VolumeMount{MountPath: p.Target, SubPath: "data", ReadOnly: p.ReadOnly}
	if external {
		vm.SubPath = ""
	}
	if p.Volume != nil && p.Volume.Subpath != "" {
		clean, err := manifest.CleanPath("services."+svc.Name+"."+p.key+".volume.subpath", ".", p.Volume.Subpath)
		if err != nil {
			t.errs = append(t.errs, inFile(err, t.file))
			return
		}
		vm.SubPath = path.Join(vm.SubPath, clean)
	}
	v := claimVolume(p.claim)
	vm.Name = v.Name
	switch {
	case !m.mount(v, vm):
	case p.seed:
		m.seeds = append(m.seeds, vm)
	case !p.ReadOnly && !external:
		m.claims = append(m.claims, vm)
	}
}

// claimVolume is a claim in a pod.
func claimVolume(claim string) corev1.Volume {
	name := "claim-" + claim
	if label := dnsName(name); label != name {
		name = label + "-" + shortHash(claim)
	}
	return corev1.Volume{Name: name, VolumeSource: corev1.VolumeSource{
		PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: claim}}}
}

// mountFiles mounts files of the repository, a single one by itself. What is mounted inside a folder needs its place there
// already, for the folder is read-only.
func (t *translation) mountFiles(svc composetypes.ServiceConfig, p plannedMount, m *mounts) {
	vm := corev1.VolumeMount{MountPath: p.Target, ReadOnly: true}
	var points []boundFile
	if p.single {
		vm.SubPath = p.files[0].name
	} else {
		points = t.mountPoints(svc, p)
	}
	id := p.path
	for _, point := range points {
		id += "\x00" + point.name
	}
	v, made := t.storage.fileVolumes[id]
	if !made {
		if err := t.countBound(p.path, t.storage.reads[p.path]); err != nil {
			t.refuseBound(svc, p, err)
			return
		}
		base := path.Base(p.path)
		if base == "." {
			base = svc.Name
		}
		files := slices.Concat(p.files, points)
		for i := range files {
			files[i].data = t.renamedFile(svc.Name, p.key, files[i].data)
		}
		v = t.fileVolume(base, files)
		t.storage.fileVolumes[id] = v
	}
	m.mount(v, vm)
}

// mountPoints are empty files for the mounts that lie inside a folder of files.
func (t *translation) mountPoints(svc composetypes.ServiceConfig, folder plannedMount) []boundFile {
	points := map[string]bool{}
	for _, p := range t.storage.mounts[svc.Name] {
		if p.kind != mountNone && p.kind != mountImaged {
			points[p.Target] = points[p.Target] || p.single
		}
	}
	for _, entry := range svc.Tmpfs {
		target, _, _ := strings.Cut(entry, ":")
		points[path.Clean(target)] = false
	}
	for _, c := range svc.Configs {
		points[path.Clean(configTarget(c))] = true
	}
	for _, s := range svc.Secrets {
		points[path.Clean(secretTarget(s))] = true
	}
	var out []boundFile
	for _, target := range sortedKeys(points) {
		rel, inside := strings.CutPrefix(target, folder.Target+"/")
		if !inside {
			continue
		}
		if slices.ContainsFunc(folder.files, func(f boundFile) bool { return within(f.name, rel) }) {
			continue
		}
		if !points[target] {
			rel += "/.mountpoint"
		}
		out = append(out, boundFile{name: rel})
	}
	return out
}

// hostVolume is a path of the node.
func hostVolume(p plannedMount) corev1.Volume {
	kind := corev1.HostPathUnset
	switch {
	case slices.Contains(sockets, path.Base(p.Source)):
		kind = corev1.HostPathSocket
	case p.Bind != nil && bool(p.Bind.CreateHostPath) && path.Ext(p.Source) == "" && !strings.HasPrefix(p.Source, "/dev/"):
		kind = corev1.HostPathDirectoryOrCreate
	}
	return corev1.Volume{Name: "host-" + hash(p.Source), VolumeSource: corev1.VolumeSource{
		HostPath: &corev1.HostPathVolumeSource{Path: path.Clean(p.Source), Type: &kind}}}
}

// hostMount keeps the propagation of mounts, which Kubernetes allows to privileged containers in one direction only.
func (t *translation) hostMount(svc composetypes.ServiceConfig, p plannedMount) corev1.VolumeMount {
	vm := corev1.VolumeMount{MountPath: p.Target, ReadOnly: p.ReadOnly}
	if p.Bind == nil {
		return vm
	}
	propagation := corev1.MountPropagationNone
	switch p.Bind.Propagation {
	case composetypes.PropagationRShared, composetypes.PropagationShared:
		propagation = corev1.MountPropagationHostToContainer
		if svc.Privileged {
			propagation = corev1.MountPropagationBidirectional
		}
	case composetypes.PropagationRSlave, composetypes.PropagationSlave:
		propagation = corev1.MountPropagationHostToContainer
	default:
		return vm
	}
	vm.MountPropagation = &propagation
	return vm
}
