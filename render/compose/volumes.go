package compose

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"
	"unicode/utf8"

	composetypes "github.com/compose-spec/compose-go/v2/types"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"catalyst.dev/catalyst/render/manifest"
)

const (
	// labelVolume marks, with a volume's name, the pods that must run on one node because they share it.
	labelVolume = "catalyst.dev/volume-"
	// maxConfigMap is what fits into a ConfigMap beside its metadata: the API server takes 1 MiB.
	maxConfigMap = 1000 << 10
	maxBindFiles = 200
)

// bindKind is what a bind mount becomes.
type bindKind int

const (
	bindConfig  bindKind = iota // a file or folder of the repository: a ConfigMap
	bindIgnored                 // source code that the built image holds, or a file of the host that pods have no need of
	bindClaim                   // a folder that is not in the repository: Docker makes an empty one
	bindRefused
)

// mounts collects the volumes and mounts of one pod.
type mounts struct {
	volumes []corev1.Volume
	mounts  []corev1.VolumeMount
	targets map[string]bool
	claims  []corev1.VolumeMount
}

// mount adds one, unless its target is taken: the first wins, as two mounts of one path are refused by the API server.
func (m *mounts) mount(volume corev1.Volume, vm corev1.VolumeMount) {
	target := path.Clean(vm.MountPath)
	if m.targets[target] {
		return
	}
	m.targets[target] = true
	vm.Name = volume.Name
	m.mounts = append(m.mounts, vm)
	for _, v := range m.volumes {
		if v.Name == volume.Name {
			return
		}
	}
	m.volumes = append(m.volumes, volume)
}

// volumes of a service, and the init containers that prepare them.
func (t *translation) volumes(svc composetypes.ServiceConfig) ([]corev1.Volume, []corev1.VolumeMount, []corev1.Container) {
	m := &mounts{targets: map[string]bool{}}
	t.configs(svc, m)
	t.secrets(svc, m)
	for i, v := range svc.Volumes {
		t.volume(svc, fmt.Sprintf("volumes[%d]", i), v, m)
	}
	for i, target := range svc.Tmpfs {
		target, options, _ := strings.Cut(target, ":")
		m.mount(memoryVolume(fmt.Sprintf("tmpfs-%d", i), tmpfsSize(options)), corev1.VolumeMount{MountPath: target})
	}
	if svc.ShmSize > 0 {
		m.mount(memoryVolume("shm", int64(svc.ShmSize)), corev1.VolumeMount{MountPath: "/dev/shm"})
	}
	return m.volumes, m.mounts, t.prepare(svc, m)
}

// volume translates one entry of volumes.
func (t *translation) volume(svc composetypes.ServiceConfig, key string, v composetypes.ServiceVolumeConfig, m *mounts) {
	if !path.IsAbs(v.Target) {
		t.refuseKey(svc.Name, key, fmt.Sprintf("the target %q is not an absolute path", v.Target), "write it from the container's root")
		return
	}
	switch v.Type {
	case composetypes.VolumeTypeTmpfs:
		size := int64(0)
		if v.Tmpfs != nil {
			size = int64(v.Tmpfs.Size)
		}
		m.mount(memoryVolume("tmpfs-"+hash(v.Target), size), corev1.VolumeMount{MountPath: v.Target})
	case composetypes.VolumeTypeBind:
		t.bind(svc, key, v, m)
	case composetypes.VolumeTypeVolume, "":
		if v.Source == "" { // anonymous: it lives as long as the container
			m.mount(corev1.Volume{Name: "anonymous-" + hash(v.Target), VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}},
				corev1.VolumeMount{MountPath: v.Target})
			return
		}
		t.claimMount(dnsName(v.Source), v, m)
	default:
		t.refuseKey(svc.Name, key, fmt.Sprintf("volumes of type %q are not translated", v.Type), "use a named volume, a bind of a repository file, or tmpfs")
	}
}

// claimMount mounts a claim below a folder of its own: the lost+found of a fresh disk breaks databases.
func (t *translation) claimMount(claim string, v composetypes.ServiceVolumeConfig, m *mounts) {
	sub := "data"
	if v.Volume != nil && v.Volume.Subpath != "" {
		clean, err := manifest.CleanPath("volume.subpath", sub, v.Volume.Subpath)
		if err == nil && strings.HasPrefix(clean, sub+"/") {
			sub = clean
		}
	}
	vm := corev1.VolumeMount{MountPath: v.Target, SubPath: sub, ReadOnly: v.ReadOnly}
	m.mount(corev1.Volume{Name: volumeName(claim), VolumeSource: corev1.VolumeSource{
		PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: claim}}}, vm)
	vm.Name = volumeName(claim)
	if !v.ReadOnly {
		m.claims = append(m.claims, vm)
	}
}

