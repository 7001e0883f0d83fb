package helm

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"helm.sh/helm/v3/pkg/chart"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"catalyst.dev/catalyst/render/manifest"
)

// action is a template action; token a string, a comment or a word in one.
var (
	action = regexp.MustCompile(`(?s)\{\{.*?\}\}`)
	token  = regexp.MustCompile("(?s)\"(?:\\\\.|[^\"\\\\])*\"|`[^`]*`|/\\*.*?\\*/|[.$]?\\w+")
)

// shiftClock makes the templates' now another day. Two renders mostly fall into one second, so that without it a
// chart that writes the time would look stable, and change the repository on every later render.
func shiftClock(ch *chart.Chart) {
	for _, t := range ch.Templates {
		t.Data = action.ReplaceAllFunc(t.Data, func(a []byte) []byte {
			return token.ReplaceAllFunc(a, func(word []byte) []byte {
				if string(word) == "now" {
					return []byte(`(toDate "2006-01-02" "2001-02-03")`)
				}
				return word
			})
		})
	}
	for _, dependency := range ch.Dependencies() {
		shiftClock(dependency)
	}
}

// difference is a path in an object where two renders differ.
type difference struct {
	obj  *unstructured.Unstructured
	path []string
}

// compare finds what differs between two renders. Values in Secrets may; checksums of those are made stable in first.
func (r *renderer) compare(first, second []*unstructured.Unstructured) ([]string, error) {
	if len(first) != len(second) {
		return nil, r.random(&manifest.Problem{Message: fmt.Sprintf("two renders give %d and %d objects", len(first), len(second))})
	}
	var unstable []string
	var checksums []difference
	blanked := map[*unstructured.Unstructured][]string{}
	for i, obj := range first {
		if identity(obj) != identity(second[i]) {
			return nil, r.random(&manifest.Problem{Subject: subject(obj), Field: "metadata.name",
				Message: "the next render calls it " + subject(second[i])})
		}
		for _, path := range differences(nil, obj.Object, second[i].Object) {
			switch {
			case isSecretValue(obj, path):
				unstable = append(unstable, obj.GetName()+"/"+path[1])
				blanked[obj] = append(blanked[obj], path[1])
			case isChecksum(path):
				checksums = append(checksums, difference{obj, path})
			default:
				return nil, r.random(&manifest.Problem{Subject: subject(obj), Field: strings.Join(path, "."),
					Message: "two renders give different values"})
			}
		}
	}
	slices.Sort(unstable)
	unstable = slices.Compact(unstable)
	if len(checksums) > 0 && len(unstable) == 0 {
		d := checksums[0]
		return nil, r.random(&manifest.Problem{Subject: subject(d.obj), Field: strings.Join(d.path, "."),
			Message: "two renders give different values"})
	}
	return unstable, r.holdChecksums(checksums, first, blanked)
}

func (r *renderer) random(p *manifest.Problem) error {
	p.File = r.Path
	p.Remedy = "set the value explicitly; do not use now, rand* or gen* outside Secrets"
	return p
}

// holdChecksums replaces checksums that follow a random Secret by one of what is stable in those Secrets.
func (r *renderer) holdChecksums(checksums []difference, objs []*unstructured.Unstructured, blanked map[*unstructured.Unstructured][]string) error {
	if len(checksums) == 0 {
		return nil
	}
	hash := sha256.New()
	for _, obj := range objs {
		if len(blanked[obj]) == 0 {
			continue
		}
		stable := obj.DeepCopy()
		for _, key := range blanked[obj] {
			unstructured.RemoveNestedField(stable.Object, "data", key)
			unstructured.RemoveNestedField(stable.Object, "stringData", key)
		}
		data, err := json.Marshal(stable.Object)
		if err != nil {
			return fmt.Errorf("encoding %s: %w", subject(obj), err)
		}
		hash.Write(data)
	}
	sum := hex.EncodeToString(hash.Sum(nil))
	for _, d := range checksums {
		if err := unstructured.SetNestedField(d.obj.Object, sum, d.path...); err != nil {
			return fmt.Errorf("holding %s of %s: %w", strings.Join(d.path, "."), subject(d.obj), err)
		}
		r.add(d.obj, strings.Join(d.path, "."), manifest.Approximated,
			"The checksum follows a Secret with random values; it is held, as those are kept.")
	}
	return nil
}

// isSecretValue knows data.<key> and stringData.<key> of a Secret.
func isSecretValue(obj *unstructured.Unstructured, path []string) bool {
	return obj.GetKind() == "Secret" && obj.GetAPIVersion() == "v1" && len(path) == 2 &&
		(path[0] == "data" || path[0] == "stringData")
}

// isChecksum knows metadata.annotations."checksum/…" of objects and their pod templates.
func isChecksum(path []string) bool {
	n := len(path)
	return n >= 3 && path[n-3] == "metadata" && path[n-2] == "annotations" && strings.HasPrefix(path[n-1], "checksum/") &&
		!slices.ContainsFunc(path, func(s string) bool { return strings.HasPrefix(s, "[") })
}

// differences lists the paths, in order, where a and b differ. A map that lacks a key differs at that key.
func differences(at []string, a, b any) [][]string {
	if reflect.DeepEqual(a, b) {
		return nil
	}
	switch a := a.(type) {
	case map[string]any:
		other, ok := b.(map[string]any)
		if !ok {
			break
		}
		all := maps.Clone(a)
		maps.Copy(all, other)
		var out [][]string
		for _, key := range sortedKeys(all) {
			out = append(out, differences(append(slices.Clone(at), key), a[key], other[key])...)
		}
		return out
	case []any:
		other, ok := b.([]any)
		if !ok || len(a) != len(other) {
			break
		}
		var out [][]string
		for i := range a {
			out = append(out, differences(append(slices.Clone(at), fmt.Sprintf("[%d]", i)), a[i], other[i])...)
		}
		return out
	}
	return [][]string{at}
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
