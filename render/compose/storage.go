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

// remedyHost ends every refusal of what belongs to the node.
const remedyHost = "use a named volume, or a file of the repository, " + privilegedRemedy

// Limits on what an application may mount.
const (
	maxMounts       = 200
	maxBoundBytes   = 64 << 20
	maxBoundFiles   = 20000
	maxDockerCopies = 500
)

// mountKind is what an entry of a service's volumes becomes.
type mountKind int

const (
	mountNone   mountKind = iota // refused, or ignored with a reason
	mountImaged                  // left out, because the image has the same files at that path
	mountClaim
	mountEmpty  // an anonymous volume, which lives as long as the pod
	mountMemory // tmpfs
	mountFiles  // files of the repository, from ConfigMaps
	mountCode   // source code, cloned from the repository
	mountHost
	mountImage
)

// plannedMount is one entry of a service's volumes with what it becomes.
type plannedMount struct {
	composetypes.ServiceVolumeConfig
	// key of the service that it stands under.
	key  string
	kind mountKind
	// claim that it mounts, also for source code that is kept.
	claim string
	// path in the repository, for files and source code.
	path  string
	files []boundFile
	// single says that the bind is of one file.
	single bool
	// size of memory; none when zero.
	size int64
	// seed says that the volume starts with what the image has at the path.
	seed bool
}

// storage is the plan of all volumes of an application.
type storage struct {
	mounts map[string][]plannedMount
	// claimOf holds the claim of each named volume.
	claimOf map[string]string
	claims  map[string]*claimPlan
	// nodes holds, for each service that shares a claim, the name of the group that must run on one node.
	nodes map[string]string
	// reads of the repository, by path, and the volumes of what was read.
	reads       map[string]folderRead
	fileVolumes map[string]corev1.Volume
	// contents of the configs and secrets, by kind and name.
	contents map[string]*fileContent
	// missing secrets, with the services that need them.
	missing map[string][]string
	// made are the objects that several services may need, by kind and name.
	made map[string]bool
	// builds are those of services, by the image that they make.
	builds map[string]*composetypes.BuildConfig
	copied map[string]copiedPaths
	// boundBytes and boundFiles count what was read and what is mounted of the repository.
	boundBytes, boundFiles int
	// tooMuch says that this was refused already.
	tooMuch bool
}

// planStorage decides what every volume becomes, before any object is made: what services share shows only then.
func (t *translation) planStorage(services []composetypes.ServiceConfig) {
	t.storage = storage{mounts: map[string][]plannedMount{}, claims: map[string]*claimPlan{}, reads: map[string]folderRead{}, fileVolumes: map[string]corev1.Volume{},
		contents: map[string]*fileContent{}, missing: map[string][]string{}, made: map[string]bool{},
		builds: map[string]*composetypes.BuildConfig{}, copied: map[string]copiedPaths{}}
	for _, name := range sortedKeys(t.project.Services) {
		if svc := t.project.Services[name]; svc.Build != nil && svc.Image != "" && t.storage.builds[svc.Image] == nil {
			t.storage.builds[svc.Image] = svc.Build
		}
	}
	t.nameClaims()
	lent := t.lentVolumes(services)
	for _, svc := range services {
		t.storage.mounts[svc.Name] = t.planMounts(svc, lent)
		t.planFiles(svc)
		t.noteWatch(svc)
	}
	t.refuseMissing()
	for _, svc := range services {
		t.planSeeds(svc)
	}
	t.planNodes(services)
}

// lentVolumes are the services that others take the volumes from.
func (t *translation) lentVolumes(services []composetypes.ServiceConfig) map[string]bool {
	lent := map[string]bool{}
	for _, svc := range services {
		for _, from := range svc.VolumesFrom {
			name, _, _ := strings.Cut(from, ":")
			lent[name] = true
		}
	}
	return lent
}

// listedMount is an entry of volumes, of the service's own or from another service.
type listedMount struct {
	composetypes.ServiceVolumeConfig
	key   string
	owner string
}

// listMounts are a service's volumes, its own before those of volumes_from: the first of a target wins, as in Docker.
func (t *translation) listMounts(svc composetypes.ServiceConfig, seen map[string]bool) []listedMount {
	var list []listedMount
	for i, v := range svc.Volumes {
		list = append(list, listedMount{v, fmt.Sprintf("volumes[%d]", i), svc.Name})
	}
	seen[svc.Name] = true
	for i, from := range svc.VolumesFrom {
		key := fmt.Sprintf("volumes_from[%d]", i)
		name, mode, _ := strings.Cut(from, ":")
		if name == "container" {
			t.refuseKey(svc.Name, key, "a container outside the application is out of reach", "name a service, or a named volume")
			continue
		}
		other, ok := t.project.Services[name]
		if !ok || seen[name] {
			continue // compose-go has refused unknown services; each gives its volumes once
		}
		for _, v := range t.listMounts(other, seen) {
			if v.Type == composetypes.VolumeTypeTmpfs {
				continue // each container has its own
			}
			v.key, v.ReadOnly = key, v.ReadOnly || mode == "ro"
			list = append(list, v)
		}
	}
	return list
}

