package compose

import (
	"fmt"
	"maps"
	"path"
	"regexp"
	"strconv"
	"strings"

	composetypes "github.com/compose-spec/compose-go/v2/types"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"

	"catalyst.dev/catalyst/render/manifest"
)

// codeClaim holds the source code in development mode.
const codeClaim = "source-code"

// claimPlan is one PersistentVolumeClaim.
type claimPlan struct {
	// volume of the Compose file; empty for a claim that stands for something else.
	volume string
	config composetypes.VolumeConfig
	// external claims exist already.
	external bool
	// shared claims may be mounted on many nodes.
	shared bool
	users  map[string]bool
	// written says that a service may write to it. Such a one fills it, not those that only read.
	written bool
}

// nameClaims gives each volume its claim: the volume's key, or the name: that it has, by which two keys may mean one volume.
// A name that two different volumes would get is told apart by a hash; external claims keep theirs.
func (t *translation) nameClaims() {
	identity, wanted, count := map[string]string{}, map[string]string{}, map[string]int{codeClaim: 1}
	external := map[string]bool{}
	for _, key := range sortedKeys(t.project.Volumes) {
		v := t.project.Volumes[key]
		id, name := "key "+key, key
		if v.Name != "" && v.Name != t.project.Name+"_"+key {
			id, name = "name "+v.Name, v.Name
		}
		if exists(v) {
			id = "external " + v.Name
		}
		if _, known := wanted[id]; !known {
			wanted[id] = name
			if external[name] = external[name] || exists(v); exists(v) {
				count[name]++
			} else {
				count[dnsName(name)]++
			}
		}
		identity[key] = id
	}
	t.storage.claimOf = map[string]string{}
	for key, id := range identity {
		name := wanted[id]
		label := dnsName(name)
		switch {
		case strings.HasPrefix(id, "external "):
			label = name
		case count[label] > 1 && (label != name || strings.HasPrefix(id, "name ")) || label == codeClaim || external[label]:
			label += "-" + shortHash(id)
		}
		t.storage.claimOf[key] = label
	}
}

// boundClaim is the claim that stands for a folder: services that bind one folder share it.
func (t *translation) boundClaim(folder, base string) string {
	return dnsName(base) + "-" + hash(folder)
}

// planNamed plans a named volume: a claim, or what its driver options make of it.
func (t *translation) planNamed(svc composetypes.ServiceConfig, p *plannedMount) {
	v := t.project.Volumes[p.Source]
	options := map[string]string{}
	for _, o := range strings.Split(v.DriverOpts["o"], ",") {
		name, value, _ := strings.Cut(o, "=")
		options[name] = value
	}
	device := v.DriverOpts["device"]
	_, bound := options["bind"]
	if _, rbind := options["rbind"]; rbind {
		bound = true
	}
	local := (v.Driver == "" || v.Driver == "local") && !bool(v.External)
	switch {
	case local && (bound || v.DriverOpts["type"] == "bind") && device != "":
		t.planDevice(svc, p, device)
	case local && v.DriverOpts["type"] == "tmpfs":
		p.kind, p.size = mountMemory, parseBytes(options["size"])
	default:
		p.kind, p.claim = mountClaim, t.storage.claimOf[p.Source]
	}
}

// planDevice plans a volume that is a bind mount by its driver options.
func (t *translation) planDevice(svc composetypes.ServiceConfig, p *plannedMount, device string) {
	volume := p.Source
	p.Source = device
	if !path.IsAbs(device) && !strings.HasPrefix(device, "~") {
		clean, err := manifest.CleanPath("volumes."+volume+".driver_opts.device", path.Dir(t.file), device)
		if err != nil {
			t.errs = append(t.errs, inFile(err, t.file))
			return
		}
		p.Source = clean
	}
	t.planBind(svc, p)
}

// inFile names the file of a problem.
func inFile(err error, file string) error {
	if p, ok := err.(*manifest.Problem); ok && p.File == "" {
		p.File = file
	}
	return err
}

// claims makes the PersistentVolumeClaims that services use. Each is in the sync wave of its first consumer: a claim that is
// bound only when a pod comes would otherwise hold its wave, and so the pod, for ever.
func (t *translation) claims() {
	for _, name := range sortedKeys(t.storage.claims) {
		c := t.storage.claims[name]
		wave := maxWave
		for service := range c.users {
			wave = min(wave, t.waves[service])
		}
		if c.external {
			t.note("", "volumes."+c.volume+".external", manifest.Approximated, fmt.Sprintf("the claim %s must be in the namespace before: it is not made", name))
			if errs := validation.IsDNS1123Subdomain(name); len(errs) > 0 {
				t.refuse("volumes."+c.volume+".name", fmt.Sprintf("%q is not the name of a claim", name), "use lower-case letters, digits, - and .")
			}
			continue
		}
		if c.config.External {
			t.note("", "volumes."+c.volume+".external", manifest.Approximated, "a claim of the environment's own takes its place, empty at first; with x-catalyst: {existing: true} the claim of that name is mounted")
		}
		t.claim(name, c, wave)
	}
}

