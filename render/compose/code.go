package compose

import (
	"net/netip"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"

	composetypes "github.com/compose-spec/compose-go/v2/types"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"catalyst.dev/catalyst/render/manifest"
)

// DefaultGitImage clones source code.
const DefaultGitImage = "docker.io/alpine/git:v2.49.1"

// GitTokenName is the name, in the secret store, of the token that source code is cloned with.
const GitTokenName = "CATALYST_GIT_TOKEN"

// cloneScript brings /code/tree to the commit. What Git keeps between two runs is the index alone, beside the tree: files
// that the repository no longer has go, all others stay. The repository itself is fetched afresh into /git, because a
// configuration that the application could write would run as this container, with its token. Services share the
// volume, as they share the folder with Docker, so they take turns; everybody may write, because images run as anybody.
const cloneScript = `set -eu
umask 0000
mkdir -p /code/tree
exec 9>/code/lock
! command -v flock >/dev/null || flock 9
if [ "$(cat /code/commit 2>/dev/null || true)" != "$COMMIT" ]; then
  export HOME=/git GIT_CONFIG_NOSYSTEM=1 GIT_TERMINAL_PROMPT=0
  rm -rf /git/repository
  git init -q --bare /git/repository
  git --git-dir=/git/repository -c credential.helper= \
    -c credential.helper='!f() { [ -z "${CATALYST_GIT_TOKEN:-}" ] || printf "username=x-access-token\npassword=%s\n" "$CATALYST_GIT_TOKEN"; }; f' \
    fetch -q --depth 1 --no-tags -- "$REPOSITORY" "$COMMIT"
  unset CATALYST_GIT_TOKEN
  cd /code/tree
  rm -f /code/index.lock
  GIT_INDEX_FILE=/code/index git --git-dir=/git/repository --work-tree=/code/tree read-tree --reset -u FETCH_HEAD
  printf %s "$COMMIT" >/code/commit
fi
for folder; do mkdir -p "/code/tree/$folder"; done
`

var commitSHA = regexp.MustCompile(`^([0-9a-f]{40}|[0-9a-f]{64})$`)

// clonable says why the repository cannot be cloned from inside a cluster; empty when it can.
func (t *translation) clonable() string {
	u, err := url.Parse(t.in.RepositoryURL)
	switch {
	case t.in.RepositoryURL == "":
		return "the repository has no URL"
	case err != nil || u.Scheme != "https" && u.Scheme != "http":
		return "a cluster clones over https only"
	case u.User != nil:
		return "the repository's URL holds credentials: put them into the secret " + GitTokenName
	case u.Hostname() == "" || isLocal(u.Hostname()):
		return "the repository is local, out of the cluster's reach"
	case !commitSHA.MatchString(t.in.CommitSHA):
		return "the source has no commit"
	}
	return ""
}

// noteWatch reports what takes the place of develop.watch.
func (t *translation) noteWatch(svc composetypes.ServiceConfig) {
	if t.in.Development && svc.Develop != nil && len(svc.Develop.Watch) > 0 {
		t.note(svc.Name, "develop.watch", manifest.Approximated, "nothing watches a laptop's files: push a commit, and the environment follows")
	}
}

// isLocal reports whether a host is this machine's own.
func isLocal(host string) bool {
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || err == nil && (addr.IsLoopback() || addr.IsUnspecified())
}

// mountCode mounts a folder of the code volume.
func (t *translation) mountCode(p plannedMount, m *mounts) {
	v := corev1.Volume{Name: "clone", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}
	if p.claim != "" {
		v = claimVolume(p.claim)
	}
	m.mount(v, corev1.VolumeMount{MountPath: p.Target, SubPath: path.Join("tree", p.path), ReadOnly: p.ReadOnly})
	if !slices.ContainsFunc(m.code, func(c corev1.Volume) bool { return c.Name == v.Name }) {
		m.code = append(m.code, v)
	}
}

// clones are the init containers that bring code volumes to the commit. The commit is in their environment, so that a
// new one restarts the pods.
func (t *translation) clones(svc composetypes.ServiceConfig, m *mounts) []corev1.Container {
	var out []corev1.Container
	for _, v := range m.code {
		c := t.helper(dnsName("clone-"+v.Name), cloneScript, t.cloneSecurity(svc))
		c.Image = t.in.GitImage
		c.Command = append(append(c.Command, "clone"), escapeAll(t.foldersInCode(svc))...)
		c.Env = []corev1.EnvVar{{Name: "REPOSITORY", Value: escape(t.in.RepositoryURL)}, {Name: "COMMIT", Value: t.in.CommitSHA}}
		if slices.Contains(t.in.SecretNames, GitTokenName) {
			c.Env = append(c.Env, fromSecret(GitTokenName, SecretsName, GitTokenName))
		}
		c.Resources.Limits[corev1.ResourceCPU] = resource.MustParse("500m")
		c.Resources.Limits[corev1.ResourceMemory] = resource.MustParse("256Mi")
		c.VolumeMounts = []corev1.VolumeMount{{Name: v.Name, MountPath: "/code"}, {Name: "git", MountPath: "/git"}}
		m.extra(corev1.Volume{Name: "git", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}})
		out = append(out, c)
	}
	return out
}

// foldersInCode are the folders of the tree that something is mounted on: where the code is read-only, they must be there before.
func (t *translation) foldersInCode(svc composetypes.ServiceConfig) []string {
	var folders []string
	planned := t.storage.mounts[svc.Name]
	for _, p := range planned {
		parent := enclosing(planned, p.Target)
		if parent == nil || parent.kind != mountCode || p.kind == mountNone || p.kind == mountImaged || p.single {
			continue
		}
		folders = append(folders, path.Join(parent.path, strings.TrimPrefix(p.Target, parent.Target)))
	}
	return folders
}

// cloneSecurity runs the clone as the service's user, where that is a number: the files are its own then. Else it runs as root,
// with no more than what it takes to write where others have written.
func (t *translation) cloneSecurity(svc composetypes.ServiceConfig) *corev1.SecurityContext {
	c := nonRoot()
	if user, group := numericUser(svc); ownsVolumes(svc) {
		c.RunAsUser, c.RunAsGroup = &user, &group
		return c
	}
	root, no := int64(0), false
	c.RunAsUser, c.RunAsNonRoot = &root, &no
	c.Capabilities.Add = []corev1.Capability{"DAC_OVERRIDE", "FOWNER"}
	return c
}
