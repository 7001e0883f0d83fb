package v1alpha1_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"catalyst.dev/catalyst/api/v1alpha1"
)

const header = "apiVersion: catalyst.catalyst.dev/v1alpha1\n"

const goodProject = header + `kind: Project
metadata: {name: shop, namespace: acme}
spec:
  githubInstallationId: 123
  sources: [{name: web, repositoryUrl: https://github.com/acme/shop}]
  templates:
    development: {type: docker-compose, sourceRef: web, path: compose.yaml, values: {big: 9007199254740993}}
  previews: {enabled: true, ttl: 168h}
`

func TestDecodeRefuses(t *testing.T) {
	environment := header + "kind: Environment\nmetadata: {name: pr-1, namespace: acme-shop}\nspec:\n  projectRef: {name: shop}\n"
	team := header + "kind: Team\nmetadata: {name: acme}\n"
	tests := map[string]struct {
		doc  string
		into v1alpha1.Object
		want string
	}{
		"empty":        {"", &v1alpha1.Team{}, "f.yaml: the document is empty"},
		"two":          {team + "---\n" + team, &v1alpha1.Team{}, "f.yaml: there is more than one document in the file"},
		"other kind":   {team, &v1alpha1.Project{}, `f.yaml: kind: is "Team", want "Project"`},
		"no kind":      {header, &v1alpha1.Team{}, `f.yaml: kind: is missing (write "Team")`},
		"twice":        {team + "kind: Team\n", &v1alpha1.Team{}, "f.yaml: kind: line 4: the key stands twice"},
		"unknown":      {team + "spec: {member: []}\n", &v1alpha1.Team{}, `f.yaml: spec.member: unknown field (did you mean "members"?)`},
		"case":         {team + "spec: {Members: []}\n", &v1alpha1.Team{}, `f.yaml: spec.Members: unknown field (did you mean "members"?)`},
		"type":         {team + "spec: {members: {}}\n", &v1alpha1.Team{}, "f.yaml: spec.members: is a mapping, want a list"},
		"role":         {team + "spec: {members: [{user: 'github:octocat', role: ownr}]}\n", &v1alpha1.Team{}, `f.yaml: spec.members[0].role: "ownr" is not allowed (did you mean "owner"?)`},
		"deep":         {strings.Repeat("[", 200) + strings.Repeat("]", 200), &v1alpha1.Team{}, "f.yaml: the document is nested more than 100 deep"},
		"commit":       {environment + "  sources: [{name: web, commitSha: abc}]\n", &v1alpha1.Environment{}, `f.yaml: spec.sources[0].commitSha: "abc" is no commit (write all 40 lower-case hex digits)`},
		"branch":       {environment + "  sources: [{name: web, branch: \"a\\nb\"}]\n", &v1alpha1.Environment{}, `f.yaml: spec.sources[0].branch: "a\nb" is no branch name in Git`},
		"several":      {environment + "  type: A\n  config: {image: 'A b', ports: [{containerPort: 0}]}\n", &v1alpha1.Environment{}, "f.yaml: spec.type: \"A\" is no DNS label: lower-case letters, digits and inner hyphens\nf.yaml: spec.config.image: \"A b\" is no image reference\nf.yaml: spec.config.ports[0].containerPort: 0 is no port; ports go from 1 to 65535"},
		"ext":          {strings.Replace(goodProject, "https://github.com/acme/shop", "'ext::sh -c x'", 1), &v1alpha1.Project{}, "f.yaml: spec.sources[0].repositoryUrl: holds a space or a control character"},
		"ext no space": {strings.Replace(goodProject, "https://github.com/acme/shop", "'ext::x'", 1), &v1alpha1.Project{}, `f.yaml: spec.sources[0].repositoryUrl: names a remote helper ("::"), which would run a program`},
		"path":         {strings.Replace(goodProject, "compose.yaml", "../x", 1), &v1alpha1.Project{}, `f.yaml: spec.templates[development].path: path "../x" holds ".."`},
		"credentials":  {strings.Replace(goodProject, "https://", "https://u:p@", 1), &v1alpha1.Project{}, "f.yaml: spec.sources[0].repositoryUrl: holds credentials; give them to the server, not to a document in Git"},
		"source":       {strings.Replace(goodProject, "sourceRef: web", "sourceRef: api", 1), &v1alpha1.Project{}, `f.yaml: spec.templates[development].sourceRef: "api" is no source (spec.sources has web)`},
		"images":       {header + "kind: Platform\nspec: {domain: example.com, storage: {seedImage: A b, gitImage: '-x'}}\n", &v1alpha1.Platform{}, "f.yaml: spec.storage.seedImage: \"A b\" is no image reference\nf.yaml: spec.storage.gitImage: \"-x\" is no image reference"},
		"bomb":         {bomb(), &v1alpha1.Team{}, "f.yaml: the document has more than 100000 nodes with its aliases expanded (write fewer aliases)"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			err := v1alpha1.Decode("f.yaml", []byte(tt.doc), tt.into)
			if err == nil {
				t.Fatal("no error")
			}
			if diff := cmp.Diff(tt.want, err.Error()); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// bomb is a document whose aliases expand to 10^9 nodes.
func bomb() string {
	s := "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n"
	for i := range 8 {
		p, n := string(rune('0'+i)), string(rune('1'+i))
		s += "a" + n + ": &a" + n + " [" + strings.TrimSuffix(strings.Repeat("*a"+p+",", 10), ",") + "]\n"
	}
	return s
}

func TestRoundTrip(t *testing.T) {
	var first, second v1alpha1.Project
	if err := v1alpha1.Decode("f", []byte(goodProject), &first); err != nil {
		t.Fatal(err)
	}
	data, err := v1alpha1.MarshalYAML(&first)
	if err != nil {
		t.Fatal(err)
	}
	want := header + `kind: Project
metadata:
  name: shop
  namespace: acme
spec:
  githubInstallationId: "123"
  previews:
    enabled: true
    forks: approve
    max: 20
    template: development
    ttl: 168h0m0s
  sources:
  - branch: main
    name: web
    repositoryUrl: https://github.com/acme/shop
  templates:
    development:
      path: compose.yaml
      sourceRef: web
      type: docker-compose
      values:
        big: 9007199254740993
`
	if diff := cmp.Diff(want, string(data)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if err := v1alpha1.Decode("f", data, &second); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(first, second); diff != "" {
		t.Errorf("(-first +second)\n%s", diff)
	}
}

func TestPlatformDefaultsAreValid(t *testing.T) {
	var p v1alpha1.Platform
	if err := v1alpha1.Decode("f", []byte(header+"kind: Platform\nspec: {domain: example.com}\n"), &p); err != nil {
		t.Error(err)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(goodProject))
	f.Add([]byte("a: &a [*a]"))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, into := range []v1alpha1.Object{&v1alpha1.Platform{}, &v1alpha1.Team{}, &v1alpha1.Project{}, &v1alpha1.Environment{}} {
			if v1alpha1.Decode("f", data, into) != nil {
				continue
			}
			out, err := v1alpha1.MarshalYAML(into)
			if err != nil {
				t.Fatal(err)
			}
			if err := v1alpha1.Decode("f", out, into.DeepCopyObject().(v1alpha1.Object)); err != nil {
				t.Errorf("decoding what was encoded: %v\n%s", err, out)
			}
		}
	})
}
