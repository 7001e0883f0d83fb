package secrets

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/bitnami/sealed-secrets/pkg/crypto"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Annotations on each SealedSecret that Catalyst writes.
const (
	// AnnotationMACs is a JSON object from key to the hex MAC of its plaintext.
	AnnotationMACs = "catalyst.dev/seal-macs"
	// AnnotationCertificate is the fingerprint of the certificate that the values are sealed for.
	AnnotationCertificate = "catalyst.dev/seal-certificate"
)

// argocdPrefix of annotations that speak to Argo CD. It applies the SealedSecret: waves and hooks belong there.
const argocdPrefix = "argocd.argoproj.io/"

// Sealer turns Secrets into SealedSecrets for one certificate. It is safe for concurrent use.
type Sealer struct {
	// Certificate that values are sealed for.
	Certificate *Certificate
	// MACKey is from DeriveMACKey; who has it can test guesses of a plaintext against the committed MACs. Without it no MAC is
	// written, and no ciphertext can be kept later: for renders that are only looked at.
	MACKey []byte
}

// Seal returns the SealedSecret, of strict scope, for a v1 Secret. committed is the one in Git, nil when there is none: a
// key keeps its ciphertext where its plaintext, the name, the namespace and the certificate are the same. The keys in
// unstable, whose values are random at each render, keep it whatever their plaintext. Errors never hold a value.
func (s *Sealer) Seal(secret, committed *unstructured.Unstructured, unstable map[string]bool) (*unstructured.Unstructured, error) {
	if err := s.check(secret); err != nil {
		return nil, err
	}
	values, err := plaintext(secret)
	if err != nil {
		return nil, err
	}
	old := s.reusable(secret, committed)
	data, macs := map[string]any{}, map[string]string{}
	for _, key := range slices.Sorted(maps.Keys(values)) {
		mac := s.mac(secret, key, values[key])
		kept, ok := old.data[key]
		// An unstable key keeps the committed MAC too: it belongs to the ciphertext.
		same := hmac.Equal([]byte(mac), []byte(old.macs[key]))
		if ok && (same || unstable[key] && old.macs[key] != "") {
			data[key], macs[key] = kept, old.macs[key]
			continue
		}
		label := []byte(secret.GetNamespace() + "/" + secret.GetName())
		sealed, err := crypto.HybridEncrypt(rand.Reader, s.Certificate.PublicKey, values[key].Reveal(), label)
		if err != nil {
			return nil, fmt.Errorf("sealing %s key %q: %w", title(secret), key, err)
		}
		data[key], macs[key] = base64.StdEncoding.EncodeToString(sealed), mac
	}
	return s.sealedSecret(secret, data, macs)
}

// check refuses what cannot be sealed.
func (s *Sealer) check(secret *unstructured.Unstructured) error {
	switch {
	case s.Certificate == nil:
		return errors.New("there is no sealing certificate: put the controller's into sealed-secrets.pem; " + remedy)
	case len(s.MACKey) != keySize && s.MACKey != nil:
		return fmt.Errorf("the MAC key has %d bytes, want %d", len(s.MACKey), keySize)
	case secret.GetAPIVersion() != "v1" || secret.GetKind() != "Secret":
		return fmt.Errorf("%s %s is no v1 Secret", secret.GetAPIVersion(), title(secret))
	case secret.GetName() == "" || secret.GetNamespace() == "":
		return fmt.Errorf("%s has no name or no namespace", title(secret))
	}
	return nil
}

func title(obj *unstructured.Unstructured) string { return obj.GetKind() + "/" + obj.GetName() }

// plaintext of each key, data below stringData.
func plaintext(secret *unstructured.Unstructured) (map[string]Value, error) {
	values := map[string]Value{}
	var errs []error
	for _, field := range []string{"data", "stringData"} {
		// NestedMap's error would hold the value.
		raw, exists := secret.Object[field]
		entries, ok := raw.(map[string]any)
		if exists && raw != nil && !ok {
			errs = append(errs, fmt.Errorf("%s: %s is no mapping", title(secret), field))
		}
		for _, key := range slices.Sorted(maps.Keys(entries)) {
			text, ok := entries[key].(string)
			if !ok && entries[key] != nil {
				errs = append(errs, fmt.Errorf("%s: %s[%s] is no text: quote it", title(secret), field, key))
				continue
			}
			plain := []byte(text)
			if field == "data" {
				var err error
				if plain, err = base64.StdEncoding.DecodeString(text); err != nil {
					errs = append(errs, fmt.Errorf("%s: data[%s] is no base64: encode it, or put it under stringData", title(secret), key))
					continue
				}
			}
			values[key] = NewValue(plain)
		}
	}
	return values, errors.Join(errs...)
}

