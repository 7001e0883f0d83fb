package compose

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	composetypes "github.com/compose-spec/compose-go/v2/types"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// DefaultSeedImage brings the tools that fill volumes into other images. Its /bin/busybox must be static.
const DefaultSeedImage = "docker.io/library/busybox:1.37.0-musl"

const (
	toolsPath   = "/.catalyst/tools"
	volumesPath = "/.catalyst/volumes"
)

// emptyImages have nothing in the folders that their data is kept in, or fill them themselves when they start: filling such
// volumes would only cost time.
var emptyImages = []string{"postgres", "postgresql", "postgis", "pgvector", "timescaledb", "mysql", "mysql-server", "mariadb", "percona", "mongo", "mongodb",
	"redis", "valkey", "memcached", "rabbitmq", "influxdb", "clickhouse-server", "cassandra", "server", "minio", "wordpress", "nextcloud",
	"ghost", "joomla", "gitea", "registry", "vault", "consul", "zookeeper", "kafka", "cp-kafka", "etcd"}

// installed are the folders of images that hold programs and their settings, also where the folders of data are empty.
var installed = []string{"/etc/", "/usr/", "/opt/", "/conf/"}

// startsEmpty reports whether a service's image has nothing that a volume at the path would need.
func (t *translation) startsEmpty(svc composetypes.ServiceConfig, path string) bool {
	return t.build(svc) == nil && slices.Contains(emptyImages, imageName(svc.Image)) &&
		!slices.ContainsFunc(installed, func(folder string) bool { return strings.HasPrefix(path+"/", folder) })
}

// seedScript fills volumes as Docker does: one that is empty gets what the image has at the path, with its owner and mode.
// A copy that was cut short begins again. The arguments are, three by three, the path, the volume and where the state is kept.
const seedScript = `while [ $# -gt 0 ]; do
  from=$1 to=$2 state=$3
  shift 3
  if [ -n "$(ls -A "$to")" ] && [ ! -e "$state/copying" ]; then continue; fi
  if [ ! -d "$from" ]; then [ -n "$OWN" ] || chmod 0777 "$to"; continue; fi
  : >"$state/copying" && cp -a "$from/." "$to/" || exit 1
  if [ -z "$OWN" ]; then chown "$(stat -c %u:%g "$from")" "$to"; chmod "$(stat -c %a "$from")" "$to"; fi
  rm "$state/copying"
done
`

// planSeeds decides which volumes of a service start with the image's files.
func (t *translation) planSeeds(svc composetypes.ServiceConfig) {
	if ownKeys(svc.Extensions)["seed"] == false {
		return
	}
	planned := t.storage.mounts[svc.Name]
	for i := range planned {
		p := &planned[i]
		if p.Volume != nil && (p.Volume.NoCopy || p.Volume.Subpath != "") || p.Type == composetypes.VolumeTypeBind {
			continue
		}
		parent := enclosing(planned, p.Target)
		masks := parent != nil && parent.kind == mountCode
		empty := t.startsEmpty(svc, p.Target)
		switch p.kind {
		case mountEmpty:
			p.seed = masks || !empty
		case mountClaim:
			c := t.storage.claims[p.claim]
			p.seed = (masks || !empty) && !c.external && c.setting("seed") != "false" && (!p.ReadOnly || !c.written)
		}
	}
}

// numericUser is the service's user and group; zero where it is root, a name, or the image's own.
func numericUser(svc composetypes.ServiceConfig) (user, group int64) {
	u, g, _ := strings.Cut(svc.User, ":")
	user, err := strconv.ParseInt(u, 10, 32)
	if err != nil || user < 0 {
		return 0, 0
	}
	if group, err = strconv.ParseInt(g, 10, 32); err != nil || group < 0 {
		group = user
	}
	return user, group
}

// ownsVolumes reports whether the pod's volumes belong to its group, so that the service's user may write to them.
func ownsVolumes(svc composetypes.ServiceConfig) bool {
	user, group := numericUser(svc)
	return user > 0 && group > 0
}

// prepare are the init containers that make volumes ready.
func (t *translation) prepare(svc composetypes.ServiceConfig, m *mounts) []corev1.Container {
	return slices.Concat(t.complete(svc, m), t.clones(svc, m), t.seeds(svc, m), t.open(svc, m))
}

// seeds fill volumes from the service's own image. Shell and tools come along in a volume, as the image may have none.
func (t *translation) seeds(svc composetypes.ServiceConfig, m *mounts) []corev1.Container {
	if len(m.seeds) == 0 {
		return nil
	}
	m.extra(corev1.Volume{Name: "tools", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}})
	tools := corev1.VolumeMount{Name: "tools", MountPath: toolsPath}
	install := t.helper("seed-tools", fmt.Sprintf("cp /bin/busybox %[1]s/ && %[1]s/busybox --install -s %[1]s", toolsPath), nonRoot())
	install.Image = t.in.SeedImage
	install.VolumeMounts = []corev1.VolumeMount{tools}

	seed := t.helper("seed-volumes", "", seedSecurity())
	known := len(t.errs)
	seed.Image, seed.ImagePullPolicy = t.image(svc), pullPolicy(svc.PullPolicy)
	t.errs = t.errs[:known] // what is wrong with the image, the service's container says
	seed.Command = []string{toolsPath + "/sh", "-c", seedScript, "seed"}
	seed.Env = []corev1.EnvVar{{Name: "PATH", Value: toolsPath}, {Name: "OWN"}}
	if ownsVolumes(svc) {
		seed.Env[1].Value = "the pod's group owns the volume"
	}
	seed.Resources.Limits[corev1.ResourceCPU] = resource.MustParse("500m")
	seed.Resources.Limits[corev1.ResourceMemory] = resource.MustParse("128Mi")
	seed.VolumeMounts = []corev1.VolumeMount{tools}
	for i, s := range m.seeds {
		to, state := fmt.Sprintf("%s/%d", volumesPath, i), fmt.Sprintf("%s/%d-state", volumesPath, i)
		seed.Command = append(seed.Command, escape(s.MountPath), to, state)
		seed.VolumeMounts = append(seed.VolumeMounts, corev1.VolumeMount{Name: s.Name, MountPath: to, SubPath: s.SubPath},
			corev1.VolumeMount{Name: s.Name, MountPath: state, SubPath: "state-" + hash(s.MountPath)})
	}
	return []corev1.Container{install, seed}
}

// seedSecurity is root, with what it takes to keep owners and modes.
func seedSecurity() *corev1.SecurityContext {
	root, no := int64(0), false
	return &corev1.SecurityContext{RunAsUser: &root, RunAsNonRoot: &no, AllowPrivilegeEscalation: &no,
		Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}, Add: []corev1.Capability{"CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID"}}}
}

// open makes fresh volumes writable for images that do not run as root: a claim's folder belongs to root.
func (t *translation) open(svc composetypes.ServiceConfig, m *mounts) []corev1.Container {
	if len(m.claims) == 0 || ownsVolumes(svc) {
		return nil
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
