package forgetest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"
)

// mainBranch is the default branch of every repository.
const mainBranch = "main"

var fullNamePattern = regexp.MustCompile(`^[A-Za-z0-9_-][A-Za-z0-9_.-]{0,99}/[A-Za-z0-9_-][A-Za-z0-9_.-]{0,99}$`)

// Error is a refusal, with the HTTP status that the REST API answers.
type Error struct {
	Status  int
	Message string
}

// Error is the message.
func (e *Error) Error() string { return e.Message }

func invalid(format string, args ...any) error {
	return &Error{Status: http.StatusUnprocessableEntity, Message: fmt.Sprintf(format, args...)}
}

func notFound(format string, args ...any) error {
	return &Error{Status: http.StatusNotFound, Message: fmt.Sprintf(format, args...)}
}

// state is what forge.json holds. Commits are Git's alone: a pull request's head is refs/pull/N/head.
type state struct {
	LastID       int64                  `json:"lastID"`
	Repositories map[string]*repository `json:"repositories"`
}

type repository struct {
	ID     int64   `json:"id"`
	ForkID int64   `json:"forkID"`
	Pulls  []*pull `json:"pulls"` // number N is at N-1
}

type pull struct {
	Number      int       `json:"number"`
	State       string    `json:"state"`
	Merged      bool      `json:"merged"`
	Draft       bool      `json:"draft"`
	Fork        bool      `json:"fork"`
	ForkDeleted bool      `json:"forkDeleted"`
	Branch      string    `json:"branch"`
	Title       string    `json:"title"`
	Labels      []string  `json:"labels"`
	Base        string    `json:"base"` // main's commit when it was closed; empty while open
	UpdatedAt   time.Time `json:"updatedAt"`
}

// Server is a forge of local bare Git repositories with pull requests as levels. State is kept in the directory's
// forge.json, written atomically, so that a restart keeps it. It is safe for concurrent use within one process; two
// processes must not share a directory.
type Server struct {
	dir    string
	secret []byte
	mu     sync.Mutex
	state  *state
	apps   []*installed
	clone  string
}

// New opens the forge in dir, which is created if need be; repositories live in dir/<owner>/<name>.git. Deliveries are
// signed with secret, which must not be empty.
func New(dir string, secret []byte) (*Server, error) {
	if len(secret) == 0 {
		return nil, errors.New("opening the forge: the webhook secret is empty")
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("opening the forge: %w", err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("opening the forge: %w", err)
	}
	s := &Server{dir: dir, secret: bytes.Clone(secret), state: &state{Repositories: map[string]*repository{}}}
	content, err := os.ReadFile(s.statePath())
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return nil, fmt.Errorf("opening the forge: %w", err)
	}
	if err := json.Unmarshal(content, s.state); err != nil {
		return nil, fmt.Errorf("opening the forge: reading %s: %w", s.statePath(), err)
	}
	return s, nil
}

func (s *Server) statePath() string { return filepath.Join(s.dir, "forge.json") }

// mutate applies f to a copy of the state, which takes the state's place once it is on disk.
func (s *Server) mutate(f func(*state) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	content, err := json.Marshal(s.state)
	if err != nil {
		return fmt.Errorf("copying the state: %w", err)
	}
	next := &state{}
	if err := json.Unmarshal(content, next); err != nil {
		return fmt.Errorf("copying the state: %w", err)
	}
	if err := f(next); err != nil {
		return err
	}
	if content, err = json.MarshalIndent(next, "", "  "); err != nil {
		return fmt.Errorf("encoding the state: %w", err)
	}
	if err := s.save(content); err != nil {
		return fmt.Errorf("saving the state: %w", err)
	}
	s.state = next
	return nil
}

func (s *Server) save(content []byte) (err error) {
	temp, err := os.CreateTemp(s.dir, "forge-*.tmp")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(temp.Name()))
		}
	}()
	_, err = temp.Write(content)
	if err := errors.Join(err, temp.Sync(), temp.Close()); err != nil {
		return err
	}
	return os.Rename(temp.Name(), s.statePath())
}

