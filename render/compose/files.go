package compose

import (
	"fmt"
	"path"
	"slices"

	composetypes "github.com/compose-spec/compose-go/v2/types"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"catalyst.dev/catalyst/render/manifest"
)

// configs mounts the service's configs, each a file from a ConfigMap.
func (t *translation) configs(svc composetypes.ServiceConfig, m *mounts) {
	for i, c := range svc.Configs {
		key := fmt.Sprintf("configs[%d]", i)
		target := c.Target
		if target == "" {
			target = "/" + c.Source
		}
		data, ok := t.fileObject(svc.Name, key, composetypes.FileObjectConfig(t.project.Configs[c.Source]))
		if !ok {
			continue
		}
		cm := &corev1.ConfigMap{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"},
			ObjectMeta: metav1.ObjectMeta{Name: dnsName(svc.Name + "-config-" + c.Source)}}
		if config := t.project.Configs[c.Source]; config.File != "" {
			data = t.renamedFile(svc.Name, key, data)
		}
		put(cm, "content", data)
		cm.Name += "-" + contentHash(cm)
		t.add(cm)
		m.mount(corev1.Volume{Name: dnsName("config-" + c.Source), VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{
			LocalObjectReference: corev1.LocalObjectReference{Name: cm.Name}, DefaultMode: mode(c.Mode)}}},
			corev1.VolumeMount{MountPath: target, SubPath: "content", ReadOnly: true})
		t.noteOwner(svc.Name, key, c.UID, c.GID)
	}
}

// secrets mounts the service's secrets, each as one file: mounting /run/secrets whole would hide the ServiceAccount's.
func (t *translation) secrets(svc composetypes.ServiceConfig, m *mounts) {
	for i, s := range svc.Secrets {
		key := fmt.Sprintf("secrets[%d]", i)
		target := s.Target
		if target == "" {
			target = s.Source
		}
		if !path.IsAbs(target) {
			target = path.Join("/run/secrets", target)
		}
		config := composetypes.FileObjectConfig(t.project.Secrets[s.Source])
		name, item := SecretsName, s.Source
		if !config.External {
			data, ok := t.fileObject(svc.Name, key, config)
			if !ok {
				continue
			}
			name, item = dnsName("secret-"+s.Source), "content"
			t.secretObject(name, data)
			if config.File != "" {
				t.note(svc.Name, key, manifest.Approximated, fmt.Sprintf("%s stands in the repository in plain text: it is sealed, but everybody who reads the repository has it", config.File))
			}
		} else if !slices.Contains(t.in.SecretNames, s.Source) {
			t.refuseKey(svc.Name, key, fmt.Sprintf("the external secret %q is not in the secret store", s.Source), "set it there, or give the secret a file")
			continue
		}
		m.mount(corev1.Volume{Name: dnsName("secret-" + s.Source), VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{
			SecretName: name, DefaultMode: mode(s.Mode)}}},
			corev1.VolumeMount{MountPath: target, SubPath: item, ReadOnly: true})
		t.noteOwner(svc.Name, key, s.UID, s.GID)
	}
}

// secretObject adds a plain Secret, once; it is sealed before it is committed.
func (t *translation) secretObject(name string, data []byte) {
	for _, o := range t.objs {
		if o.GetKind() == "Secret" && o.GetName() == name {
			return
		}
	}
	t.add(&corev1.Secret{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"}, ObjectMeta: metav1.ObjectMeta{Name: name},
		Type: corev1.SecretTypeOpaque, Data: map[string][]byte{"content": data}})
}

// fileObject is the content of a config or secret: inline, from a file of the repository, or a project variable.
func (t *translation) fileObject(service, key string, c composetypes.FileObjectConfig) ([]byte, bool) {
	switch {
	case c.Driver != "" || c.TemplateDriver != "":
		t.refuseKey(service, key, "drivers of configs and secrets are not translated", "give a file or the content")
	case c.Content != "":
		return []byte(c.Content), true
	case c.Environment != "":
		value, ok := t.variables[c.Environment]
		if ok {
			return []byte(value), true
		}
		t.refuseKey(service, key, fmt.Sprintf("the variable %s is not set", c.Environment), "set it in values.variables; variables of the server are never read")
	case c.File != "":
		data, err := readFile(t.in.Source, path.Clean(c.File), maxConfigMap)
		if err == nil {
			return data, true
		}
		t.refuseKey(service, key, fmt.Sprintf("%s cannot be read from the repository: %v", c.File, err), "commit it, or use an external secret")
	default:
		t.refuseKey(service, key, "it has no file and no content", "give it one; external configs are not translated")
	}
	return nil, false
}

// noteOwner reports what a file in the cluster cannot have.
func (t *translation) noteOwner(service, key, uid, gid string) {
	if uid != "" && uid != "0" || gid != "" && gid != "0" {
		t.note(service, key, manifest.Approximated, "the file belongs to root; its mode lets the container read it")
	}
}

func mode(m *composetypes.FileMode) *int32 {
	if m == nil {
		return nil
	}
	v := int32(*m) & 0o777
	return &v
}
