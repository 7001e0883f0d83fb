package gitops

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"catalyst.dev/catalyst/api/v1alpha1"
	"catalyst.dev/catalyst/render"
	"catalyst.dev/catalyst/render/manifest"
	"catalyst.dev/catalyst/render/policy"
	"catalyst.dev/catalyst/secrets"
)

// FolderInput is what an environment's folder is made of.
type FolderInput struct {
	Documents
	// Rendered is what render.Render made of them.
	Rendered *render.Output
	// MACKey tells unchanged secret values from changed ones; nil for a folder that is only looked at.
	MACKey []byte
	// Committed holds the manifests that stand in Git now, by file name, whose ciphertext is kept where it can be.
	Committed map[string][]byte
	// Metadata is written to hydrator.metadata.
	Metadata Metadata
}

// Folder makes the files of an environment's folder, by path inside it: sealed, checked by the policy on the very
// bytes, complete. It never holds a plain Secret.
func Folder(in FolderInput) (map[string][]byte, error) {
	objs, err := seal(in)
	if err != nil {
		return nil, err
	}
	manifests, err := encode(objs)
	if err != nil {
		return nil, err
	}
	if err := gate(in, manifests); err != nil {
		return nil, err
	}
	document, err := v1alpha1.MarshalYAML(in.Environment)
	if err != nil {
		return nil, fmt.Errorf("encoding %s: %w", environmentFile, err)
	}
	provenance, err := json.MarshalIndent(in.Metadata, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encoding %s: %w", metadataFile, err)
	}
	files := map[string][]byte{environmentFile: document, metadataFile: append(provenance, '\n')}
	for name, data := range manifests {
		files[path.Join(manifestsDir, name)] = data
	}
	if text := in.Rendered.Report.Markdown(); text != "" {
		files[translationFile] = []byte(text)
	}
	return files, nil
}

// seal replaces every plain Secret by a SealedSecret of its name.
func seal(in FolderInput) ([]*unstructured.Unstructured, error) {
	sealer, err := newSealer(in)
	if err != nil {
		return nil, err
	}
	unstable := unstableKeys(in.Rendered.Unstable)
	objs := make([]*unstructured.Unstructured, len(in.Rendered.Objects))
	for i, obj := range in.Rendered.Objects {
		if obj.GetKind() != "Secret" || obj.GroupVersionKind().Group != "" {
			objs[i] = obj
			continue
		}
		if sealer == nil {
			return nil, &manifest.Problem{Subject: "Secret/" + obj.GetName(),
				Message: "the environments repository has no sealing certificate, and a plain Secret is never committed",
				Remedy:  "save the certificate of the sealed-secrets controller as " + certificateFile + " (kubeseal --fetch-cert)"}
		}
		committed := committedSeal(in.Committed, obj.GetName())
		objs[i], err = sealer.Seal(obj, committed, unstable[obj.GetName()])
		if err != nil {
			return nil, err
		}
	}
	return objs, nil
}

// newSealer is nil when there is no certificate: then a render with Secrets is refused.
func newSealer(in FolderInput) (*secrets.Sealer, error) {
	if in.Certificate == nil {
		return nil, nil
	}
	certificate, err := secrets.ParseCertificate(in.Certificate)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", certificateFile, err)
	}
	return &secrets.Sealer{Certificate: certificate, MACKey: in.MACKey}, nil
}

// committedSeal finds the SealedSecret of that name among the committed manifests; nil when there is none. One that was
// broken by hand counts as none.
func committedSeal(committed map[string][]byte, name string) *unstructured.Unstructured {
	probe := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "bitnami.com/v1alpha1", "kind": "SealedSecret"}}
	probe.SetName(name)
	data, ok := committed[manifest.FileName(probe)]
	if !ok {
		return nil
	}
	objs, err := manifest.Decode(manifest.FileName(probe), data)
	if err != nil || len(objs) != 1 || objs[0].GetName() != name {
		return nil
	}
	return objs[0]
}

func unstableKeys(list []string) map[string]map[string]bool {
	keys := map[string]map[string]bool{}
	for _, entry := range list {
		name, key, _ := strings.Cut(entry, "/")
		if keys[name] == nil {
			keys[name] = map[string]bool{}
		}
		keys[name][key] = true
	}
	return keys
}

// encode writes each object to its file, the Namespace with the digest of all others.
func encode(objs []*unstructured.Unstructured) (map[string][]byte, error) {
	names, err := manifest.FileNames(objs)
	if err != nil {
		return nil, err
	}
	files, stable := map[string][]byte{}, map[string][]byte{}
	var namespace int
	for i, obj := range objs {
		if obj.GetKind() == "Namespace" {
			namespace = i
			continue
		}
		if files[names[i]], err = manifest.Encode(obj); err != nil {
			return nil, err
		}
		if stable[names[i]], err = withoutCiphertext(obj, files[names[i]]); err != nil {
			return nil, err
		}
	}
	marked := objs[namespace].DeepCopy()
	annotations := marked.GetAnnotations()
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[v1alpha1.AnnotationRenderDigest] = digest(stable)
	marked.SetAnnotations(annotations)
	files[names[namespace]], err = manifest.Encode(marked)
	return files, err
}

// withoutCiphertext is a SealedSecret without what is random in it: its MACs say whether a value is another.
func withoutCiphertext(obj *unstructured.Unstructured, encoded []byte) ([]byte, error) {
	if obj.GetKind() != "SealedSecret" {
		return encoded, nil
	}
	values, _, err := unstructured.NestedMap(obj.Object, "spec", "encryptedData")
	if err != nil {
		return nil, fmt.Errorf("reading SealedSecret %s: %w", obj.GetName(), err)
	}
	for key := range values {
		values[key] = ""
	}
	plain := obj.DeepCopy()
	if err := unstructured.SetNestedMap(plain.Object, values, "spec", "encryptedData"); err != nil {
		return nil, fmt.Errorf("reading SealedSecret %s: %w", obj.GetName(), err)
	}
	return manifest.Encode(plain)
}

// digest of files, by name and content.
func digest(files map[string][]byte) string {
	h := sha256.New()
	for _, name := range sortedNames(files) {
		sum := sha256.Sum256(files[name])
		fmt.Fprintf(h, "%s %x\n", name, sum)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// gate runs the policy over the bytes that will be committed.
func gate(in FolderInput, manifests map[string][]byte) error {
	key := in.Environment.Key()
	names := sortedNames(manifests)
	decoded := make([][]*unstructured.Unstructured, len(names))
	errs := make([]error, len(names))
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i, name := range names {
		group.Go(func() error {
			decoded[i], errs[i] = manifest.Decode(name, manifests[name])
			return nil
		})
	}
	if err := errors.Join(append(errs, group.Wait())...); err != nil {
		return err
	}
	namespace := key.Namespace()
	return policy.Check(policy.Scope{
		Platform:  in.Platform,
		Project:   key.Team + "/" + key.Project,
		Namespace: namespace,
		Host:      namespace + "." + in.Platform.Spec.Domain,
	}, slices.Concat(decoded...))
}

func sortedNames(files map[string][]byte) []string {
	names := make([]string, 0, len(files))
	for name := range files {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
