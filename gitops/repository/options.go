package repository

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
)

// The errors that callers tell apart.
var (
	// ErrUnchanged means that there is nothing to do: an edit leaves the tree as it is, or Init found a commit.
	ErrUnchanged = errors.New("nothing changed")
	// ErrRewritten means that the remote's branch no longer contains a commit it had: it was forced back, replaced or
	// deleted.
	ErrRewritten = errors.New("the branch of the environments repository was rewritten")
	// ErrRefused means that the remote will not take a push however often it is tried. See RefusedError.
	ErrRefused = errors.New("the push was refused")
	// ErrInvalidPath means that a path may not stand in the repository.
	ErrInvalidPath = errors.New("invalid path")
	// ErrTooLarge means that the remote sent more than the options allow.
	ErrTooLarge = errors.New("larger than allowed")
)

// Signature is who made a commit.
type Signature struct {
	Name, Email string
}

// Auth is how to authenticate at the remote. The zero value is anonymous.
type Auth struct {
	// Username and Password for HTTP; a token goes into Password. For ssh, Username is the login, "git" when empty.
	Username, Password string
	// SSHKeyPEM is the private key, without a passphrase.
	SSHKeyPEM []byte
	// KnownHosts holds the server's keys as in an ssh known_hosts file; ssh is refused without.
	KnownHosts []byte
}

// Options say where the environments repository is and how to use it.
type Options struct {
	// URL is https, http, ssh, file or the local path of a bare repository.
	URL string
	// Branch is "main" when empty.
	Branch string
	// Auth at the remote.
	Auth Auth
	// Committer of every commit; Catalyst when zero.
	Committer Signature
	// Now is the clock of commits; time.Now when nil.
	Now func() time.Time
	// Logger; discards when nil.
	Logger *slog.Logger
	// Timeout of one exchange with the remote; two minutes when zero.
	Timeout time.Duration
	// MaxPack is the most bytes taken from the remote in one exchange; 500 MiB when zero.
	MaxPack int64
	// MaxFile is the most bytes of one file that is read; 10 MiB when zero.
	MaxFile int64
	// MaxMemory is how many bytes of objects may gather before only the tip's are read anew; 256 MiB when zero.
	MaxMemory int64
}

func (o *Options) setDefaults() error {
	o.Branch = orElse(o.Branch, "main")
	if err := checkBranch(o.Branch); err != nil {
		return err
	}
	o.Committer = orElse(o.Committer, Signature{Name: "Catalyst", Email: "catalyst@catalyst.dev"})
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	o.Timeout = orElse(o.Timeout, 2*time.Minute)
	o.MaxPack = orElse(o.MaxPack, 500<<20)
	o.MaxFile = orElse(o.MaxFile, 10<<20)
	o.MaxMemory = orElse(o.MaxMemory, 256<<20)
	return nil
}

func orElse[T comparable](v, fallback T) T {
	var zero T
	if v == zero {
		return fallback
	}
	return v
}

// checkBranch refuses names that go-git or a server would take for something else.
func checkBranch(name string) error {
	if err := plumbing.NewBranchReferenceName(name).Validate(); err != nil || strings.HasPrefix(name, "-") {
		return fmt.Errorf("branch %q: not a valid branch name", name)
	}
	return nil
}
