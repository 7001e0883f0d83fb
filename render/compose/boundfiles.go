package compose

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"strings"
	"unicode/utf8"

	composetypes "github.com/compose-spec/compose-go/v2/types"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

const (
	// maxConfigMap is what of a file, encoded, fits into a ConfigMap beside its metadata: the API server takes 1 MiB.
	maxConfigMap = 1000 << 10
	// maxFolder and maxFolderFiles bound a folder that is mounted from ConfigMaps.
	maxFolder      = 4 << 20
	maxFolderFiles = 500
	maxFolderDepth = 32
)

// errTooLarge marks a folder that is too large for ConfigMaps.
var errTooLarge = errors.New("too large to be mounted from ConfigMaps")

// errTooMuch marks what makes all that is mounted too much.
var errTooMuch = errors.New("the application mounts more of its repository than a render may")

// boundFile is a file of the repository that is mounted.
type boundFile struct {
	// name relative to the folder that is mounted.
	name       string
	data       []byte
	executable bool
}

// encoded is the size of the file in a manifest.
func (f boundFile) encoded() int {
	if f.isText() {
		return textSize(f.data)
	}
	return base64.StdEncoding.EncodedLen(len(f.data))
}

// isText reports whether the file is stored as text: it is some, and not much longer for its escapes than base64.
func (f boundFile) isText() bool {
	return utf8.Valid(f.data) && (len(f.data) < 16<<10 || textSize(f.data) <= base64.StdEncoding.EncodedLen(len(f.data)))
}

func textSize(data []byte) int {
	text, err := json.Marshal(string(data))
	if err != nil {
		return len(data)
	}
	return len(text)
}

// readBound reads one file within the limit.
func readBound(source fs.FS, p, name string) (boundFile, error) {
	f := boundFile{name: name}
	info, err := fs.Stat(source, p)
	if err != nil {
		return f, fmt.Errorf("%s is not in the repository", p)
	}
	if strings.HasPrefix(name, "..") || strings.Contains(name, "/..") {
		return f, fmt.Errorf("%s has a name that Kubernetes keeps for itself: two dots at its start", p)
	}
	f.executable = info.Mode()&0o111 != 0
	if info.Size() <= maxConfigMap {
		if f.data, err = readFile(source, p, maxConfigMap); err != nil {
			return f, fmt.Errorf("%s cannot be read from the repository", p)
		}
	}
	if info.Size() > maxConfigMap || f.encoded() > maxConfigMap {
		return f, fmt.Errorf("%s has %d KiB: %w, which take %d KiB of text and three quarters of that of anything else", p, info.Size()>>10, errTooLarge, maxConfigMap>>10)
	}
	return f, nil
}

// folderRead is a folder's files, sorted by name.
type folderRead struct {
	files   []boundFile
	size    int
	entries int
	err     error
}

// readFolder reads a folder with all below it, once.
func (t *translation) readFolder(p string) folderRead {
	return t.readOnce(p, func(r *folderRead) error { return r.walk(t.in.Source, p, "", 0) })
}

// readSingle reads a file that is mounted by itself, once.
func (t *translation) readSingle(p string) folderRead {
	return t.readOnce(p, func(r *folderRead) error { return r.add(t.in.Source, p, path.Base(p)) })
}

func (t *translation) readOnce(p string, read func(*folderRead) error) folderRead {
	r, known := t.storage.reads[p]
	if known {
		return r
	}
	r.err = t.countBound(p, folderRead{})
	if r.err == nil {
		r.err = read(&r)
	}
	if err := t.countBound(p, r); r.err == nil {
		r.err = err
	}
	t.storage.reads[p] = r
	return r
}

// countBound holds the limits on all that an application mounts of its repository.
func (t *translation) countBound(p string, r folderRead) error {
	t.storage.boundBytes += r.size
	t.storage.boundFiles += max(r.entries, len(r.files))
	if t.storage.boundFiles > maxBoundFiles || t.storage.boundBytes > maxBoundBytes {
		return fmt.Errorf("with %s %w (%d MiB or %d files)", p, errTooMuch, maxBoundBytes>>20, maxBoundFiles)
	}
	return nil
}

// refuseBound refuses what cannot be mounted; that all of it together is too much, once.
func (t *translation) refuseBound(svc composetypes.ServiceConfig, p plannedMount, err error) {
	if errors.Is(err, errTooMuch) {
		if t.storage.tooMuch {
			return
		}
		t.storage.tooMuch = true
	}
	t.refuseKey(svc.Name, p.key, err.Error(), "make it smaller, build it into the image, or mount only the parts that are needed")
}