// volumeName of a claim in the pod.
func volumeName(claim string) string { return dnsName("claim-" + claim) }

// prepare makes fresh volumes writable for images that do not run as root: a claim's folder belongs to root.
func (t *translation) prepare(svc composetypes.ServiceConfig, m *mounts) []corev1.Container {
	user, _, _ := strings.Cut(svc.User, ":")
	if _, err := strconv.Atoi(user); len(m.claims) == 0 || err == nil {
		return nil // the pod's group owns the volume
	}
	var lines []string
	var vms []corev1.VolumeMount
	for i, vm := range m.claims {
		vm.MountPath = fmt.Sprintf("/volumes/%d", i)
		vms = append(vms, vm)
		lines = append(lines, fmt.Sprintf(`[ -n "$(ls -A %[1]s)" ] || chmod 0777 %[1]s`, vm.MountPath))
	}
	c := t.helper("prepare-volumes", strings.Join(lines, "\n"), nil)
	c.VolumeMounts = vms
	return []corev1.Container{c}
}

// bind translates a bind mount by what its source is.
func (t *translation) bind(svc composetypes.ServiceConfig, key string, v composetypes.ServiceVolumeConfig, m *mounts) {
	kind, reason := t.bindKind(svc, v)
	switch kind {
	case bindRefused:
		t.refuseKey(svc.Name, key, reason, "use a named volume, or a file of the repository")
	case bindIgnored:
		t.note(svc.Name, key, manifest.Ignored, reason)
	case bindClaim:
		t.note(svc.Name, key, manifest.Approximated, reason)
		t.claimMount(bindClaimName(svc, v), v, m)
	case bindConfig:
		t.bindFiles(svc, key, v, m)
	}
}

func bindClaimName(svc composetypes.ServiceConfig, v composetypes.ServiceVolumeConfig) string {
	return dnsName(svc.Name + "-" + hash(v.Source))
}

func (t *translation) bindKind(svc composetypes.ServiceConfig, v composetypes.ServiceVolumeConfig) (bindKind, string) {
	source := v.Source
	switch {
	case strings.HasSuffix(source, "docker.sock") || strings.HasSuffix(source, "podman.sock"):
		return bindRefused, "the Docker socket gives the whole node away"
	case source == "/etc/localtime" || source == "/etc/timezone":
		return bindIgnored, "pods run in UTC; set TZ in environment"
	case strings.HasPrefix(source, "~"):
		return bindClaim, fmt.Sprintf("%s is a folder of the host: an empty volume takes its place", source)
	case path.IsAbs(source):
		return bindRefused, fmt.Sprintf("%s is a path of the host", source)
	}
	clean := path.Clean(source)
	info, err := fs.Stat(t.in.Source, clean)
	if t.isSourceCode(svc, clean) && (err != nil || info.IsDir()) {
		return bindIgnored, "source code: the built image holds it"
	}
	if err != nil {
		return bindClaim, fmt.Sprintf("%s is not in the repository: an empty volume takes its place", source)
	}
	return bindConfig, ""
}

// isSourceCode reports whether a path is what the service's image is built from.
func (t *translation) isSourceCode(svc composetypes.ServiceConfig, p string) bool {
	if svc.Build == nil {
		return false
	}
	context := path.Clean(svc.Build.Context)
	return context == "." || p == context || strings.HasPrefix(p, context+"/") || strings.HasPrefix(context, p+"/")
}

// bindFiles mounts a file or a folder of the repository from a ConfigMap. Its name carries the content's hash, so that a
// change restarts the pods.
func (t *translation) bindFiles(svc composetypes.ServiceConfig, key string, v composetypes.ServiceVolumeConfig, m *mounts) {
	source := path.Clean(v.Source)
	files, err := t.readBind(source)
	if err != nil {
		t.refuseKey(svc.Name, key, err.Error(), "build it into the image, or keep the mounted folder small")
		return
	}
	name := dnsName(svc.Name + "-" + hash(v.Target))
	cm := &corev1.ConfigMap{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"}, ObjectMeta: metav1.ObjectMeta{Name: name}}
	var items []corev1.KeyToPath
	for _, file := range sortedKeys(files) {
		k := "file-" + hash(file)
		put(cm, k, t.renamedFile(svc.Name, key, files[file]))
		items = append(items, corev1.KeyToPath{Key: k, Path: file})
	}
	single := len(files) == 1 && files[path.Base(source)] != nil && isFile(t.in.Source, source)
	cm.Name += "-" + contentHash(cm)
	t.add(cm)
	vm := corev1.VolumeMount{MountPath: v.Target, ReadOnly: true}
	if single {
		vm.SubPath = path.Base(source)
	}
	m.mount(corev1.Volume{Name: dnsName("bind-" + hash(v.Target)), VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{
		LocalObjectReference: corev1.LocalObjectReference{Name: cm.Name}, Items: items}}}, vm)
	if !single && !v.ReadOnly {
		t.note(svc.Name, key, manifest.Approximated, "a folder of the repository is read-only in the cluster")
	}
}

