package compose

import (
	"fmt"
	"strings"

	composetypes "github.com/compose-spec/compose-go/v2/types"
	corev1 "k8s.io/api/core/v1"
)

// completedText is a config that names secrets of the store. Its values are known in the cluster only, so the pod writes it.
type completedText struct {
	volume, text string
	mode         int32
}

// complete is the init container that writes such configs, into memory. The kubelet puts the values into the text, as it does
// into any variable that refers to another.
func (t *translation) complete(svc composetypes.ServiceConfig, m *mounts) []corev1.Container {
	if len(m.texts) == 0 {
		return nil
	}
	security := nonRoot()
	if user, group := numericUser(svc); user > 0 {
		security.RunAsUser, security.RunAsGroup = &user, &group
	}
	names := map[string]bool{}
	var texts []corev1.EnvVar
	var lines []string
	c := t.helper("complete-configs", "", security)
	for i, text := range m.texts {
		for _, found := range mark.FindAllStringSubmatch(text.text, -1) {
			names[found[1]] = true
		}
		texts = append(texts, corev1.EnvVar{Name: fmt.Sprintf("TEXT_%d", i), Value: mark.ReplaceAllString(escape(text.text), "$($1)")})
		lines = append(lines, fmt.Sprintf(`printf %%s "$TEXT_%[1]d" >/configs/%[1]d/content && chmod %04[2]o /configs/%[1]d/content || exit 1`, i, text.mode))
		c.VolumeMounts = append(c.VolumeMounts, corev1.VolumeMount{Name: text.volume, MountPath: fmt.Sprintf("/configs/%d", i)})
	}
	for _, name := range sortedKeys(names) {
		c.Env = append(c.Env, fromSecret(name, SecretsName, name))
	}
	c.Env = append(c.Env, texts...)
	c.Command[2] = strings.Join(lines, "\n")
	return []corev1.Container{c}
}
