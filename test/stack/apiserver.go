package stack

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	"sigs.k8s.io/yaml"
)

// APIServer is a kube-apiserver with an etcd behind it, and no controllers: what is created stays as it is.
type APIServer struct {
	// Config is how a member of system:masters reaches it.
	Config *rest.Config
	client dynamic.Interface
	mapper *restmapper.DeferredDiscoveryRESTMapper
}

// StartAPIServer starts an API server that knows SealedSecrets, for as long as the test runs.
func StartAPIServer(t testing.TB) *APIServer {
	t.Helper()
	dir := t.TempDir()
	address, token := freeAddress(t), rand.Text()
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "tokens.csv"), fmt.Appendf(nil, "%s,admin,admin,system:masters\n", token))
	private, public := serviceAccountKeys(t, dir)
	server := start(t, dir, "kube-apiserver", "--etcd-servers", startEtcd(t, dir), "--bind-address", host, "--secure-port", port,
		"--cert-dir", dir, "--token-auth-file", filepath.Join(dir, "tokens.csv"), "--authorization-mode", "Node,RBAC",
		"--allow-privileged", "--service-cluster-ip-range", "10.96.0.0/16", "--endpoint-reconciler-type", "none",
		"--service-account-issuer", "https://kubernetes.default.svc", "--service-account-key-file", public, "--service-account-signing-key-file", private)
	a := &APIServer{Config: &rest.Config{Host: "https://" + address, BearerToken: token, QPS: -1,
		TLSClientConfig: rest.TLSClientConfig{CAFile: filepath.Join(dir, "apiserver.crt")}}}
	server.await(t, 2*time.Minute, a.ready)
	a.connect(t)
	a.define(t, sealedSecretCRD(t))
	return a
}

// ready reads the certificate anew each time: the server writes it as it starts.
func (a *APIServer) ready() error {
	client, err := rest.HTTPClientFor(rest.CopyConfig(a.Config))
	if err != nil {
		return err
	}
	return healthy(client, a.Config.Host+"/readyz")
}

func (a *APIServer) connect(t testing.TB) {
	t.Helper()
	var err error
	if a.client, err = dynamic.NewForConfig(a.Config); err != nil {
		t.Fatal(err)
	}
	found, err := discovery.NewDiscoveryClientForConfig(a.Config)
	if err != nil {
		t.Fatal(err)
	}
	a.mapper = restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(found))
}

// Resource is where objects of this one's kind are in its namespace.
func (a *APIServer) Resource(obj *unstructured.Unstructured) (dynamic.ResourceInterface, error) {
	kind := obj.GroupVersionKind()
	mapping, err := a.mapper.RESTMapping(kind.GroupKind(), kind.Version)
	if err != nil {
		return nil, err
	}
	if obj.GetNamespace() == "" {
		return a.client.Resource(mapping.Resource), nil
	}
	return a.client.Resource(mapping.Resource).Namespace(obj.GetNamespace()), nil
}

// Apply makes an object be as given.
func (a *APIServer) Apply(ctx context.Context, obj *unstructured.Unstructured, subresources ...string) error {
	resource, err := a.Resource(obj)
	if err != nil {
		return err
	}
	data, err := obj.MarshalJSON()
	if err != nil {
		return err
	}
	force := true
	_, err = resource.Patch(ctx, obj.GetName(), "application/apply-patch+yaml", data,
		metav1.PatchOptions{FieldManager: "stack", Force: &force, FieldValidation: metav1.FieldValidationStrict}, subresources...)
	return err
}

// Judge answers what `kubectl create --dry-run=server --validate=strict` would: nothing is kept.
func (a *APIServer) Judge(ctx context.Context, obj *unstructured.Unstructured) error {
	resource, err := a.Resource(obj)
	if err != nil {
		return err
	}
	_, err = resource.Create(ctx, obj, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}, FieldValidation: metav1.FieldValidationStrict})
	return err
}

// define installs a CustomResourceDefinition and waits until its kind can be used.
func (a *APIServer) define(t testing.TB, crd *unstructured.Unstructured) {
	t.Helper()
	if err := a.Apply(t.Context(), crd); err != nil {
		t.Fatalf("installing %s: %v", crd.GetName(), err)
	}
	group, _, _ := unstructured.NestedString(crd.Object, "spec", "group")
	kind, _, _ := unstructured.NestedString(crd.Object, "spec", "names", "kind")
	deadline := time.Now().Add(time.Minute)
	for {
		a.mapper.Reset()
		_, err := a.mapper.RESTMapping(schema.GroupKind{Group: group, Kind: kind})
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s is not served: %v", kind, err)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// sealedSecretCRD is the one that comes with the sealed-secrets that this module uses.
func sealedSecretCRD(t testing.TB) *unstructured.Unstructured {
	t.Helper()
	list := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/bitnami/sealed-secrets")
	list.Dir = folder()
	dir, err := list.Output()
	if err != nil {
		t.Fatalf("finding sealed-secrets: %v", err)
	}
	data, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), "helm", "sealed-secrets", "crds", "bitnami.com_sealedsecrets.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	crd := &unstructured.Unstructured{}
	if err := yaml.Unmarshal(data, &crd.Object); err != nil {
		t.Fatal(err)
	}
	return crd
}

func serviceAccountKeys(t testing.TB, dir string) (private, public string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	privateDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	publicDER, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	private, public = filepath.Join(dir, "service-accounts.key"), filepath.Join(dir, "service-accounts.pub")
	write(t, private, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: privateDER}))
	write(t, public, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: publicDER}))
	return private, public
}

func write(t testing.TB, file string, data []byte) {
	t.Helper()
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
}
