package kustomize

import (
	"fmt"
	"strings"

	"sigs.k8s.io/kustomize/api/types"

	"catalyst.dev/catalyst/render/manifest"
)

// form says what a reference may be.
type form int

const (
	file         form = iota // YAML
	data                     // of any content
	folder                   // a kustomization
	fileOrFolder             // YAML or a kustomization
	plugin                   // YAML of built-in generators or transformers, or such YAML itself
	patch                    // YAML, or the patch itself
)

// reference is a path that stands in a kustomization.
type reference struct {
	field string
	value string
	form  form
}

// references lists all paths of a kustomization.
func references(k *types.Kustomization) []reference {
	var refs []reference
	add := func(form form, field string, values ...string) {
		for i, value := range values {
			refs = append(refs, reference{fmt.Sprintf("%s[%d]", field, i), value, form})
		}
	}
	one := func(form form, field, value string) {
		if value != "" {
			refs = append(refs, reference{field, value, form})
		}
	}
	add(fileOrFolder, "resources", k.Resources...)
	add(fileOrFolder, "bases", k.Bases...)
	add(folder, "components", k.Components...)
	add(file, "crds", k.Crds...)
	add(file, "configurations", k.Configurations...)
	add(plugin, "generators", k.Generators...)
	add(plugin, "transformers", k.Transformers...)
	add(plugin, "validators", k.Validators...)
	one(file, "openapi.path", k.OpenAPI["path"])
	for i, p := range k.PatchesStrategicMerge {
		one(patch, fmt.Sprintf("patchesStrategicMerge[%d]", i), string(p))
	}
	for i, p := range k.Patches {
		one(file, fmt.Sprintf("patches[%d].path", i), p.Path)
	}
	for i, p := range k.PatchesJson6902 {
		one(file, fmt.Sprintf("patchesJson6902[%d].path", i), p.Path)
	}
	for i, r := range k.Replacements {
		one(file, fmt.Sprintf("replacements[%d].path", i), r.Path)
	}
	for i, g := range k.ConfigMapGenerator {
		refs = append(refs, pairReferences(fmt.Sprintf("configMapGenerator[%d]", i), g.KvPairSources)...)
	}
	for i, g := range k.SecretGenerator {
		refs = append(refs, pairReferences(fmt.Sprintf("secretGenerator[%d]", i), g.KvPairSources)...)
	}
	return refs
}

func pairReferences(field string, sources types.KvPairSources) []reference {
	var refs []reference
	for i, value := range sources.FileSources {
		refs = append(refs, reference{fmt.Sprintf("%s.files[%d]", field, i), filePart(value), data})
	}
	for i, value := range sources.EnvSources {
		refs = append(refs, reference{fmt.Sprintf("%s.envs[%d]", field, i), value, data})
	}
	if sources.EnvSource != "" {
		refs = append(refs, reference{field + ".env", sources.EnvSource, data})
	}
	return refs
}

// filePart is the path of "key=path".
func filePart(value string) string {
	if _, path, ok := strings.Cut(value, "="); ok {
		return path
	}
	return value
}

// refused finds what runs programs or fetches charts.
func refused(name string, k *types.Kustomization) error {
	bad := func(field string) error {
		return &manifest.Problem{File: name, Field: field, Message: "charts are not inflated by kustomize here",
			Remedy: "use a template of type helm, or commit the rendered chart"}
	}
	switch {
	case len(k.HelmCharts) > 0:
		return bad("helmCharts")
	case len(k.HelmChartInflationGenerator) > 0:
		return bad("helmChartInflationGenerator")
	case k.HelmGlobals != nil:
		return bad("helmGlobals")
	}
	return nil
}

// checkPath checks a path and returns it relative to the source's root. Beyond manifest.CleanPath it refuses whatever
// kustomize may take for a repository; strict, for all that may be a folder, also "user@host/…".
func checkPath(field, dir, value string, strict bool) (string, error) {
	lower := strings.ToLower(strings.TrimSpace(value))
	if strings.ContainsAny(value, ":?") || strings.Contains(value, "//") || strict && strings.Contains(value, "@") ||
		strings.HasPrefix(lower, "github.com") || strings.HasPrefix(lower, "www.github.com") {
		return "", &manifest.Problem{Field: field, Message: fmt.Sprintf("path %q is remote, or reads like it", value),
			Remedy: "commit the files to the repository and name them by a relative path"}
	}
	return manifest.CleanPath(field, dir, value)
}
