package composefaults

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/bitnami/sealed-secrets/pkg/crypto"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

// workload is an object that has pods.
type workload struct {
	kind, name string
	wave       int
	pod        corev1.PodTemplateSpec
}

// objects are what was rendered.
type objects struct {
	workloads  []workload
	services   map[string]corev1.Service
	configMaps map[string]map[string][]byte
	// secrets holds the values of each Secret that the cluster would have; sealed where nobody has the key.
	secrets map[string]map[string]string
	claims  map[string]bool
	ingress []networkingv1.Ingress
	// key that sealed values are opened with; nil where they stay closed.
	key *rsa.PrivateKey
	// texts are all strings of each file, keys too.
	texts map[string][]string
}

func readObjects(dir string, key *rsa.PrivateKey) (*objects, error) {
	o := &objects{key: key, services: map[string]corev1.Service{}, configMaps: map[string]map[string][]byte{}, secrets: map[string]map[string]string{},
		claims: map[string]bool{}, texts: map[string][]string{}}
	files, err := filepath.Glob(filepath.Join(dir, "manifests", "*.yaml"))
	if err != nil || len(files) == 0 {
		return nil, fmt.Errorf("%s has no manifests: %w", dir, err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		if err := o.add(file, data); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
	}
	for _, name := range []string{"environment.yaml", "translation.md", "hydrator.metadata"} {
		if data, err := os.ReadFile(filepath.Join(dir, name)); err == nil {
			o.texts[name] = []string{strings.ReplaceAll(string(data), `\`, "")}
		}
	}
	return o, nil
}

func (o *objects) add(file string, data []byte) error {
	var meta metav1.PartialObjectMetadata
	var anything any
	if err := yaml.Unmarshal(data, &anything); err != nil {
		return err
	}
	o.texts[filepath.Base(file)] = flatten(nil, anything)
	if err := yaml.Unmarshal(data, &meta); err != nil {
		return err
	}
	switch meta.Kind {
	case "Service":
		return decode(data, func(s corev1.Service) { o.services[s.Name] = s })
	case "ConfigMap":
		return decode(data, func(m corev1.ConfigMap) {
			content := map[string][]byte{}
			for key, value := range m.Data {
				content[key] = []byte(value)
			}
			maps.Copy(content, m.BinaryData)
			o.configMaps[m.Name] = content
		})
	case "SealedSecret":
		type sealedSecret struct {
			metav1.ObjectMeta `json:"metadata"`
			Spec              struct{ EncryptedData map[string]string }
		}
		var s sealedSecret
		if err := yaml.Unmarshal(data, &s); err != nil {
			return err
		}
		opened, err := o.open(s.Namespace+"/"+s.Name, s.Spec.EncryptedData)
		o.secrets[s.Name] = opened
		return err
	case "Secret":
		return decode(data, func(s corev1.Secret) {
			o.secrets[s.Name] = map[string]string{}
			for key, value := range s.Data {
				o.secrets[s.Name][key] = string(value)
			}
		})
	case "PersistentVolumeClaim":
		o.claims[meta.Name] = true
	case "Ingress":
		return decode(data, func(i networkingv1.Ingress) { o.ingress = append(o.ingress, i) })
	default:
		return o.workload(meta, data)
	}
	return nil
}

// open unseals values as the controller does, for the Secret of that name.
func (o *objects) open(label string, data map[string]string) (map[string]string, error) {
	opened := map[string]string{}
	for key, value := range data {
		opened[key] = unseen
		if o.key == nil {
			continue
		}
		ciphertext, err := base64.StdEncoding.DecodeString(value)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", key, err)
		}
		plaintext, err := crypto.HybridDecrypt(rand.Reader, map[string]*rsa.PrivateKey{"": o.key}, ciphertext, []byte(label))
		if err != nil {
			return nil, fmt.Errorf("unsealing %s: %w", key, err)
		}
		opened[key] = string(plaintext)
	}
	return opened, nil
}

func (o *objects) workload(meta metav1.PartialObjectMetadata, data []byte) error {
	wave, err := strconv.Atoi(meta.Annotations["argocd.argoproj.io/sync-wave"])
	if err != nil {
		wave = 0
	}
	add := func(pod corev1.PodTemplateSpec) {
		o.workloads = append(o.workloads, workload{kind: meta.Kind, name: meta.Name, wave: wave, pod: pod})
	}
	switch meta.Kind {
	case "Deployment":
		return decode(data, func(w appsv1.Deployment) { add(w.Spec.Template) })
	case "StatefulSet":
		return decode(data, func(w appsv1.StatefulSet) { add(w.Spec.Template) })
	case "DaemonSet":
		return decode(data, func(w appsv1.DaemonSet) { add(w.Spec.Template) })
	case "Job":
		return decode(data, func(w batchv1.Job) { add(w.Spec.Template) })
	case "CronJob":
		return decode(data, func(w batchv1.CronJob) { add(w.Spec.JobTemplate.Spec.Template) })
	}
	return nil
}

func decode[T any](data []byte, use func(T)) error {
	var v T
	if err := yaml.Unmarshal(data, &v); err != nil {
		return err
	}
	use(v)
	return nil
}

// flatten collects every string of a document.
func flatten(into []string, v any) []string {
	switch v := v.(type) {
	case string:
		return append(into, v)
	case []any:
		for _, element := range v {
			into = flatten(into, element)
		}
	case map[string]any:
		for key, element := range v {
			into = flatten(append(into, key), element)
		}
	}
	return into
}

// place is a Compose service's container in its pod.
type place struct {
	workload  workload
	container corev1.Container
}

var notInLabels = regexp.MustCompile(`[^a-z0-9]+`)

// plain is a name without what Kubernetes does not accept: a rewritten name begins with it.
func plain(name string) string {
	return strings.Trim(notInLabels.ReplaceAllString(strings.ToLower(name), "-"), "-")
}

// find the container of a service: of its name, or of its rewritten name.
func (o *objects) find(service string) (place, bool) {
	for _, same := range []func(string) bool{
		func(name string) bool { return name == service },
		func(name string) bool { return name == plain(service) },
		func(name string) bool { return rewritten(service, name) },
	} {
		for _, w := range o.workloads {
			for _, container := range slices.Concat(w.pod.Spec.Containers, w.pod.Spec.InitContainers) {
				if same(container.Name) {
					return place{w, container}, true
				}
			}
		}
	}
	return place{}, false
}

// rewritten reports whether a name is another's with a suffix of hexadecimal digits, perhaps cut before, or with a letter in front
// of its first digit.
func rewritten(original, name string) bool {
	if strings.HasSuffix(name, "-"+plain(original)) && original[0] <= '9' {
		return true
	}
	const shortest = 4 // "db" is a word
	i := strings.LastIndexByte(name, '-')
	if i < 0 || len(name)-i <= shortest || strings.Trim(name[i+1:], "0123456789abcdef") != "" {
		return false
	}
	return strings.HasPrefix(strings.ReplaceAll(plain(original), "-", ""), strings.ReplaceAll(name[:i], "-", ""))
}
