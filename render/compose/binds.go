package compose

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"

	composetypes "github.com/compose-spec/compose-go/v2/types"

	"catalyst.dev/catalyst/render/manifest"
)

var (
	// hostFiles are files of the host that pods have no need of, by what they have instead.
	hostFiles = map[string]string{
		"/etc/localtime": "pods run in UTC; set TZ in environment", "/etc/timezone": "pods run in UTC; set TZ in environment",
		"/usr/share/zoneinfo": "pods run in UTC; set TZ in environment", "/etc/hosts": "pods have their own; use extra_hosts",
		"/etc/resolv.conf": "pods have their own; use dns", "/etc/hostname": "pods have their own; use hostname",
		"/etc/ssl/certs": "the image's own certificates are used", "/etc/ssl/certs/ca-certificates.crt": "the image's own certificates are used",
		"/etc/passwd": "the image's own users are used", "/etc/group": "the image's own groups are used",
		"/dev/random": "pods have their own", "/dev/urandom": "pods have their own", "/dev/null": "pods have their own", "/dev/zero": "pods have their own",
	}
	// sockets are those of container engines, wherever they lie.
	sockets = []string{"docker.sock", "docker_engine", "podman.sock", "containerd.sock", "crio.sock"}
	// configPaths are those that images read and do not write.
	configPaths = []string{"/etc/", "/usr/local/etc/", "/docker-entrypoint"}
	// fileNames are those of files, not of folders that Docker would make.
	fileNames = regexp.MustCompile(`(?i)^\.env|\.(env|conf|cfg|cnf|ini|ya?ml|json|toml|xml|properties|pem|crt|cer|key|pub|txt|sql|sh|db|sqlite3?|log|js|ts|py|php|rb|html)$`)
	// homeFiles are those of people's homes, which a folder in their place would break.
	homeFiles = regexp.MustCompile(`(?i)/\.[a-z_]*(?:rc|gitconfig|history|profile|aliases|pgpass)$|/\.(?:kube|ssh|aws)/config$|/(?:id_[a-z0-9]+|known_hosts)$`)
	// builtFolders are made by package managers and builds: where the repository has none, the image has.
	builtFolders = []string{"node_modules", "bower_components", "vendor", ".venv", "venv", "dist", "build", "target", ".next", "__pycache__"}
)

// planBind plans a bind mount by what its source is.
func (t *translation) planBind(svc composetypes.ServiceConfig, p *plannedMount) {
	source := path.Clean(p.Source)
	switch {
	case slices.Contains(sockets, path.Base(source)):
		t.planHost(svc, p, "the socket of the container engine gives the whole node away")
	case hostFiles[source] != "":
		t.note(svc.Name, p.key, manifest.Ignored, hostFiles[source])
	case strings.HasPrefix(source, "/usr/share/zoneinfo/"):
		t.note(svc.Name, p.key, manifest.Ignored, hostFiles["/usr/share/zoneinfo"])
	case source == "/dev/shm":
		p.kind = mountMemory
		t.note(svc.Name, p.key, manifest.Approximated, "memory of the pod's own takes the place of the host's")
	case strings.HasPrefix(source, "~") && (homeFiles.MatchString(source) || fileNames.MatchString(path.Base(source))):
		t.note(svc.Name, p.key, manifest.Ignored, fmt.Sprintf("%s is a file of somebody's home: the container has none", p.Source))
	case strings.HasPrefix(source, "~"):
		p.kind, p.claim = mountClaim, t.boundClaim(source, path.Base(source))
		t.note(svc.Name, p.key, manifest.Approximated, fmt.Sprintf("%s is a folder of somebody's home: an empty volume takes its place", p.Source))
	case path.IsAbs(source) || windowsPath.MatchString(source):
		t.planHost(svc, p, fmt.Sprintf("%s is a path of the host", p.Source))
	default:
		p.path = source
		t.planRepository(svc, p)
	}
}

// planHost plans a path of the node, which only the Platform can allow.
func (t *translation) planHost(svc composetypes.ServiceConfig, p *plannedMount, reason string) {
	if !t.in.Privileged || !path.IsAbs(p.Source) {
		t.refuseKey(svc.Name, p.key, reason, remedyHost)
		return
	}
	p.kind = mountHost
}

// planRepository plans a bind of a path inside the repository: a file or a folder of configuration, data, or source code.
func (t *translation) planRepository(svc composetypes.ServiceConfig, p *plannedMount) {
	info, err := fs.Stat(t.in.Source, p.path)
	switch {
	case err != nil:
		t.planAbsent(svc, p)
	case !info.IsDir():
		p.single = true
		t.planFile(svc, p)
	case t.isSourceCode(svc, p.path) || svc.WorkingDir != "" && within(path.Clean(svc.WorkingDir), p.Target):
		t.planSource(svc, p)
	default:
		t.planFolder(svc, p)
	}
}

