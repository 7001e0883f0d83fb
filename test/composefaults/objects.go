package composefaults

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

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
	// secrets holds the keys of each Secret that the cluster would have.
	secrets map[string]map[string]bool
	claims  map[string]bool
	ingress []networkingv1.Ingress
	// texts are all strings of each file, keys too.
	texts map[string][]string
}

func readObjects(dir string) (*objects, error) {
	o := &objects{services: map[string]corev1.Service{}, configMaps: map[string]map[string][]byte{}, secrets: map[string]map[string]bool{},
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
			Spec              struct {
				EncryptedData map[string]string
				Template      struct {
					metav1.ObjectMeta `json:"metadata"`
				}
			}
		}
		return decode(data, func(s sealedSecret) { o.secret(s.Name, slices.Collect(maps.Keys(s.Spec.EncryptedData))) })
	case "Secret":
		return decode(data, func(s corev1.Secret) { o.secret(s.Name, slices.Collect(maps.Keys(s.Data))) })
	case "PersistentVolumeClaim":
		o.claims[meta.Name] = true
	case "Ingress":
		return decode(data, func(i networkingv1.Ingress) { o.ingress = append(o.ingress, i) })
	default:
		return o.workload(meta, data)
	}
	return nil
}

func (o *objects) secret(name string, keys []string) {
	o.secrets[name] = map[string]bool{}
	for _, key := range keys {
		o.secrets[name][key] = true
	}
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

// rewritten reports whether a name is another's with a suffix of hexadecimal digits, perhaps cut before.
func rewritten(original, name string) bool {
	i := strings.LastIndexByte(name, '-')
	if i < 0 || strings.Trim(name[i+1:], "0123456789abcdef") != "" {
		return false
	}
	return strings.HasPrefix(strings.ReplaceAll(plain(original), "-", ""), strings.ReplaceAll(name[:i], "-", ""))
}
