package policy_test

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"catalyst.dev/catalyst/render/manifest"
	"catalyst.dev/catalyst/render/policy"
)

// TestPodSecurityFixtures runs upstream's baseline fixtures of every version: all failures are refused, at least 97 % of
// the passes are accepted.
func TestPodSecurityFixtures(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "k8s.io/pod-security-admission").Output()
	if err != nil {
		t.Fatal(err)
	}
	root := filepath.Join(strings.TrimSpace(string(out)), "test", "testdata", "baseline")
	for verdict, least := range map[string]float64{"pass": 0.97, "fail": 0} {
		total, accepted := 0, 0
		err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || filepath.Base(filepath.Dir(path)) != verdict {
				return err
			}
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			objs, err := manifest.Decode(path, data)
			if err != nil {
				return err
			}
			manifest.Metadata{Namespace: "n"}.Apply(objs)
			total++
			if err := policy.Check(policy.Scope{Namespace: "n", Host: "n.example.com"}, objs); err == nil {
				accepted++
				if verdict == "fail" {
					t.Logf("accepted: %s", strings.TrimPrefix(path, root))
				}
			} else if verdict == "pass" {
				t.Logf("refused: %s: %v", strings.TrimPrefix(path, root), err)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %d of %d accepted", verdict, accepted, total)
		if total == 0 || verdict == "fail" && accepted > 0 || float64(accepted) < least*float64(total) {
			t.Errorf("%s fixtures: accepted %d of %d", verdict, accepted, total)
		}
	}
}
