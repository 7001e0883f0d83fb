package compose

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"catalyst.dev/catalyst/render/manifest"
)

// concealVolume turns the ConfigMap of a volume into a Secret where it holds one.
func (t *translation) concealVolume(service string, v *corev1.Volume) {
	if v.ConfigMap != nil {
		if name, secret := t.concealConfig(service, v.ConfigMap.Name); secret {
			v.Secret = &corev1.SecretVolumeSource{SecretName: name, Items: v.ConfigMap.Items, DefaultMode: v.ConfigMap.DefaultMode, Optional: v.ConfigMap.Optional}
			v.ConfigMap = nil
		}
	}
	if v.Projected == nil {
		return
	}
	for i := range v.Projected.Sources {
		s := &v.Projected.Sources[i]
		if s.ConfigMap == nil {
			continue
		}
		if name, secret := t.concealConfig(service, s.ConfigMap.Name); secret {
			s.Secret = &corev1.SecretProjection{LocalObjectReference: corev1.LocalObjectReference{Name: name}, Items: s.ConfigMap.Items, Optional: s.ConfigMap.Optional}
			s.ConfigMap = nil
		}
	}
}

// concealConfig turns a ConfigMap of the application into a Secret where it holds one, and says what it is called then.
func (t *translation) concealConfig(service, name string) (string, bool) {
	if secret, done := t.sealedConfigs[name]; done {
		return secret, secret != ""
	}
	t.sealedConfigs[name] = ""
	for ; t.indexed < len(t.objs); t.indexed++ {
		if obj := t.objs[t.indexed]; obj.GetKind() == "ConfigMap" {
			t.configMaps[obj.GetName()] = t.indexed
		}
	}
	i, exists := t.configMaps[name]
	if !exists {
		return "", false
	}
	cm := &corev1.ConfigMap{}
	if err := manifest.ToTyped(t.objs[i], cm); err != nil {
		t.errs = append(t.errs, fmt.Errorf("reading ConfigMap %s: %w", name, err))
		return "", false
	}
	if !t.configHoldsSecret(cm) {
		return "", false
	}
	secret := t.secretOf(cm)
	u, err := manifest.FromTyped(secret)
	if err != nil {
		t.errs = append(t.errs, err)
		return "", false
	}
	t.objs[i], t.sealedConfigs[name] = u, secret.Name
	t.note(service, "configs", manifest.Approximated, "a mounted file holds a secret: it comes from a sealed Secret, but everybody who reads the repository has it")
	return secret.Name, true
}

// secretFile is the name of a file that is a secret as a whole: keyfile, id_rsa, .htpasswd, db-password.txt, tls.key.
var secretFile = regexp.MustCompile(`(?i)(?:^|[._-])(?:key_?file|id_(?:rsa|dsa|ecdsa|ed25519)|htpasswd|passwords?|passwd|secrets?|credentials?|tokens?|auth_?key)(?:\.(?:txt|json|ya?ml|ini|conf|cfg|properties))?$|\.(?:key|p12|pfx|jks|keystore|kdbx)$`)

func (t *translation) configHoldsSecret(cm *corev1.ConfigMap) bool {
	for key, text := range cm.Data {
		if secretFile.MatchString(key) && strings.TrimSpace(text) != "" || len(fileSpans(text)) > 0 || t.known.in(text) {
			return true
		}
	}
	for key, data := range cm.BinaryData {
		if secretFile.MatchString(key) || t.known.in(string(data)) {
			return true
		}
	}
	return false
}

// secretOf is a ConfigMap as a Secret. The hash in its name tells one content from another by what is not secret: a hash of
// a secret lets people test guesses.
func (t *translation) secretOf(cm *corev1.ConfigMap) *corev1.Secret {
	data := map[string][]byte{}
	h := sha256.New()
	for _, key := range sortedKeys(cm.Data) {
		data[key] = []byte(cm.Data[key])
		text := ""
		if !secretFile.MatchString(key) {
			text = t.redact(cm.Data[key])
		}
		fmt.Fprintf(h, "%s %s\n", key, text)
	}
	for _, key := range sortedKeys(cm.BinaryData) {
		data[key] = cm.BinaryData[key]
		fmt.Fprintf(h, "%s\n", key)
	}
	base := cm.Name
	if i := strings.LastIndexByte(base, '-'); i > 0 {
		base = base[:i]
	}
	return &corev1.Secret{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"},
		ObjectMeta: metav1.ObjectMeta{Name: base + "-" + hex.EncodeToString(h.Sum(nil))[:8], Labels: cm.Labels, Annotations: cm.Annotations},
		Type:       corev1.SecretTypeOpaque, Data: data}
}

// redact takes the secrets out of a text.
func (t *translation) redact(text string) string {
	var b strings.Builder
	at := 0
	for _, s := range apart(slices.Concat(fileSpans(text), t.known.spans(text))) {
		b.WriteString(text[at:s.start] + "…")
		at = s.end
	}
	return b.String() + text[at:]
}
