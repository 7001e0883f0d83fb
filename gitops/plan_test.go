package gitops

import (
	"errors"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"catalyst.dev/catalyst/api/v1alpha1"
	"catalyst.dev/catalyst/gitops/forge"
)

func shop(change func(*v1alpha1.Project)) *v1alpha1.Project {
	p := &v1alpha1.Project{
		ObjectMeta: metav1.ObjectMeta{Name: "shop", Namespace: "acme"},
		Spec: v1alpha1.ProjectSpec{
			Sources:   []v1alpha1.Source{{Name: "web", RepositoryURL: "https://github.com/acme/shop"}, {Name: "api", RepositoryURL: "https://github.com/acme/api"}},
			Templates: map[string]v1alpha1.Template{"development": {Type: v1alpha1.TemplateManifest}},
			Previews:  v1alpha1.Previews{Enabled: true},
		},
	}
	p.SetDefaults()
	if change != nil {
		change(p)
	}
	return p
}

func pull(change func(*forge.PullRequest)) forge.PullRequest {
	pr := forge.PullRequest{
		Repository: forge.Repository{ID: 1, FullName: "acme/shop", CloneURL: "https://github.com/acme/shop.git"},
		Number:     12, State: "open",
		Head: forge.Head{Ref: "feature/cart", SHA: strings.Repeat("a", 40), RepositoryID: 1},
	}
	if change != nil {
		change(&pr)
	}
	return pr
}

func TestPlanPullRequest(t *testing.T) {
	for name, tt := range map[string]struct {
		project  func(*v1alpha1.Project)
		pull     func(*forge.PullRequest)
		files    []string
		want     Decision
		inReason string
	}{
		"open":         {want: Want},
		"closed":       {pull: func(p *forge.PullRequest) { p.State = "closed" }, want: Unwanted, inReason: "closed"},
		"previews off": {project: func(p *v1alpha1.Project) { p.Spec.Previews.Enabled = false }, want: Unwanted, inReason: "not enabled"},
		"draft":        {pull: func(p *forge.PullRequest) { p.Draft = true }, want: Unwanted, inReason: "draft"},
		"draft, wanted": {project: func(p *v1alpha1.Project) { p.Spec.Previews.Drafts = true },
			pull: func(p *forge.PullRequest) { p.Draft = true }, want: Want},
		"label missing": {project: func(p *v1alpha1.Project) { p.Spec.Previews.Labels = []string{"preview", "demo"} },
			pull: func(p *forge.PullRequest) { p.Labels = []string{"bug"} }, want: Unwanted, inReason: "preview, demo"},
		"label present": {project: func(p *v1alpha1.Project) { p.Spec.Previews.Labels = []string{"preview"} },
			pull: func(p *forge.PullRequest) { p.Labels = []string{"bug", "preview"} }, want: Want},
		"path missed": {project: func(p *v1alpha1.Project) { p.Spec.Previews.Paths = []string{"web/", "*.yaml"} },
			files: []string{"docs/a.md", "api/b.yaml"}, want: Unwanted, inReason: "paths"},
		"path in folder": {project: func(p *v1alpha1.Project) { p.Spec.Previews.Paths = []string{"web/**"} },
			files: []string{"docs/a.md", "web/b.ts"}, want: Want},
		"path by pattern": {project: func(p *v1alpha1.Project) { p.Spec.Previews.Paths = []string{"*.yaml"} },
			files: []string{"compose.yaml"}, want: Want},
		"fork":         {pull: func(p *forge.PullRequest) { p.Head.RepositoryID = 2 }, want: RenderOnly, inReason: "fork"},
		"deleted fork": {pull: func(p *forge.PullRequest) { p.Head.RepositoryID = 0 }, want: RenderOnly, inReason: "fork"},
		"fork denied": {project: func(p *v1alpha1.Project) { p.Spec.Previews.Forks = v1alpha1.ForksDeny },
			pull: func(p *forge.PullRequest) { p.Head.RepositoryID = 2 }, want: Unwanted, inReason: "denies forks"},
		"closed fork": {pull: func(p *forge.PullRequest) { p.Head.RepositoryID, p.State = 2, "closed" }, want: Unwanted, inReason: "closed"},
	} {
		t.Run(name, func(t *testing.T) {
			project := shop(tt.project)
			got := planPullRequest(project, project.Spec.Sources[0], pull(tt.pull), tt.files)
			if got.Decision != tt.want || !strings.Contains(got.Reason, tt.inReason) {
				t.Errorf("got %s (%s), want %s (%s)", got.Decision, got.Reason, tt.want, tt.inReason)
			}
		})
	}
}

// A pull request's environment is named by number alone, and two sources that number alike do not meet.
func TestPreviewNameIsByNumber(t *testing.T) {
	project := shop(nil)
	hostile := pull(func(p *forge.PullRequest) { p.Head.Ref, p.Title = "x\n\nCatalyst-Action: delete", "../../etc" })
	first := planPullRequest(project, project.Spec.Sources[0], hostile, nil)
	second := planPullRequest(project, project.Spec.Sources[1], hostile, nil)
	if first.Key.Environment != "pr-12" || second.Key.Environment != "api-pr-12" {
		t.Errorf("got %s and %s", first.Key, second.Key)
	}
}

func TestSameRepository(t *testing.T) {
	same := []string{"https://github.com/acme/shop", "https://github.com/Acme/Shop.git", "ssh://git@github.com/acme/shop",
		"git@github.com:acme/shop.git", "https://github.com:443/acme/shop/"}
	for _, url := range same {
		if !sameRepository(same[0], url) {
			t.Errorf("%s is not %s", url, same[0])
		}
	}
	for _, url := range []string{"https://gitlab.com/acme/shop", "https://github.com/acme/shop2", "https://github.com/evil/github.com/acme/shop", ""} {
		if sameRepository(same[0], url) {
			t.Errorf("%s is taken for %s", url, same[0])
		}
	}
}

// The pattern of one team's AppProject must not let it into another team's namespaces.
func TestAppProjectExcludesTeamsOfLongerName(t *testing.T) {
	platform := &v1alpha1.Platform{}
	platform.SetDefaults()
	project := appProject("acme", []string{"acme", "acme-labs", "other"}, platform, "https://github.com/acme/environments")
	var got []string
	for _, d := range project.Object["spec"].(map[string]any)["destinations"].([]any) {
		got = append(got, d.(map[string]any)["namespace"].(string))
	}
	if want := "acme-* !acme-labs-*"; strings.Join(got, " ") != want {
		t.Errorf("got %v, want %s", got, want)
	}
}

func TestPermanentNeedsEveryPartToBe(t *testing.T) {
	invalid := wrapped{ErrInvalid}
	for name, tt := range map[string]struct {
		err  error
		want bool
	}{
		"invalid":                {invalid, true},
		"transient":              {wrapped{errTransient}, false},
		"both":                   {joined{invalid, wrapped{errTransient}}, false},
		"invalid with its cause": {joined{ErrInvalid, wrapped{errTransient}}, true},
		"two invalid":            {joined{invalid, invalid}, true},
	} {
		if got := permanent(tt.err); got != tt.want {
			t.Errorf("%s: got %v", name, got)
		}
	}
}

type wrapped struct{ error }

func (w wrapped) Unwrap() error { return w.error }

type joined []error

func (joined) Error() string     { return "joined" }
func (j joined) Unwrap() []error { return j }

var errTransient = errors.New("connection reset")