func (r *folderRead) walk(source fs.FS, dir, rel string, depth int) error {
	if depth > maxFolderDepth {
		return fmt.Errorf("%s is nested deeper than %d folders, or a link leads back into it", dir, maxFolderDepth)
	}
	entries, err := fs.ReadDir(source, dir)
	if err != nil {
		return fmt.Errorf("%s cannot be read from the repository", dir)
	}
	for _, e := range entries {
		p, name := path.Join(dir, e.Name()), path.Join(rel, e.Name())
		if r.entries++; r.entries > 4*maxFolderFiles {
			return fmt.Errorf("%s holds more than %d files: %w", dir, maxFolderFiles, errTooLarge)
		}
		info, err := fs.Stat(source, p) // follows links inside the tree
		switch {
		case err != nil && e.Type()&fs.ModeSymlink != 0, e.Name() == ".git": // a link that leads nowhere
			continue
		case err != nil:
			return fmt.Errorf("%s cannot be read from the repository", p)
		case info.IsDir():
			if err := r.walk(source, p, name, depth+1); err != nil {
				return err
			}
		default:
			if err := r.add(source, p, name); err != nil {
				return err
			}
		}
	}
	return nil
}

// keepsFolder reports whether a file is there for Git only.
func keepsFolder(name string) bool {
	return name == ".gitkeep" || name == ".keep" || name == ".gitignore"
}

func (r *folderRead) add(source fs.FS, p, name string) error {
	f, err := readBound(source, p, name)
	if err != nil {
		return err
	}
	r.files = append(r.files, f)
	if r.size += f.encoded(); r.size > maxFolder || len(r.files) > maxFolderFiles {
		return fmt.Errorf("with %s the folder has more than %d MiB or %d files: %w", p, maxFolder>>20, maxFolderFiles, errTooLarge)
	}
	return nil
}

// fileVolume is the volume of files, from as many ConfigMaps as they need. Their names carry the content's hash, so that a
// change restarts the pods.
func (t *translation) fileVolume(base string, files []boundFile) corev1.Volume {
	var sources []corev1.ConfigMapProjection
	for len(files) > 0 {
		size, n := 0, 0
		for n < len(files) && (n == 0 || size+files[n].encoded() <= maxConfigMap) {
			size += files[n].encoded() + len(files[n].name)
			n++
		}
		sources = append(sources, t.fileMap(base, files[:n]))
		files = files[n:]
	}
	id := base
	for _, s := range sources {
		id += "/" + s.Name
		for _, item := range s.Items {
			id += fmt.Sprintf("/%s %s %t", item.Key, item.Path, item.Mode != nil)
		}
	}
	v := corev1.Volume{Name: dnsName("files-" + hash(id))}
	if len(sources) == 1 {
		v.ConfigMap = &corev1.ConfigMapVolumeSource{LocalObjectReference: sources[0].LocalObjectReference, Items: sources[0].Items}
		return v
	}
	v.Projected = &corev1.ProjectedVolumeSource{}
	for i := range sources {
		v.Projected.Sources = append(v.Projected.Sources, corev1.VolumeProjection{ConfigMap: &sources[i]})
	}
	return v
}

// fileMap makes a ConfigMap of files. Its keys are flat; items give each file its folder back.
func (t *translation) fileMap(base string, files []boundFile) corev1.ConfigMapProjection {
	cm := &corev1.ConfigMap{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"}}
	var items []corev1.KeyToPath
	taken := map[string]bool{}
	for _, f := range files {
		key := fileKey(f.name)
		if taken[key] {
			key = "file-" + hash(f.name)
		}
		taken[key] = true
		put(cm, key, f)
		item := corev1.KeyToPath{Key: key, Path: f.name}
		if f.executable {
			mode := int32(0o755)
			item.Mode = &mode
		}
		items = append(items, item)
	}
	cm.Name = dnsName(base) + "-" + contentHash(cm)
	t.addOnce("ConfigMap", cm.Name, cm)
	return corev1.ConfigMapProjection{LocalObjectReference: corev1.LocalObjectReference{Name: cm.Name}, Items: items}
}

var notKey = regexp.MustCompile(`[^-._a-zA-Z0-9]`)

// fileKey is the ConfigMap key of a file, readable where it can be.
func fileKey(name string) string {
	key := notKey.ReplaceAllString(strings.ReplaceAll(name, "/", "."), "-")
	if len(key) > 200 || key == "." || strings.HasPrefix(key, "..") {
		return "file-" + hash(name)
	}
	return key
}

// put stores a file in a ConfigMap, as text where it is.
func put(cm *corev1.ConfigMap, key string, f boundFile) {
	if f.isText() {
		if cm.Data == nil {
			cm.Data = map[string]string{}
		}
		cm.Data[key] = string(f.data)
		return
	}
	if cm.BinaryData == nil {
		cm.BinaryData = map[string][]byte{}
	}
	cm.BinaryData[key] = f.data
}

// addOnce adds an object whose name says what is in it, unless it is there.
func (t *translation) addOnce(kind, name string, obj runtime.Object) {
	if id := kind + "/" + name; !t.storage.made[id] {
		t.storage.made[id] = true
		t.add(obj)
	}
}
