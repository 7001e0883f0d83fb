package forgetest

import (
	"encoding/json"
	"fmt"
	"maps"
	"mime"
	"net/http"
	"slices"
)

// maxControlBody is the most bytes that a request of the control surface may hold.
const maxControlBody = 16 << 20

// command is the body of a request of the control surface; each action reads the fields that it needs.
type command struct {
	Repository string             `json:"repository"`
	Number     int                `json:"number,omitempty"`
	Branch     string             `json:"branch,omitempty"`
	Title      string             `json:"title,omitempty"`
	Subject    string             `json:"subject,omitempty"`
	Files      map[string]*string `json:"files,omitzero"` // null deletes
	Labels     []string           `json:"labels,omitempty"`
	Draft      bool               `json:"draft,omitempty"`
	Fork       bool               `json:"fork,omitempty"`
	Label      string             `json:"label,omitempty"`
	On         bool               `json:"on,omitempty"`
	Merged     bool               `json:"merged,omitempty"`
}

// contents are the files as Server's methods take them.
func (c command) contents() map[string][]byte {
	if c.Files == nil {
		return nil
	}
	files := map[string][]byte{}
	for path, text := range c.Files {
		files[path] = nil
		if text != nil {
			files[path] = append([]byte{}, *text...)
		}
	}
	return files
}

// control does what a POST asks for. It takes no body but JSON, which a page in somebody's browser cannot send from
// another origin.
func (s *Server) control(r *http.Request, _ http.Header) (any, error) {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return nil, &Error{Status: http.StatusUnsupportedMediaType, Message: "the content type must be application/json"}
	}
	var c command
	decoder := json.NewDecoder(http.MaxBytesReader(nil, r.Body, maxControlBody))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&c); err != nil {
		return nil, &Error{Status: http.StatusBadRequest, Message: fmt.Sprintf("reading the request: %v", err)}
	}
	ctx := r.Context()
	switch r.PathValue("action") {
	case "open":
		return s.Open(ctx, c.Repository, c.Branch, c.Title,
			PullOptions{Fork: c.Fork, Draft: c.Draft, Labels: c.Labels, Files: c.contents(), Subject: c.Subject})
	case "push":
		return s.Push(ctx, c.Repository, c.Number, c.Subject, c.contents())
	case "close":
		return s.Close(ctx, c.Repository, c.Number, c.Merged)
	case "reopen":
		return s.Reopen(ctx, c.Repository, c.Number)
	case "label":
		return s.Label(ctx, c.Repository, c.Number, c.Label, c.On)
	case "draft":
		return s.SetDraft(ctx, c.Repository, c.Number, c.Draft)
	case "push-branch":
		return s.PushBranch(ctx, c.Repository, c.Branch, c.Subject, c.contents())
	}
	return nil, notFound("Not Found")
}

// Repository is one line of the list of repositories.
type Repository struct {
	FullName string `json:"full_name"`
	CloneURL string `json:"clone_url"`
	// Open are the numbers of the open pull requests.
	Open []int `json:"open"`
}

func (s *Server) getRepositories(*http.Request, http.Header) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := []Repository{}
	for _, name := range slices.Sorted(maps.Keys(s.state.Repositories)) {
		repo := Repository{FullName: name, CloneURL: s.CloneURL(name), Open: []int{}}
		for _, p := range s.state.Repositories[name].Pulls {
			if p.State == "open" {
				repo.Open = append(repo.Open, p.Number)
			}
		}
		list = append(list, repo)
	}
	return list, nil
}
