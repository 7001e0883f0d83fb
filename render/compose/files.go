package compose

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path"
	"slices"
	"strings"

	composetypes "github.com/compose-spec/compose-go/v2/types"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"catalyst.dev/catalyst/render/manifest"
)

// maxCompletedText is what of a text fits into a variable.
const maxCompletedText = 64 << 10

// defaultFileMode is that of configs and secrets: readable by everybody in the container.
const defaultFileMode = 0o444

// fileContent is where the bytes of a config or a secret come from.
type fileContent struct {
	data []byte
	// stored is the name in the secret store; the value is not known here.
	stored string
	// text that names secrets of the store, to be completed in the pod.
	text string
	// executable says that the file in the repository is.
	executable bool
	// secret says that the data must not stand in a manifest.
	secret bool
	// object that holds the data, once it is made.
	object string
	// bad says that a problem was reported.
	bad bool
}

func configTarget(c composetypes.ServiceConfigObjConfig) string {
	if c.Target == "" {
		return "/" + c.Source
	}
	return path.Join("/", c.Target)
}

func secretTarget(s composetypes.ServiceSecretConfig) string {
	target := s.Target
	if target == "" {
		target = s.Source
	}
	if path.IsAbs(target) {
		return path.Clean(target)
	}
	return path.Join("/run/secrets", target)
}

// planFiles finds the content of a service's configs and secrets, so that all missing secrets are known together.
func (t *translation) planFiles(svc composetypes.ServiceConfig) {
	for _, c := range svc.Configs {
		t.content(svc.Name, "configs", c.Source, composetypes.FileObjectConfig(t.project.Configs[c.Source]))
	}
	for _, s := range svc.Secrets {
		t.content(svc.Name, "secrets", s.Source, composetypes.FileObjectConfig(t.project.Secrets[s.Source]))
	}
}

// content of a config or secret, found once.
func (t *translation) content(service, kind, name string, c composetypes.FileObjectConfig) *fileContent {
	id := kind + "." + name
	found, known := t.storage.contents[id]
	if !known {
		found = t.findContent(id, name, c)
		found.secret = found.secret || kind == "secrets"
		t.storage.contents[id] = found
	}
	if found.bad && found.stored != "" {
		t.storage.missing[found.stored] = append(t.storage.missing[found.stored], service)
	}
	return found
}

// findContent looks where the Compose file says: the secret store for what is external or of a variable that it knows, a
// project variable, the text itself, or a file of the repository, which the store may hold when it is not committed.
func (t *translation) findContent(field, name string, c composetypes.FileObjectConfig) *fileContent {
	bad := func(message, remedy string) *fileContent {
		t.refuse(field, message, remedy)
		return &fileContent{bad: true}
	}
	names := []string{name}
	if c.Name != "" && (bool(c.External) || c.Name != t.project.Name+"_"+name) {
		names = []string{c.Name, name}
	}
	stored := t.stored(names)
	switch {
	case c.Driver != "" || c.TemplateDriver != "" || len(c.DriverOpts) > 0:
		return bad("drivers are plugins of Docker", "give a file or the content, or put it into the secret store")
	case c.Content != "":
		return t.inline(field, c.Content)
	case c.Environment != "":
		if known := t.stored([]string{c.Environment}); known != "" {
			return &fileContent{stored: known, secret: true}
		}
		if value, ok := t.variables[c.Environment]; ok {
			return &fileContent{data: []byte(value), secret: looksSecret(c.Environment, value)}
		}
		return &fileContent{bad: true, stored: c.Environment}
	case bool(c.External) && stored != "":
		return &fileContent{stored: stored, secret: true}
	case bool(c.External):
		return &fileContent{bad: true, stored: names[0]}
	case c.File == "":
		return bad("it has no file and no content", "give it one, or make it external and put it into the secret store")
	}
	f, err := readBound(t.in.Source, path.Clean(c.File), "content")
	switch {
	case err == nil:
		return &fileContent{data: t.renamedFile("", field, f.data), executable: f.executable}
	case stored != "":
		return &fileContent{stored: stored, secret: true}
	case !isFile(t.in.Source, path.Clean(c.File)):
		return &fileContent{bad: true, stored: names[0]}
	}
	return bad(err.Error(), "make it smaller, or put it into the secret store")
}

// inline is the text of a config. One that holds a secret must not become a ConfigMap.
func (t *translation) inline(field, text string) *fileContent {
	if mark.MatchString(text) {
		if len(text) > maxCompletedText {
			t.refuse(field+".content", fmt.Sprintf("the text names secrets and has more than %d KiB", maxCompletedText>>10), "keep what names secrets in a config of its own")
			return &fileContent{bad: true}
		}
		return &fileContent{text: text, secret: true}
	}
	found := &fileContent{data: []byte(text), secret: secretURL.MatchString(text)}
	const shortest = 6 // what is shorter is in many a text by chance
	for name, value := range t.variables {
		found.secret = found.secret || len(value) >= shortest && looksSecret(name, value) && strings.Contains(text, value)
	}
	return found
}

// stored is the name under which the secret store knows one of the names, which it may spell as a variable: db-password as DB_PASSWORD.
func (t *translation) stored(names []string) string {
	for _, name := range names {
		variable := strings.ToUpper(strings.NewReplacer("-", "_", ".", "_").Replace(name))
		for _, known := range []string{name, variable} {
			if slices.Contains(t.in.SecretNames, known) {
				return known
			}
		}
	}
	return ""
}

