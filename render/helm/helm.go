// Package helm provides the rendering of Helm charts that lie in a source tree, by Helm's own engine.
//
// Nothing but the tree is read: no cluster, network, disk or process environment. A chart that calls itself through
// tpl overflows the stack, which ends the process: run it in one that may die.
package helm

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	"helm.sh/helm/v3/pkg/releaseutil"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"catalyst.dev/catalyst/render/manifest"
)

// Input is all that a render of a chart depends on.
type Input struct {
	// Source is the tree, and Path the chart's folder in it.
	Source fs.FS
	Path   string
	// Values go above those of ValuesFiles, which go above the chart's own. The files are relative to the source's root.
	Values      map[string]any
	ValuesFiles []string
	ReleaseName string
	Namespace   string
	// KubeVersion and APIVersions of the cluster. An empty KubeVersion is Helm's default; the APIVersions are added to
	// those that Kubernetes itself serves.
	KubeVersion string
	APIVersions []string
	// Report takes what was ignored or approximated.
	Report *manifest.Report
}

// Result of a render. Objects keep the namespace that the chart gave them, mostly none. Unstable lists the Secret keys
// whose values differ from render to render, as "<secret name>/<key>".
type Result struct {
	Objects  []*unstructured.Unstructured
	Unstable []string
}

// Render renders a chart twice and compares, so that what a chart makes up anew each time is known. Bad input gives
// *manifest.Problem.
func Render(ctx context.Context, in Input) (Result, error) {
	r := renderer{Input: in, report: in.Report, decoded: map[string][]*unstructured.Unstructured{}}
	if r.report == nil {
		r.report = &manifest.Report{}
	}
	if err := r.prepare(); err != nil {
		return Result{}, err
	}
	first, err := r.render(ctx, false)
	if err != nil {
		return Result{}, err
	}
	second, err := r.render(ctx, true)
	if err != nil {
		return Result{}, err
	}
	objs, err := r.decode(first)
	if err != nil {
		return Result{}, err
	}
	unstable, err := r.unstable(objs, first, second)
	if err != nil {
		return Result{}, err
	}
	if objs, err = r.mapHooks(objs); err != nil {
		return Result{}, err
	}
	return Result{Objects: objs, Unstable: unstable}, nil
}

// unstable compares two renders: by their text first, as most charts are stable and reading it costs more than writing it.
func (r *renderer) unstable(objs []*unstructured.Unstructured, first, second rendered) ([]string, error) {
	if maps.Equal(first.files, second.files) {
		return nil, nil
	}
	again, err := r.decode(second)
	if err != nil {
		return nil, err
	}
	return r.compare(objs, again)
}

// rendered is what the engine made: text by file, and the chart's CRDs.
type rendered struct {
	files map[string]string
	crds  []chart.CRD
}

type renderer struct {
	Input
	report       *manifest.Report
	files        []*loader.BufferedFile
	values       map[string]any
	capabilities *chartutil.Capabilities
	// decoded holds the objects of rendered files, by name and text.
	decoded map[string][]*unstructured.Unstructured
}

// prepare reads and checks everything that both renders use.
func (r *renderer) prepare() error {
	var err error
	if r.Path, err = manifest.CleanPath("path", ".", r.Path); err != nil {
		return err
	}
	if r.files, err = readChart(r.Source, r.Path); err != nil {
		return err
	}
	if r.values, err = readValues(r.Source, r.ValuesFiles, r.Values); err != nil {
		return err
	}
	r.capabilities = chartutil.DefaultCapabilities.Copy()
	if r.KubeVersion != "" {
		version, err := chartutil.ParseKubeVersion(r.KubeVersion)
		if err != nil {
			return &manifest.Problem{File: "catalyst.yaml", Field: "spec.cluster.kubeVersion",
				Message: fmt.Sprintf("%q is no version", r.KubeVersion), Remedy: `write it as "v1.34.0"`}
		}
		r.capabilities.KubeVersion = *version
	}
	r.capabilities.APIVersions = append(r.capabilities.APIVersions, r.APIVersions...)
	return nil
}

// load makes a chart of the files anew: rendering changes the chart that it is given.
func (r *renderer) load() (*chart.Chart, error) {
	ch, err := loader.LoadFiles(r.files)
	if err != nil {
		return nil, r.problem(err, "correct the chart")
	}
	if ch.Metadata.Type == "library" {
		return nil, &manifest.Problem{File: r.file("Chart.yaml"), Field: "type", Message: "a library chart renders nothing",
			Remedy: "name an application chart as the template's path"}
	}
	if want := ch.Metadata.KubeVersion; want != "" && !chartutil.IsCompatibleRange(want, r.capabilities.KubeVersion.String()) {
		return nil, &manifest.Problem{File: r.file("Chart.yaml"), Field: "kubeVersion",
			Message: fmt.Sprintf("the chart wants Kubernetes %s and the platform has %s", want, r.capabilities.KubeVersion.String()),
			Remedy:  "use a version of the chart for this Kubernetes, or correct spec.cluster.kubeVersion in catalyst.yaml"}
	}
	if err := r.checkDependencies(ch); err != nil {
		return nil, err
	}
	return ch, r.checkSchemas(ch, "")
}

