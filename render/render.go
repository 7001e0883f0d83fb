// Package render provides the rendering of an Environment: its template and sources in, Kubernetes objects out.
//
// Rendering is a function: no clock, process environment, network or disk. The same input gives the same bytes.
// Input is untrusted, and the libraries behind some templates can be made to die; package worker runs Render in a
// child process that may.
package render

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"catalyst.dev/catalyst/api/v1alpha1"
	"catalyst.dev/catalyst/render/base"
	"catalyst.dev/catalyst/render/manifest"
	"catalyst.dev/catalyst/render/policy"
)

// Input is all that a render depends on. The documents are defaulted and valid.
type Input struct {
	Platform    *v1alpha1.Platform
	Project     *v1alpha1.Project
	Environment *v1alpha1.Environment
	// Sources holds each source's tree at its commit, by source name.
	Sources map[string]fs.FS
	// SecretNames are the names of the secrets that the environment may use; never a value.
	SecretNames []string
}

// Output is what a render made.
type Output struct {
	// Objects in their final order, complete with metadata. Secrets among them are plain: the caller seals them
	// and drops the plain ones.
	Objects []*unstructured.Unstructured
	// Unstable lists the Secret keys whose values differ from render to render (a chart's random function), as
	// "<secret name>/<key>". Their committed ciphertext is kept.
	Unstable []string
	// URL of the environment's main entrance; empty when it has none.
	URL string
	// Report of what was approximated or ignored, sorted.
	Report manifest.Report
}

// Render renders the environment. Bad input gives *manifest.Problem, several of them joined.
func Render(ctx context.Context, in Input) (*Output, error) {
	j, err := newJob(in)
	if err != nil {
		return nil, err
	}
	out := &Output{}
	if err := j.template(ctx, out); err != nil {
		return nil, err
	}
	if err := j.complete(out); err != nil {
		return nil, err
	}
	return out, nil
}

// complete turns a template's objects into an environment's: cleaned, joined by what every environment gets, with
// metadata, waves and order.
func (j *job) complete(out *Output) error {
	if err := j.checkNamespaces(out.Objects); err != nil {
		return err
	}
	for _, obj := range out.Objects {
		policy.Sanitize(obj, &out.Report)
	}
	common, err := base.Objects(base.Input{
		Platform: j.in.Platform, Project: j.in.Project, Namespace: j.namespace,
	})
	if err != nil {
		return err
	}
	out.Objects = append(common, out.Objects...)
	manifest.Metadata{Namespace: j.namespace, Labels: j.labels()}.Apply(out.Objects)
	if _, err := manifest.FileNames(out.Objects); err != nil {
		return err
	}
	manifest.SetWaves(out.Objects)
	manifest.Sort(out.Objects)
	if out.URL == "" {
		out.URL = ingressURL(out.Objects, j.in.Platform.Spec.Ingress.TLS)
	}
	slices.Sort(out.Unstable)
	out.Report.Sort()
	limits := j.in.Platform.Spec.Render
	return checkSize(out.Objects, limits)
}

// checkNamespaces refuses objects that a template puts elsewhere: rewriting them silently would hide that they miss
// what they were written for.
func (j *job) checkNamespaces(objs []*unstructured.Unstructured) error {
	var errs []error
	for _, obj := range objs {
		if ns := obj.GetNamespace(); ns != "" && ns != j.namespace {
			errs = append(errs, &manifest.Problem{
				Subject: obj.GetKind() + "/" + obj.GetName(), Field: "metadata.namespace",
				Message: fmt.Sprintf("%q is not the environment's namespace %s [namespace]", ns, j.namespace),
				Remedy:  "leave the namespace out",
			})
		}
	}
	return errors.Join(errs...)
}

// checkSize holds the limits on objects where no child process does. The encoded size is the committed one, nearly.
func checkSize(objs []*unstructured.Unstructured, limits v1alpha1.RenderLimits) error {
	if most := int(limits.Objects); most > 0 && len(objs) > most {
		return &manifest.Problem{
			Message: fmt.Sprintf("the template renders %d objects, more than %d", len(objs), most),
			Remedy:  "split the project, or raise spec.render.objects in catalyst.yaml",
		}
	}
	if limits.ObjectSize == nil {
		return nil
	}
	var errs []error
	most := limits.ObjectSize.Value()
	for _, obj := range objs {
		if int64(atMost(obj.Object)) <= most {
			continue
		}
		data, err := obj.MarshalJSON()
		if err != nil {
			return fmt.Errorf("encoding %s/%s: %w", obj.GetKind(), obj.GetName(), err)
		}
		if int64(len(data)) > most {
			errs = append(errs, &manifest.Problem{
				Subject: obj.GetKind() + "/" + obj.GetName(),
				Message: fmt.Sprintf("the object has %d bytes, more than %d", len(data), most),
				Remedy:  "make it smaller: the API server takes no more than about 1 MiB",
			})
		}
	}
	return errors.Join(errs...)
}

// atMost is more than a value can have as JSON, for less work than encoding it.
func atMost(v any) int {
	const escaped, punctuation = 6, 8 // bytes of a byte, and of what stands around a value
	n := 32
	switch v := v.(type) {
	case string:
		n = escaped * len(v)
	case []any:
		for _, child := range v {
			n += atMost(child)
		}
	case map[string]any:
		for key, child := range v {
			n += escaped*len(key) + atMost(child)
		}
	}
	return n + punctuation
}

// labels are those that every object of the environment carries.
func (j *job) labels() map[string]string {
	labels := map[string]string{
		v1alpha1.LabelTeam:             j.key.Team,
		v1alpha1.LabelProject:          j.key.Project,
		v1alpha1.LabelEnvironment:      j.key.Environment,
		"app.kubernetes.io/name":       j.key.Project,
		"app.kubernetes.io/instance":   j.namespace,
		"app.kubernetes.io/part-of":    j.key.Project,
		"app.kubernetes.io/managed-by": "catalyst",
	}
	if branch := j.variables["CATALYST_BRANCH"]; branch != "" {
		labels[v1alpha1.LabelBranch] = manifest.LabelValue(branch)
	}
	return labels
}

// ingressURL is the address of the first Ingress host, for templates that say nothing of their entrance.
func ingressURL(objs []*unstructured.Unstructured, tls bool) string {
	for _, obj := range objs {
		if obj.GetKind() != "Ingress" {
			continue
		}
		rules, _, err := unstructured.NestedSlice(obj.Object, "spec", "rules")
		if err != nil {
			continue // the policy gate refuses the object and says why
		}
		for _, r := range rules {
			rule, ok := r.(map[string]any)
			if host, isText := rule["host"].(string); ok && isText && host != "" {
				return baseURL(host, tls)
			}
		}
	}
	return ""
}

// baseURL of a host.
func baseURL(host string, tls bool) string {
	if tls {
		return "https://" + host
	}
	return "http://" + host
}

// sortedKeys of a map, for everything that must not depend on its order.
func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// joinNames lists names for an error.
func joinNames(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}