// exists reports whether a volume's claim is in the namespace already. An external volume alone does not say so: it is one of
// a Docker host, and nobody fills the fresh namespace of a preview.
func exists(v composetypes.VolumeConfig) bool {
	return bool(v.External) && ownKeys(v.Extensions)["existing"] == true
}

func (t *translation) claim(name string, c *claimPlan, wave int) {
	size, ok := t.claimSize(c)
	if !ok {
		return
	}
	class := c.setting("class")
	if class == "" {
		class = t.in.StorageClass
	}
	mode := corev1.ReadWriteOnce
	if c.shared {
		mode = corev1.ReadWriteMany
	}
	annotations := claimAnnotations(c.config.Labels)
	annotations[annotationWave] = strconv.Itoa(wave)
	pvc := &corev1.PersistentVolumeClaim{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "PersistentVolumeClaim"},
		ObjectMeta: metav1.ObjectMeta{Name: name, Annotations: annotations},
		Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes: []corev1.PersistentVolumeAccessMode{mode},
			Resources:   corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: size}},
		},
	}
	if class != "" {
		if errs := validation.IsDNS1123Subdomain(class); len(errs) > 0 {
			t.refuse("volumes."+c.volume+".x-catalyst.class", fmt.Sprintf("%q is not the name of a storage class", class), "name one of the cluster's storage classes")
		}
		pvc.Spec.StorageClassName = &class
	}
	t.noteDriver(c)
	t.add(pvc)
}

// noteDriver reports what of a volume's driver has no place in a cluster.
func (t *translation) noteDriver(c *claimPlan) {
	switch {
	case c.config.Driver != "" && c.config.Driver != "local":
		t.note("", "volumes."+c.volume+".driver", manifest.Approximated, fmt.Sprintf("%s is a plugin of Docker: an ordinary claim takes its place, and the storage class decides", c.config.Driver))
	case c.config.DriverOpts["type"] != "" || c.config.DriverOpts["device"] != "":
		t.note("", "volumes."+c.volume+".driver_opts", manifest.Approximated, fmt.Sprintf("an ordinary, empty claim takes the place of %s",
			strings.TrimSpace(c.config.DriverOpts["type"]+" "+c.config.DriverOpts["device"])))
	}
}

// setting of a claim: x-catalyst over the volume's labels.
func (c *claimPlan) setting(name string) string {
	if own := ownKeys(c.config.Extensions)[name]; own != nil {
		return fmt.Sprint(own)
	}
	if label := c.config.Labels["catalyst.dev/"+name]; label != "" {
		return label
	}
	return c.config.Labels[name]
}

func (t *translation) claimSize(c *claimPlan) (resource.Quantity, bool) {
	text := c.setting("size")
	key := "x-catalyst.size"
	if text == "" {
		text, key = c.config.DriverOpts["size"], "driver_opts.size"
	}
	if text == "" {
		return t.in.StorageSize, true
	}
	q := *resource.NewQuantity(parseBytes(text), resource.BinarySI)
	if q.IsZero() && claimSize.MatchString(text) {
		q = resource.MustParse(text)
	}
	if q.Cmp(resource.MustParse("1Mi")) < 0 {
		t.refuse("volumes."+c.volume+"."+key, fmt.Sprintf("%q is not a size of a volume", text), `write it as "5Gi"`)
		return q, false
	}
	return q, true
}

// claimSize is a size as Kubernetes writes it.
var claimSize = regexp.MustCompile(`^[0-9]{1,9}(\.[0-9]{1,3})?([KMGTPE]i|[kMGTPE])$`)

// claimAnnotations are a volume's labels, but those that a cluster or Argo CD would act upon.
func claimAnnotations(labels map[string]string) map[string]string {
	out := map[string]string{}
	for k, v := range labels {
		domain, name, qualified := strings.Cut(k, "/")
		if !qualified {
			name = k
		}
		if name == "size" || name == "class" || !isAnnotation(k) || qualified && ownedDomain.MatchString(domain) {
			continue
		}
		out[k] = v
	}
	return out
}

// ownedDomain are the domains whose annotations change what a cluster does.
var ownedDomain = regexp.MustCompile(`(^|\.)(kubernetes\.io|k8s\.io|argoproj\.io|catalyst\.dev)$`)

// useClaim records that a service mounts a claim.
func (t *translation) useClaim(service string, p *plannedMount) {
	c := t.storage.claims[p.claim]
	if c == nil {
		c = &claimPlan{users: map[string]bool{}}
		t.storage.claims[p.claim] = c
	}
	c.users[service] = true
	c.written = c.written || !p.ReadOnly
	if p.Type == composetypes.VolumeTypeBind || p.Source == "" || t.storage.claimOf[p.Source] != p.claim {
		return
	}
	if v := t.project.Volumes[p.Source]; c.volume == "" || p.Source < c.volume {
		c.volume, c.config, c.external = p.Source, v, exists(v)
	}
	if p.Volume != nil && len(p.Volume.Labels) > 0 {
		labels := composetypes.Labels(maps.Clone(map[string]string(p.Volume.Labels)))
		maps.Copy(labels, c.config.Labels)
		c.config.Labels = labels
	}
	c.shared = c.setting("accessMode") == string(corev1.ReadWriteMany)
}