// checkDependencies finds dependencies that are named but not vendored.
func (r *renderer) checkDependencies(ch *chart.Chart) error {
	for i, want := range ch.Metadata.Dependencies {
		if want == nil || slices.ContainsFunc(ch.Dependencies(), func(c *chart.Chart) bool { return c.Name() == want.Name }) {
			continue
		}
		return &manifest.Problem{File: r.file("Chart.yaml"), Field: fmt.Sprintf("dependencies[%d]", i),
			Message: fmt.Sprintf("chart %q is not in charts/, and nothing is downloaded while rendering", want.Name),
			Remedy:  "run helm dependency build and commit charts/"}
	}
	return nil
}

// render runs Helm's engine once. With shiftedClock the templates see another time of day.
func (r *renderer) render(ctx context.Context, shiftedClock bool) (rendered, error) {
	if err := ctx.Err(); err != nil {
		return rendered{}, fmt.Errorf("rendering chart %s: %w", r.Path, err)
	}
	ch, err := r.load()
	if err != nil {
		return rendered{}, err
	}
	values := copyMap(r.values)
	if err := chartutil.ProcessDependencies(ch, values); err != nil {
		return rendered{}, r.problem(err, "correct the dependencies in Chart.yaml")
	}
	if shiftedClock {
		shiftClock(ch)
	}
	release := chartutil.ReleaseOptions{Name: r.ReleaseName, Namespace: r.Namespace, Revision: 1, IsInstall: true}
	top, err := chartutil.ToRenderValues(ch, values, release, r.capabilities)
	if err != nil {
		return rendered{}, r.problem(err, "correct the values, or the chart's values.schema.json")
	}
	var e engine.Engine // its zero value has no cluster and no DNS
	files, err := e.Render(ch, top)
	if err != nil {
		return rendered{}, r.problem(err, "correct the template, or set the value that it misses")
	}
	return rendered{files: files, crds: ch.CRDObjects()}, nil
}

// decode reads rendered files in the order of their names, CRDs first.
func (r *renderer) decode(text rendered) ([]*unstructured.Unstructured, error) {
	var objs []*unstructured.Unstructured
	slices.SortFunc(text.crds, func(a, b chart.CRD) int { return strings.Compare(a.Filename, b.Filename) })
	for _, crd := range text.crds {
		got, err := manifest.Decode(r.templateFile(crd.Filename), crd.File.Data)
		if err != nil {
			return nil, err
		}
		objs = append(objs, got...)
	}
	for _, name := range slices.Sorted(maps.Keys(text.files)) {
		if strings.HasSuffix(name, "NOTES.txt") || strings.HasPrefix(path.Base(name), "_") {
			continue
		}
		got, err := r.decodeFile(name, text.files[name])
		if err != nil {
			return nil, err
		}
		objs = append(objs, got...)
	}
	return objs, r.checkDuplicates(objs)
}

// decodeFile reads one rendered file; the same text of both renders once.
func (r *renderer) decodeFile(name, text string) ([]*unstructured.Unstructured, error) {
	if objs, known := r.decoded[name+"\x00"+text]; known {
		return objs, nil
	}
	parts := releaseutil.SplitManifests(text) // Helm's own idea of where a document ends
	keys := releaseutil.BySplitManifestsOrder(slices.Collect(maps.Keys(parts)))
	slices.SortFunc(keys, func(a, b string) int {
		return manifestNumber(a) - manifestNumber(b)
	})
	var objs []*unstructured.Unstructured
	for _, key := range keys {
		got, err := manifest.Decode(r.templateFile(name), []byte(parts[key]))
		if err != nil {
			return nil, err
		}
		objs = append(objs, got...)
	}
	r.decoded[name+"\x00"+text] = objs
	return objs, nil
}

// manifestNumber reads the number of a key of releaseutil.SplitManifests.
func manifestNumber(key string) int {
	n := 0
	for _, c := range strings.TrimPrefix(key, "manifest-") {
		n = n*10 + int(c-'0')
	}
	return n
}

func (r *renderer) checkDuplicates(objs []*unstructured.Unstructured) error {
	seen := map[string]bool{}
	for _, obj := range objs {
		id := identity(obj)
		if seen[id] {
			return &manifest.Problem{File: r.Path, Subject: subject(obj), Message: "the chart renders this object twice",
				Remedy: "rename or remove one of the two"}
		}
		seen[id] = true
	}
	return nil
}

// identity of an object in a cluster: versions of one API group hold the same objects.
func identity(obj *unstructured.Unstructured) string {
	gk := obj.GroupVersionKind().GroupKind()
	return gk.String() + "|" + obj.GetNamespace() + "|" + obj.GetName()
}

func subject(obj *unstructured.Unstructured) string { return obj.GetKind() + "/" + obj.GetName() }

// file is the path, from the source's root, of a file of the chart.
func (r *renderer) file(name string) string { return path.Join(r.Path, name) }

// templateFile turns Helm's name of a file, which begins with the chart's name, into its path in the source.
func (r *renderer) templateFile(name string) string {
	_, rest, ok := strings.Cut(name, "/")
	if !ok {
		return r.file(name)
	}
	return r.file(rest)
}