// planMounts plans a service's volumes. Anonymous ones come last: what they are depends on what they lie in.
func (t *translation) planMounts(svc composetypes.ServiceConfig, lent map[string]bool) []plannedMount {
	var planned []plannedMount
	var anonymous []listedMount
	taken := map[string]bool{}
	list := t.listMounts(svc, map[string]bool{})
	if n := len(list) + len(svc.Tmpfs) + len(svc.Configs) + len(svc.Secrets); n > maxMounts {
		t.refuseKey(svc.Name, "volumes", fmt.Sprintf("%d mounts, more than %d", n, maxMounts), "mount folders instead of single files")
		return nil
	}
	for _, v := range list {
		v.Target = path.Clean(v.Target)
		if v.Target == "/" || !path.IsAbs(v.Target) || strings.Contains(v.Target, ":") {
			t.refuseKey(svc.Name, v.key, fmt.Sprintf("%q is not a path that can be mounted", v.Target), "write the target from the container's root, below /, without colons")
			continue
		}
		if taken[v.Target] {
			continue
		}
		taken[v.Target] = true
		if v.Source == "" && (v.Type == composetypes.VolumeTypeVolume || v.Type == "") {
			anonymous = append(anonymous, v)
			continue
		}
		planned = append(planned, t.planMount(svc, v))
	}
	for _, v := range anonymous {
		planned = append(planned, t.planAnonymous(svc, v, planned, lent))
	}
	for i := range planned {
		if planned[i].claim != "" {
			t.useClaim(svc.Name, &planned[i])
		}
	}
	slices.SortStableFunc(planned, func(a, b plannedMount) int { return strings.Compare(a.Target, b.Target) })
	return planned
}

func (t *translation) planMount(svc composetypes.ServiceConfig, v listedMount) plannedMount {
	p := plannedMount{ServiceVolumeConfig: v.ServiceVolumeConfig, key: v.key}
	switch v.Type {
	case composetypes.VolumeTypeTmpfs:
		p.kind = mountMemory
		if v.Tmpfs != nil {
			p.size = int64(v.Tmpfs.Size)
		}
	case composetypes.VolumeTypeBind:
		t.planBind(svc, &p)
	case composetypes.VolumeTypeVolume, "", composetypes.VolumeTypeCluster:
		t.planNamed(svc, &p)
	case composetypes.VolumeTypeImage:
		p.kind = mountImage
		if p.Source == "" {
			t.refuseKey(svc.Name, v.key, "names no image", "add the source")
			p.kind = mountNone
			break
		}
		t.note(svc.Name, v.key, manifest.Approximated, "an image volume: the cluster's nodes must run Kubernetes 1.33 or newer with image volumes on")
	default:
		t.refuseKey(svc.Name, v.key, fmt.Sprintf("volumes of type %q are for Windows containers", v.Type), "use a named volume, a bind of a repository file, or tmpfs")
	}
	return p
}

// planAnonymous plans a volume without a name. Below source code that the image holds it would hide the image's own folder, which serves as well.
func (t *translation) planAnonymous(svc composetypes.ServiceConfig, v listedMount, others []plannedMount, lent map[string]bool) plannedMount {
	p := plannedMount{ServiceVolumeConfig: v.ServiceVolumeConfig, key: v.key, kind: mountEmpty}
	if lent[v.owner] {
		p.kind, p.claim = mountClaim, t.boundClaim(v.owner+":"+v.Target, path.Base(v.Target))
		return p
	}
	if parent := enclosing(others, v.Target); parent != nil && parent.kind == mountImaged && !svc.ReadOnly {
		p.kind = mountImaged
		t.note(svc.Name, v.key, manifest.Ignored, p.Target+" is the image's own folder: the source code that hides it is left out")
	}
	return p
}

// enclosing is the innermost mount whose target a path lies in; nil without one.
func enclosing(mounts []plannedMount, target string) *plannedMount {
	var found *plannedMount
	for i, m := range mounts {
		if within(target, m.Target) && target != m.Target && m.kind != mountNone && (found == nil || within(m.Target, found.Target)) {
			found = &mounts[i]
		}
	}
	return found
}

// within reports whether a clean path is another, or lies in it.
func within(p, dir string) bool {
	return p == dir || dir == "." || dir == "/" || strings.HasPrefix(p, dir+"/")
}

// related reports whether one of two clean paths lies in the other.
func related(a, b string) bool { return within(a, b) || within(b, a) }
