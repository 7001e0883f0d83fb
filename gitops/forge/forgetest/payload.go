package forgetest

import (
	"context"
	"strings"
	"time"
)

// The payloads are GitHub's, cut to what Catalyst may read. Their names and JSON types are GitHub's.

type userPayload struct {
	Login string `json:"login"`
	ID    int64  `json:"id"`
}

type repositoryPayload struct {
	ID            int64  `json:"id"`
	Name          string `json:"name"`
	FullName      string `json:"full_name"`
	CloneURL      string `json:"clone_url"`
	Fork          bool   `json:"fork"`
	DefaultBranch string `json:"default_branch"`
}

type labelPayload struct {
	Name string `json:"name"`
}

type sidePayload struct {
	Ref  string             `json:"ref"`
	SHA  string             `json:"sha"`
	Repo *repositoryPayload `json:"repo"` // null for a deleted fork
}

type pullPayload struct {
	Number    int            `json:"number"`
	State     string         `json:"state"`
	Merged    bool           `json:"merged"`
	Draft     bool           `json:"draft"`
	Title     string         `json:"title"`
	Body      string         `json:"body"`
	Labels    []labelPayload `json:"labels"`
	User      userPayload    `json:"user"`
	UpdatedAt time.Time      `json:"updated_at"`
	Head      sidePayload    `json:"head"`
	Base      sidePayload    `json:"base"`
}

type pullRequestPayload struct {
	Action      string            `json:"action"`
	Number      int               `json:"number"`
	Before      string            `json:"before,omitempty"`
	After       string            `json:"after,omitempty"`
	Label       *labelPayload     `json:"label,omitempty"`
	PullRequest pullPayload       `json:"pull_request"`
	Repository  repositoryPayload `json:"repository"`
	Sender      userPayload       `json:"sender"`
}

type pusherPayload struct {
	Name  string `json:"name"`
	Email string `json:"email"`
}

type pushPayload struct {
	Ref        string            `json:"ref"`
	Before     string            `json:"before"`
	After      string            `json:"after"`
	Created    bool              `json:"created"`
	Deleted    bool              `json:"deleted"`
	Forced     bool              `json:"forced"`
	Repository repositoryPayload `json:"repository"`
	Pusher     pusherPayload     `json:"pusher"`
	Sender     userPayload       `json:"sender"`
}

// pullEvent is what happened to a pull request.
type pullEvent struct {
	action        string
	pull          *pull
	before, after string // for synchronize
	label         string // for labeled and unlabeled
}

// octocat does everything here; the ID is the real account's.
func octocat() userPayload { return userPayload{Login: "octocat", ID: 583231} }

func pusher() pusherPayload {
	return pusherPayload{Name: "octocat", Email: "octocat@users.noreply.github.com"}
}

func (s *Server) repositoryPayload(fullName string, id int64, fork bool) repositoryPayload {
	_, name, _ := strings.Cut(fullName, "/")
	return repositoryPayload{ID: id, Name: name, FullName: fullName, CloneURL: s.CloneURL(fullName), Fork: fork, DefaultBranch: mainBranch}
}

// pullPayload shows a pull request as it is now. Its fork has a name and an ID, and no repository on disk.
func (s *Server) pullPayload(ctx context.Context, fullName string, repo *repository, p *pull) (pullPayload, error) {
	g := s.git(fullName)
	head, _, err := g.resolve(ctx, p.ref())
	if err != nil {
		return pullPayload{}, err
	}
	base, err := s.base(ctx, fullName, p)
	if err != nil {
		return pullPayload{}, err
	}
	own := s.repositoryPayload(fullName, repo.ID, false)
	out := pullPayload{Number: p.Number, State: p.State, Merged: p.Merged, Draft: p.Draft, Title: p.Title,
		Labels: []labelPayload{}, User: octocat(), UpdatedAt: p.UpdatedAt,
		Head: sidePayload{Ref: p.Branch, SHA: head, Repo: &own}, Base: sidePayload{Ref: mainBranch, SHA: base, Repo: &own}}
	for _, l := range p.Labels {
		out.Labels = append(out.Labels, labelPayload{Name: l})
	}
	if p.Fork {
		fork := s.repositoryPayload("octocat-fork/"+own.Name, repo.ForkID, true)
		out.Head.Repo = &fork
	}
	if p.ForkDeleted {
		out.Head.Repo = nil
	}
	return out, nil
}

// base is the commit of main that the pull request is compared with: main's head, or what that was at the closing.
func (s *Server) base(ctx context.Context, fullName string, p *pull) (string, error) {
	if p.Base != "" {
		return p.Base, nil
	}
	sha, _, err := s.git(fullName).resolve(ctx, "refs/heads/"+mainBranch)
	return sha, err
}

func (s *Server) pullDelivery(ctx context.Context, fullName string, repo *repository, e pullEvent) (Delivery, error) {
	shown, err := s.pullPayload(ctx, fullName, repo, e.pull)
	if err != nil {
		return Delivery{}, err
	}
	body := pullRequestPayload{Action: e.action, Number: e.pull.Number, Before: e.before, After: e.after,
		PullRequest: shown, Repository: s.repositoryPayload(fullName, repo.ID, false), Sender: octocat()}
	if e.label != "" {
		body.Label = &labelPayload{Name: e.label}
	}
	d, err := s.sign("pull_request", body)
	d.Number = e.pull.Number
	return d, err
}