// planAbsent plans a bind of what the repository has not: Docker makes an empty folder of it.
func (t *translation) planAbsent(svc composetypes.ServiceConfig, p *plannedMount) {
	b := t.build(svc)
	switch {
	case b != nil && (within(path.Clean(b.Context), p.path) || related(p.path, path.Clean(b.Context)) && !t.hasDockerfile(*b)):
		p.kind = mountImaged // built from another source, perhaps
		t.note(svc.Name, p.key, manifest.Ignored, p.path+" is source code: the built image holds it")
	case b != nil && slices.Contains(builtFolders, path.Base(p.path)):
		p.kind = mountImaged
		t.note(svc.Name, p.key, manifest.Ignored, fmt.Sprintf("%s is not in the repository: the built image holds it", p.path))
	case p.Bind != nil && !bool(p.Bind.CreateHostPath):
		t.refuseKey(svc.Name, p.key, fmt.Sprintf("%s is not in the repository, and create_host_path is false", p.path), "commit it")
	case fileNames.MatchString(path.Base(p.path)):
		t.note(svc.Name, p.key, manifest.Ignored, fmt.Sprintf("%s is not in the repository, and looks like a file: nothing is mounted; commit it, or make it a secret", p.path))
	default:
		p.kind, p.claim = mountClaim, t.boundClaim(p.path, path.Base(p.path))
		t.note(svc.Name, p.key, manifest.Approximated, fmt.Sprintf("%s is not in the repository: an empty volume takes its place", p.path))
	}
}

func (t *translation) planFile(svc composetypes.ServiceConfig, p *plannedMount) {
	read := t.readSingle(p.path)
	switch {
	case errors.Is(read.err, errTooLarge) && t.clonable() == "":
		t.planClone(svc, p, read.err)
	case read.err != nil:
		t.refuseBound(svc, *p, read.err)
	default:
		p.kind, p.files = mountFiles, read.files
	}
}

// planClone plans what is too large for ConfigMaps.
func (t *translation) planClone(svc composetypes.ServiceConfig, p *plannedMount, reason error) {
	p.kind = mountCode
	t.note(svc.Name, p.key, manifest.Approximated, fmt.Sprintf("%v: it is cloned from the repository at each start instead", reason))
}

// planFolder plans a folder that is not source code: from ConfigMaps, or cloned where it is too large for them. One that holds nothing is data to come.
func (t *translation) planFolder(svc composetypes.ServiceConfig, p *plannedMount) {
	read := t.readFolder(p.path)
	switch {
	case errors.Is(read.err, errTooLarge) && t.clonable() == "":
		t.planClone(svc, p, read.err)
	case read.err != nil:
		t.refuseBound(svc, *p, read.err)
	case !slices.ContainsFunc(read.files, func(f boundFile) bool { return !keepsFolder(f.name) }):
		p.kind, p.claim = mountClaim, t.boundClaim(p.path, path.Base(p.path))
		t.note(svc.Name, p.key, manifest.Approximated, fmt.Sprintf("%s holds no files: an empty volume takes its place", p.path))
	default:
		p.kind, p.files = mountFiles, read.files
		if !p.ReadOnly && !slices.ContainsFunc(configPaths, func(dir string) bool { return strings.HasPrefix(p.Target, dir) }) {
			t.note(svc.Name, p.key, manifest.Approximated, p.path+" is read-only in the cluster: mount a named volume where the service writes")
		}
	}
}

// planSource plans a folder of source code: cloned in development, else left out, because the built image has the code.
// An image that has it not gets a clone in either mode.
func (t *translation) planSource(svc composetypes.ServiceConfig, p *plannedMount) {
	reason := t.clonable()
	imaged := t.isImaged(svc, p.path, p.Target)
	switch {
	case t.in.Development && reason == "":
		p.kind, p.claim = mountCode, codeClaim
		t.note(svc.Name, p.key, manifest.Approximated, p.path+" is source code: cloned into a volume, and brought up to date with each commit")
	case imaged && t.in.Development:
		p.kind = mountImaged
		t.note(svc.Name, p.key, manifest.Ignored, p.path+" is source code: the built image holds it, and "+reason)
	case imaged:
		p.kind = mountImaged
		t.note(svc.Name, p.key, manifest.Ignored, p.path+" is source code: the built image holds it")
	case reason == "" && (p.path == "." || t.coversBuild(svc, p.path)):
		p.kind = mountCode
		t.note(svc.Name, p.key, manifest.Approximated, p.path+" is source code that the image does not hold: cloned from the repository at each start")
	default:
		t.planFolder(svc, p)
	}
}

// isSourceCode tells a folder of source code from configuration: it is the repository's root or the folder of the Compose
// file, or it is, holds or lies in what the service's image is built from. So is, in a bind, what the service works in.
func (t *translation) isSourceCode(svc composetypes.ServiceConfig, p string) bool {
	b := t.build(svc)
	return p == "." || p == path.Dir(t.file) || b != nil && related(p, path.Clean(b.Context))
}

// coversBuild reports whether a folder is what a service's image is built from, or holds it.
func (t *translation) coversBuild(svc composetypes.ServiceConfig, p string) bool {
	b := t.build(svc)
	return b == nil || within(path.Clean(b.Context), p)
}

// isImaged reports whether a service's image is built with the folder at the target.
func (t *translation) isImaged(svc composetypes.ServiceConfig, p, target string) bool {
	b := t.build(svc)
	return b != nil && related(p, path.Clean(b.Context)) && t.copies(*b, target)
}

// build of a service's image, which another service may have.
func (t *translation) build(svc composetypes.ServiceConfig) *composetypes.BuildConfig {
	if svc.Build != nil || svc.Image == "" {
		return svc.Build
	}
	return t.storage.builds[svc.Image]
}
