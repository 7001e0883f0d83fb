package repository

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/transport"
	githttp "github.com/go-git/go-git/v5/plumbing/transport/http"
)

var (
	// ErrUnchanged means that a change would leave the tree as it is: nothing was committed.
	ErrUnchanged = errors.New("nothing to commit")
	// ErrEmpty means that the branch does not exist yet: see Init.
	ErrEmpty = errors.New("the branch does not exist")
	// ErrRewritten means that the remote's branch no longer contains what was there before: somebody forced it back. Writing
	// stops until a person has looked.
	ErrRewritten = errors.New("the branch was rewritten")
	// ErrRefused means that the remote will not take the push: no permission.
	ErrRefused = errors.New("the push was refused")
)

// Signature is an author or a committer.
type Signature struct {
	Name, Email string
}

// Auth is how the remote is asked for access over https. The zero value asks anonymously.
type Auth struct {
	// Username and Password for https; a token is a password, its user anything.
	Username, Password string
}

// Options of a Repository.
type Options struct {
	// URL of the repository: https, http, ssh, file, or the path of a local bare repository.
	URL string
	// Branch that is followed and written; "main" when empty.
	Branch string
	// Auth for the remote.
	Auth Auth
	// SSH is the transport of ssh URLs; nil refuses them.
	SSH transport.Transport
	// Committer of all commits; Catalyst when empty.
	Committer Signature
	// Now is the clock of commits; time.Now when nil.
	Now func() time.Time
	// Timeout of one exchange with the remote; one minute when zero.
	Timeout time.Duration
	// MaxMemory is how many bytes of objects are kept before they are dropped and read again; 256 MiB when zero.
	MaxMemory int64
	// Logger for retries; nil discards.
	Logger *slog.Logger
}

func (o *Options) setDefaults() error {
	if o.Branch == "" {
		o.Branch = "main"
	}
	if o.Committer == (Signature{}) {
		o.Committer = Signature{Name: "Catalyst", Email: "catalyst@catalyst.dev"}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Timeout == 0 {
		o.Timeout = time.Minute
	}
	if o.MaxMemory == 0 {
		o.MaxMemory = 256 << 20
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.URL == "" || strings.HasPrefix(o.URL, "-") || strings.Contains(o.URL, "::") || strings.ContainsAny(o.URL, "\n\r\x00") {
		return fmt.Errorf("environments repository %q is not a Git URL", o.URL)
	}
	if strings.HasPrefix(o.Branch, "-") {
		return fmt.Errorf("branch %q is not a branch name", o.Branch)
	}
	if err := plumbing.NewBranchReferenceName(o.Branch).Validate(); err != nil {
		return fmt.Errorf("branch %q is not a branch name: %w", o.Branch, err)
	}
	return nil
}

// method turns Auth into what the transport takes; nil for none.
func (a Auth) method() transport.AuthMethod {
	if a.Password == "" {
		return nil
	}
	user := a.Username
	if user == "" {
		user = "x-access-token"
	}
	return &githttp.BasicAuth{Username: user, Password: a.Password}
}