// readBind reads a file, or a folder with what is below it, by path inside it.
func (t *translation) readBind(source string) (map[string][]byte, error) {
	files := map[string][]byte{}
	size := 0
	err := fs.WalkDir(t.in.Source, source, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := readFile(t.in.Source, p, maxConfigMap)
		if err != nil {
			return err
		}
		name := strings.TrimPrefix(strings.TrimPrefix(p, source), "/")
		if name == "" || p == source {
			name = path.Base(p)
		}
		files[name] = data
		if size += len(data); size > maxConfigMap || len(files) > maxBindFiles {
			return fmt.Errorf("%s is larger than a ConfigMap can hold (%d KiB, %d files)", source, maxConfigMap>>10, maxBindFiles)
		}
		return nil
	})
	if err == nil && len(files) == 0 {
		err = fmt.Errorf("%s is an empty folder", source)
	}
	return files, err
}

// put stores a file in a ConfigMap, as text where it is.
func put(cm *corev1.ConfigMap, key string, data []byte) {
	if utf8.Valid(data) {
		if cm.Data == nil {
			cm.Data = map[string]string{}
		}
		cm.Data[key] = string(data)
		return
	}
	if cm.BinaryData == nil {
		cm.BinaryData = map[string][]byte{}
	}
	cm.BinaryData[key] = data
}

func contentHash(cm *corev1.ConfigMap) string {
	h := sha256.New()
	for _, k := range sortedKeys(cm.Data) {
		fmt.Fprintf(h, "%s %d %s\n", k, len(cm.Data[k]), cm.Data[k])
	}
	for _, k := range sortedKeys(cm.BinaryData) {
		fmt.Fprintf(h, "%s %d %s\n", k, len(cm.BinaryData[k]), cm.BinaryData[k])
	}
	return hex.EncodeToString(h.Sum(nil))[:8]
}

func hash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])[:8]
}

func memoryVolume(name string, size int64) corev1.Volume {
	e := &corev1.EmptyDirVolumeSource{Medium: corev1.StorageMediumMemory}
	if size > 0 {
		e.SizeLimit = resource.NewQuantity(size, resource.BinarySI)
	}
	return corev1.Volume{Name: name, VolumeSource: corev1.VolumeSource{EmptyDir: e}}
}

// tmpfsSize reads size= of a tmpfs entry's options; 0 when there is none.
func tmpfsSize(options string) int64 {
	for _, o := range strings.Split(options, ",") {
		if v, ok := strings.CutPrefix(o, "size="); ok {
			q, err := resource.ParseQuantity(strings.ToUpper(strings.TrimSuffix(v, "b")) + "i")
			if n, numeric := strconv.ParseInt(v, 10, 64); numeric == nil {
				return n
			}
			if err == nil {
				return q.Value()
			}
		}
	}
	return 0
}

// isClaim reports whether an entry of volumes is backed by a PersistentVolumeClaim.
func (t *translation) isClaim(svc composetypes.ServiceConfig, v composetypes.ServiceVolumeConfig) bool {
	switch v.Type {
	case composetypes.VolumeTypeVolume, "":
		return v.Source != ""
	case composetypes.VolumeTypeBind:
		kind, _ := t.bindKind(svc, v)
		return kind == bindClaim
	}
	return false
}

// isShared reports whether several services use a named volume.
func (t *translation) isShared(_ composetypes.ServiceConfig, v composetypes.ServiceVolumeConfig) bool {
	if v.Type != composetypes.VolumeTypeVolume || v.Source == "" {
		return false
	}
	users := 0
	for _, other := range t.project.Services {
		for _, ov := range other.Volumes {
			if ov.Type == v.Type && ov.Source == v.Source {
				users++
				break
			}
		}
	}
	return users > 1
}

// affinity keeps the pods that share a volume on one node: most disks attach to one at a time.
func (t *translation) affinity(svc composetypes.ServiceConfig) *corev1.Affinity {
	var terms []corev1.PodAffinityTerm
	seen := map[string]bool{}
	for _, v := range svc.Volumes {
		if label := labelVolume + dnsName(v.Source); t.isShared(svc, v) && !seen[label] {
			seen[label] = true
			terms = append(terms, corev1.PodAffinityTerm{TopologyKey: corev1.LabelHostname,
				LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{label: "true"}}})
		}
	}
	if len(terms) == 0 {
		return nil
	}
	return &corev1.Affinity{PodAffinity: &corev1.PodAffinity{RequiredDuringSchedulingIgnoredDuringExecution: terms}}
}
