package kustomize_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/kustomize/api/types"
)

// TestFields fails when the library gains a field: see whether it carries a path, add it to references, then here.
func TestFields(t *testing.T) {
	for _, c := range []struct {
		typ  reflect.Type
		want string
	}{
		{reflect.TypeFor[types.Kustomization](), "TypeMeta MetaData OpenAPI NamePrefix NameSuffix Namespace CommonLabels Labels CommonAnnotations " +
			"PatchesStrategicMerge PatchesJson6902 Patches Images ImageTags Replacements Replicas Vars SortOptions Resources Components Crds Bases " +
			"ConfigMapGenerator SecretGenerator HelmGlobals HelmCharts HelmChartInflationGenerator GeneratorOptions Configurations Generators " +
			"Transformers Validators BuildMetadata"},
		{reflect.TypeFor[types.KvPairSources](), "LiteralSources FileSources EnvSources EnvSource"},
		{reflect.TypeFor[types.GeneratorArgs](), "Namespace Name Behavior KvPairSources Options"},
		{reflect.TypeFor[types.ConfigMapArgs](), "GeneratorArgs"},
		{reflect.TypeFor[types.SecretArgs](), "GeneratorArgs Type"},
		{reflect.TypeFor[types.Patch](), "Path Patch Target Options"},
		{reflect.TypeFor[types.ReplacementField](), "Replacement Path"},
	} {
		var got []string
		for i := range c.typ.NumField() {
			got = append(got, c.typ.Field(i).Name)
		}
		if diff := cmp.Diff(strings.Fields(c.want), got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.typ, diff)
		}
	}
}