// refuseMissing names all secrets that nobody has given, in one problem.
func (t *translation) refuseMissing() {
	if len(t.storage.missing) == 0 {
		return
	}
	var list []string
	for _, name := range sortedKeys(t.storage.missing) {
		services := slices.Compact(slices.Sorted(slices.Values(t.storage.missing[name])))
		list = append(list, fmt.Sprintf("%s (%s)", name, strings.Join(services, ", ")))
	}
	t.refuse("secrets", "neither the repository nor the secret store has: "+strings.Join(list, ", "),
		"commit the files that are no secrets, or give the content of a project variable (environment: NAME)")
}

// configs mounts the service's configs, each as one file.
func (t *translation) configs(svc composetypes.ServiceConfig, m *mounts) {
	for i, c := range svc.Configs {
		found := t.content(svc.Name, "configs", c.Source, composetypes.FileObjectConfig(t.project.Configs[c.Source]))
		t.mountFile(svc, "configs", i, found, composetypes.FileReferenceConfig(c), configTarget(c), m)
	}
}

// secrets mounts the service's secrets, each as one file: mounting /run/secrets whole would hide the ServiceAccount's.
func (t *translation) secrets(svc composetypes.ServiceConfig, m *mounts) {
	for i, s := range svc.Secrets {
		config := composetypes.FileObjectConfig(t.project.Secrets[s.Source])
		found := t.content(svc.Name, "secrets", s.Source, config)
		t.mountFile(svc, "secrets", i, found, composetypes.FileReferenceConfig(s), secretTarget(s), m)
		if found.data != nil && config.File != "" {
			t.note(svc.Name, fmt.Sprintf("secrets[%d]", i), manifest.Approximated,
				fmt.Sprintf("%s stands in the repository in plain text: it is sealed, but everybody who reads the repository has it", config.File))
		}
	}
}

// mountFile mounts a config or secret at its target.
func (t *translation) mountFile(svc composetypes.ServiceConfig, kind string, i int, found *fileContent, ref composetypes.FileReferenceConfig, target string, m *mounts) {
	key := fmt.Sprintf("%s[%d]", kind, i)
	switch {
	case found.bad:
		return
	case target == "/" || strings.Contains(target, ":"):
		t.refuseKey(svc.Name, key, fmt.Sprintf("%q is not a path that can be mounted", target), "write the target without colons, below /")
		return
	}
	mode := t.fileMode(svc, key, ref)
	if ref.Mode == nil && found.executable {
		mode |= 0o111
	}
	name := strings.TrimSuffix(kind, "s") + "-" + ref.Source
	v := corev1.Volume{Name: volumeName(name, mode)}
	item := "content"
	switch {
	case found.text != "":
		v.Name = "text-" + hash(v.Name)
		v.EmptyDir = memoryVolume("", 0).EmptyDir
		m.texts = append(m.texts, completedText{volume: v.Name, text: found.text, mode: mode})
	case found.stored != "":
		item = found.stored
		v.Secret = &corev1.SecretVolumeSource{SecretName: SecretsName, DefaultMode: &mode, Items: []corev1.KeyToPath{{Key: item, Path: item}}}
	case found.secret:
		v.Secret = &corev1.SecretVolumeSource{SecretName: t.fileObject(found, name), DefaultMode: &mode}
	default:
		v.ConfigMap = &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: t.fileObject(found, name)}, DefaultMode: &mode}
	}
	if !m.mount(v, corev1.VolumeMount{MountPath: target, SubPath: item, ReadOnly: true}) {
		t.note(svc.Name, key, manifest.Ignored, fmt.Sprintf("something else is mounted on %s already", target))
	}
}

// fileObject makes the Secret or ConfigMap that holds a file, once, and names it. A ConfigMap's name carries its content's
// hash, so that a change restarts the pods. A Secret's does not: whoever reads the manifests could guess short secrets by it.
func (t *translation) fileObject(found *fileContent, name string) string {
	if found.object != "" {
		return found.object
	}
	if !found.secret {
		cm := &corev1.ConfigMap{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"}}
		put(cm, "content", boundFile{data: found.data})
		found.object = dnsName(name) + "-" + contentHash(cm)
		cm.Name = found.object
		t.addOnce("ConfigMap", cm.Name, cm)
		return found.object
	}
	if found.object = dnsName(name); found.object != name {
		found.object += "-" + shortHash(name)
	}
	t.add(&corev1.Secret{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"}, ObjectMeta: metav1.ObjectMeta{Name: found.object},
		Type: corev1.SecretTypeOpaque, Data: map[string][]byte{"content": found.data}})
	return found.object
}

// volumeName tells the volumes of one object apart by their mode.
func volumeName(name string, mode int32) string {
	label := dnsName(name)
	if label != name || mode != defaultFileMode {
		label += "-" + shortHash(fmt.Sprintf("%s %o", name, mode))
	}
	return label
}

// fileMode is the mode that the file asks for. Its owner is root and its group the pod's, so where the image's user may be
// another, a file for its owner only would be out of reach.
func (t *translation) fileMode(svc composetypes.ServiceConfig, key string, ref composetypes.FileReferenceConfig) int32 {
	mode := int32(defaultFileMode)
	if ref.Mode != nil {
		mode = int32(*ref.Mode) & 0o777
	}
	owned := ref.UID != "" && ref.UID != "0" || ref.GID != "" && ref.GID != "0"
	switch {
	case mode&0o004 != 0 || ownsVolumes(svc) || svc.User == "0" || svc.User == "root":
		if owned {
			t.note(svc.Name, key, manifest.Approximated, "the file belongs to root; its mode lets the container read it")
		}
	default:
		t.note(svc.Name, key, manifest.Approximated, fmt.Sprintf("mode %04o is %04o here: the file belongs to root, and the image's user may be another; set user to a number to keep the mode", mode, mode|defaultFileMode))
		mode |= defaultFileMode
	}
	return mode
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
