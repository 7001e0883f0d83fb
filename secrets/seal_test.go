package secrets_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	sealedv1alpha1 "github.com/bitnami/sealed-secrets/pkg/apis/sealedsecrets/v1alpha1"
	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/scheme"

	"catalyst.dev/catalyst/secrets"
)

func newSealer(t testing.TB) (*secrets.Sealer, *rsa.PrivateKey) {
	t.Helper()
	certPEM, keyPEM, err := secrets.GenerateKeyPair(time.Now(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := secrets.ParseCertificate(certPEM)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(keyPEM)
	key, err := x509.ParsePKCS1PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	mac, err := secrets.DeriveMACKey(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	return &secrets.Sealer{Certificate: cert, MACKey: mac}, key
}

func newSecret(data map[string]any) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "Secret", "type": "Opaque", "immutable": true,
		"metadata": map[string]any{"name": "db", "namespace": "acme-shop-pr-1",
			"annotations": map[string]any{"sealedsecrets.bitnami.com/cluster-wide": "true", "keep": "me",
				"argocd.argoproj.io/sync-wave": "-80"}},
		"stringData": data,
	}}
}

func unseal(t *testing.T, obj *unstructured.Unstructured, key *rsa.PrivateKey) (map[string]string, error) {
	t.Helper()
	var sealed sealedv1alpha1.SealedSecret
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(obj.Object, &sealed); err != nil {
		t.Fatal(err)
	}
	secret, err := sealed.Unseal(scheme.Codecs, map[string]*rsa.PrivateKey{"k": key})
	if err != nil {
		return nil, err
	}
	got := map[string]string{}
	for k, v := range secret.Data {
		got[k] = string(v)
	}
	return got, nil
}

func mustSeal(t testing.TB, s *secrets.Sealer, secret, committed *unstructured.Unstructured, unstable map[string]bool) *unstructured.Unstructured {
	t.Helper()
	sealed, err := s.Seal(secret, committed, unstable)
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}

func encrypted(t *testing.T, obj *unstructured.Unstructured) map[string]string {
	t.Helper()
	m, _, err := unstructured.NestedStringMap(obj.Object, "spec", "encryptedData")
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestSeal(t *testing.T) {
	s, key := newSealer(t)
	first := mustSeal(t, s, newSecret(map[string]any{"a": "1", "b": "2"}), nil, nil)

	got, err := unseal(t, first, key)
	if diff := cmp.Diff(map[string]string{"a": "1", "b": "2"}, got); err != nil || diff != "" {
		t.Errorf("unsealing: %v (-want +got)\n%s", err, diff)
	}
	for _, field := range []string{"name", "namespace"} {
		moved := first.DeepCopy()
		moved.Object["metadata"].(map[string]any)[field] = "other"
		if _, err := unseal(t, moved, key); err == nil {
			t.Errorf("unsealed under another %s", field)
		}
	}
	template, _, _ := unstructured.NestedMap(first.Object, "spec", "template")
	wantTemplate := map[string]any{"type": "Opaque", "immutable": true, "metadata": map[string]any{
		"name": "db", "namespace": "acme-shop-pr-1", "annotations": map[string]any{"keep": "me"}}}
	if diff := cmp.Diff(wantTemplate, template); diff != "" {
		t.Errorf("template (-want +got)\n%s", diff)
	}
	if got := first.GetAnnotations()["argocd.argoproj.io/sync-wave"]; got != "-80" {
		t.Errorf("the SealedSecret is in wave %q, want the Secret's, -80", got)
	}
	if again := mustSeal(t, s, newSecret(map[string]any{"a": "1", "b": "2"}), first, nil); !cmp.Equal(first, again) {
		t.Error("an unchanged Secret was sealed anew")
	}
	changed := encrypted(t, mustSeal(t, s, newSecret(map[string]any{"a": "1", "b": "3"}), first, nil))
	if was := encrypted(t, first); changed["a"] != was["a"] || changed["b"] == was["b"] {
		t.Error("changing b must change the ciphertext of b alone")
	}
	random := mustSeal(t, s, newSecret(map[string]any{"a": "1", "b": "3"}), first, map[string]bool{"b": true})
	if !cmp.Equal(first, random) {
		t.Error("an unstable key did not keep its ciphertext")
	}
	other, _ := newSealer(t)
	resealed := encrypted(t, mustSeal(t, other, newSecret(map[string]any{"a": "1", "b": "2"}), first, map[string]bool{"b": true}))
	if was := encrypted(t, first); resealed["a"] == was["a"] || resealed["b"] == was["b"] {
		t.Error("ciphertext was kept for another certificate")
	}
}

func TestSealNamesTheKeyNotTheValue(t *testing.T) {
	s, _ := newSealer(t)
	secret := newSecret(nil)
	secret.Object["data"] = map[string]any{"password": "hunter2!"}
	_, err := s.Seal(secret, nil, nil)
	want := "Secret/db: data[password] is no base64: encode it, or put it under stringData"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestExpiredCertificate(t *testing.T) {
	certPEM, _, err := secrets.GenerateKeyPair(time.Now().AddDate(-11, 0, 0), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := secrets.ParseCertificate(certPEM); !errors.Is(err, secrets.ErrExpired) {
		t.Errorf("got %v, want ErrExpired", err)
	}
}

func TestValueIsRedacted(t *testing.T) {
	v := secrets.NewValue([]byte("hunter2"))
	data, err := json.Marshal(map[string]any{"v": v})
	if err != nil {
		t.Fatal(err)
	}
	out := fmt.Sprintf("%v %+v %#v %s %q %x %d %v %+v %s", v, v, v, v, v, v, v, struct{ V secrets.Value }{v}, struct{ v secrets.Value }{v}, data)
	if strings.Contains(out, "hunter2") || strings.Contains(out, "68756e746572") || strings.Contains(out, "104 117") {
		t.Errorf("the plaintext shows: %s", out)
	}
}

func TestParseEncryptionKey(t *testing.T) {
	for _, text := range []string{"", "abc", strings.Repeat("zz", 32)} {
		if _, err := secrets.ParseEncryptionKey(text); err == nil {
			t.Errorf("%q was accepted", text)
		}
	}
	if key, err := secrets.ParseEncryptionKey(strings.Repeat("0a", 32)); err != nil || len(key) != 32 {
		t.Errorf("got %d bytes, %v", len(key), err)
	}
}

func BenchmarkSeal(b *testing.B) {
	s, _ := newSealer(b)
	for _, n := range []int{1, 20} {
		data := map[string]any{}
		for i := range n {
			data[fmt.Sprintf("k%02d", i)] = base64.StdEncoding.EncodeToString(make([]byte, 24))
		}
		secret := newSecret(data)
		committed := mustSeal(b, s, secret, nil, nil)
		b.Run(fmt.Sprintf("new-%d", n), func(b *testing.B) {
			for b.Loop() {
				mustSeal(b, s, secret, nil, nil)
			}
		})
		b.Run(fmt.Sprintf("unchanged-%d", n), func(b *testing.B) {
			for b.Loop() {
				mustSeal(b, s, secret, committed, nil)
			}
		})
	}
}
