package forgetest

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// Handler serves GitHub's REST API for pull requests, their files and branches under /repos/, and the control surface
// that Client calls under /_demo/.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	handle := func(pattern string, f func(*http.Request, http.Header) (any, error)) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			answer, err := f(r, w.Header())
			respond(w, answer, err)
		})
	}
	mux.HandleFunc("GET /repos/{owner}/{repo}/pulls", s.getPulls)
	handle("GET /repos/{owner}/{repo}/pulls/{number}", s.getPull)
	handle("GET /repos/{owner}/{repo}/pulls/{number}/files", s.getFiles)
	handle("GET /repos/{owner}/{repo}/branches/{branch...}", s.getBranch)
	handle("GET /_demo/repositories", s.getRepositories)
	handle("POST /_demo/{action}", s.control)
	mux.HandleFunc("POST /app/installations/{installation}/access_tokens", s.postToken)
	handle("/", func(*http.Request, http.Header) (any, error) { return nil, notFound("Not Found") })
	return s.private(mux)
}

// private hides the repositories of Apps from those without a token, as GitHub does.
func (s *Server) private(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		parts := strings.SplitN(strings.TrimPrefix(r.URL.Path, "/repos/"), "/", 3)
		token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
		if strings.HasPrefix(r.URL.Path, "/repos/") && len(parts) >= 2 && !s.Allowed(parts[0]+"/"+parts[1], token) {
			respond(w, nil, notFound("Not Found"))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// respond writes an answer, or an error in GitHub's shape.
func respond(w http.ResponseWriter, answer any, err error) {
	status := http.StatusOK
	if err != nil {
		status = http.StatusInternalServerError
		var refusal *Error
		if errors.As(err, &refusal) {
			status = refusal.Status
		}
		answer = map[string]string{"message": err.Error(), "status": strconv.Itoa(status),
			"documentation_url": "https://docs.github.com/rest"}
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(answer) // the client has gone
}

func (s *Server) getPull(r *http.Request, _ http.Header) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	name, repo, p, err := s.requested(r)
	if err != nil {
		return nil, err
	}
	return s.pullPayload(r.Context(), name, repo, p)
}

// requested finds the pull request that a path names.
func (s *Server) requested(r *http.Request) (string, *repository, *pull, error) {
	name := r.PathValue("owner") + "/" + r.PathValue("repo")
	number, err := strconv.Atoi(r.PathValue("number"))
	if err != nil {
		return "", nil, nil, notFound("Not Found")
	}
	repo, p, err := s.state.pull(name, number)
	return name, repo, p, err
}

func (s *Server) getFiles(r *http.Request, header http.Header) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	name, _, p, err := s.requested(r)
	if err != nil {
		return nil, err
	}
	base, err := s.base(r.Context(), name, p)
	if err != nil {
		return nil, err
	}
	files, err := s.git(name).changed(r.Context(), base, p.ref())
	if err != nil {
		return nil, err
	}
	return page(r, header, files), nil
}

// page cuts out the page that is asked for, and links the others as GitHub does.
func page[T any](r *http.Request, header http.Header, items []T) []T {
	number := positive(r.URL.Query().Get("page"), 1)
	size := min(positive(r.URL.Query().Get("per_page"), 30), 100)
	last := max((len(items)+size-1)/size, 1)
	link := func(page int, rel string) string {
		query := r.URL.Query()
		query.Set("page", strconv.Itoa(page))
		query.Set("per_page", strconv.Itoa(size))
		return fmt.Sprintf(`<http://%s%s?%s>; rel="%s"`, r.Host, r.URL.EscapedPath(), query.Encode(), rel)
	}
	var links []string
	if number > 1 {
		links = append(links, link(min(number-1, last), "prev"), link(1, "first"))
	}
	if number < last {
		links = append(links, link(number+1, "next"), link(last, "last"))
	}
	if len(links) > 0 {
		header.Set("Link", strings.Join(links, ", "))
	}
	if number > last {
		return []T{}
	}
	return items[(number-1)*size : min(number*size, len(items))]
}

// positive reads a number of a query, or the value where there is none.
func positive(text string, otherwise int) int {
	if n, err := strconv.Atoi(text); err == nil && n > 0 {
		return n
	}
	return otherwise
}

type branchPayload struct {
	Name   string `json:"name"`
	Commit struct {
		SHA string `json:"sha"`
	} `json:"commit"`
}

func (s *Server) getBranch(r *http.Request, _ http.Header) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	name := r.PathValue("owner") + "/" + r.PathValue("repo")
	if _, err := s.state.repository(name); err != nil {
		return nil, err
	}
	answer := branchPayload{Name: r.PathValue("branch")}
	sha, found, err := s.git(name).resolve(r.Context(), "refs/heads/"+answer.Name)
	if err == nil && !found {
		err = notFound("Branch not found")
	}
	answer.Commit.SHA = sha
	return answer, err
}