// CreateRepository makes a bare repository whose branch main has one commit with the files. One that exists is left as
// it is.
func (s *Server) CreateRepository(ctx context.Context, fullName string, files map[string][]byte) error {
	if !fullNamePattern.MatchString(fullName) {
		return invalid("repository %q is not owner/name", fullName)
	}
	err := s.mutate(func(st *state) error {
		if st.Repositories[fullName] != nil {
			return nil
		}
		g := s.git(fullName)
		if err := g.init(ctx); err != nil {
			return err
		}
		sha, err := g.commit(ctx, change{subject: "Initial commit", files: files})
		if err != nil {
			return err
		}
		if err := g.point(ctx, "refs/heads/"+mainBranch, sha); err != nil {
			return err
		}
		st.LastID += 2
		st.Repositories[fullName] = &repository{ID: st.LastID - 1, ForkID: st.LastID}
		return nil
	})
	if err != nil {
		return fmt.Errorf("creating repository %s: %w", fullName, err)
	}
	return nil
}

// CloneFrom lets CloneURL be below another URL, where somebody serves the directory.
func (s *Server) CloneFrom(base string) { s.clone = strings.TrimSuffix(base, "/") }

// CloneURL is what Git clones a repository from: a file URL, unless CloneFrom was called.
func (s *Server) CloneURL(fullName string) string {
	if s.clone != "" {
		return s.clone + "/" + fullName + ".git"
	}
	return (&url.URL{Scheme: "file", Path: filepath.ToSlash(s.git(fullName).dir)}).String()
}

func (s *Server) git(fullName string) git {
	return newGit(s.dir, filepath.Join(s.dir, filepath.FromSlash(fullName))+".git")
}

// Commit lays files over a branch, which is created from main if it is missing; nil content deletes. It returns the
// commit. No delivery tells of it: that is PushBranch's and Push's part.
func (s *Server) Commit(ctx context.Context, fullName, branch, subject string, files map[string][]byte) (sha string, err error) {
	err = s.mutate(func(st *state) error {
		sha, err = s.commit(ctx, st, fullName, branchChange{branch: branch, subject: subject, files: files})
		return err
	})
	if err != nil {
		return "", fmt.Errorf("committing to branch %q of %s: %w", branch, fullName, err)
	}
	return sha, nil
}

type branchChange struct {
	branch, subject string
	files           map[string][]byte
}

// commit moves the branch, and with it the pull requests that are open from it.
func (s *Server) commit(ctx context.Context, st *state, fullName string, c branchChange) (string, error) {
	repo, err := st.repository(fullName)
	if err != nil {
		return "", err
	}
	g := s.git(fullName)
	ref := "refs/heads/" + c.branch
	if err := g.checkBranch(ctx, c.branch); err != nil {
		return "", err
	}
	parent, found, err := g.resolve(ctx, ref)
	if err == nil && !found {
		parent, _, err = g.resolve(ctx, "refs/heads/"+mainBranch)
	}
	if err != nil {
		return "", err
	}
	sha, err := g.commit(ctx, change{parent: parent, subject: c.subject, files: c.files})
	if err != nil {
		return "", err
	}
	if err := g.point(ctx, ref, sha); err != nil {
		return "", err
	}
	for _, p := range repo.Pulls {
		if p.State == "open" && !p.Fork && p.Branch == c.branch {
			p.touch()
			if err := g.point(ctx, p.ref(), sha); err != nil {
				return "", err
			}
		}
	}
	return sha, nil
}

func (st *state) repository(fullName string) (*repository, error) {
	if repo := st.Repositories[fullName]; repo != nil {
		return repo, nil
	}
	return nil, notFound("repository %q does not exist", fullName)
}

func (st *state) pull(fullName string, number int) (*repository, *pull, error) {
	repo, err := st.repository(fullName)
	if err != nil {
		return nil, nil, err
	}
	if number < 1 || number > len(repo.Pulls) {
		return nil, nil, notFound("pull request %s#%d does not exist", fullName, number)
	}
	return repo, repo.Pulls[number-1], nil
}

func (p *pull) ref() string { return fmt.Sprintf("refs/pull/%d/head", p.Number) }

// touch sets the time of the last change, in GitHub's whole seconds.
func (p *pull) touch() { p.UpdatedAt = time.Now().UTC().Truncate(time.Second) }