// mac of one value under everything that its ciphertext depends on, each part with its length before it.
func (s *Sealer) mac(secret *unstructured.Unstructured, key string, value Value) string {
	h := hmac.New(sha256.New, s.MACKey)
	for _, part := range [][]byte{value.Reveal(), []byte(secret.GetNamespace()), []byte(secret.GetName()),
		[]byte(key), []byte(s.Certificate.Fingerprint)} {
		var size [8]byte
		binary.BigEndian.PutUint64(size[:], uint64(len(part)))
		h.Write(size[:]) // a hash never returns an error
		h.Write(part)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// kept is what a committed SealedSecret offers for reuse.
type kept struct {
	data, macs map[string]string
}

// reusable reads the committed SealedSecret. One that is foreign, damaged, or for another name, namespace or certificate offers nothing.
func (s *Sealer) reusable(secret, committed *unstructured.Unstructured) kept {
	if s.MACKey == nil || committed == nil || committed.GetKind() != "SealedSecret" || committed.GetName() != secret.GetName() ||
		committed.GetNamespace() != secret.GetNamespace() ||
		committed.GetAnnotations()[AnnotationCertificate] != s.Certificate.Fingerprint {
		return kept{}
	}
	var k kept
	if json.Unmarshal([]byte(committed.GetAnnotations()[AnnotationMACs]), &k.macs) != nil {
		return kept{}
	}
	data, _, err := unstructured.NestedStringMap(committed.Object, "spec", "encryptedData")
	if err != nil {
		return kept{}
	}
	k.data = data
	return k
}

// sealedSecret builds the object around the ciphertext.
func (s *Sealer) sealedSecret(secret *unstructured.Unstructured, data map[string]any, macs map[string]string) (*unstructured.Unstructured, error) {
	encoded, err := json.Marshal(macs)
	if err != nil {
		return nil, fmt.Errorf("encoding the MACs of %s: %w", title(secret), err)
	}
	metadata := map[string]any{"name": secret.GetName(), "namespace": secret.GetNamespace()}
	if labels := secret.GetLabels(); len(labels) > 0 {
		metadata["labels"] = anyMap(labels)
	}
	if annotations := templateAnnotations(secret); len(annotations) > 0 {
		metadata["annotations"] = anyMap(annotations)
	}
	template := map[string]any{"metadata": metadata}
	for _, field := range []string{"type", "immutable"} {
		if v, ok := secret.Object[field]; ok && v != nil {
			template[field] = v
		}
	}
	sealed := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "bitnami.com/v1alpha1", "kind": "SealedSecret",
		"spec": map[string]any{"encryptedData": data, "template": template},
	}}
	sealed.SetName(secret.GetName())
	sealed.SetNamespace(secret.GetNamespace())
	sealed.SetLabels(secret.GetLabels())
	annotations := secret.GetAnnotations() // a copy
	maps.DeleteFunc(annotations, func(key, _ string) bool { return !strings.HasPrefix(key, argocdPrefix) })
	if s.MACKey != nil {
		if annotations == nil {
			annotations = map[string]string{}
		}
		annotations[AnnotationMACs], annotations[AnnotationCertificate] = string(encoded), s.Certificate.Fingerprint
	}
	if len(annotations) > 0 {
		sealed.SetAnnotations(annotations)
	}
	return sealed, nil
}

// templateAnnotations are the Secret's without those that widen the scope, that hold a copy of the plaintext, or that
// speak to Argo CD.
func templateAnnotations(secret *unstructured.Unstructured) map[string]string {
	annotations := secret.GetAnnotations() // a copy
	maps.DeleteFunc(annotations, func(key, _ string) bool {
		return strings.HasPrefix(key, "sealedsecrets.bitnami.com/") || strings.HasSuffix(key, "/last-applied-configuration") ||
			strings.HasPrefix(key, argocdPrefix)
	})
	return annotations
}

func anyMap(m map[string]string) map[string]any {
	out := make(map[string]any, len(m))
	for k, v := range m {
		out[k] = v
	}
	return out
}
