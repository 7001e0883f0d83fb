package repository

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
)

// The errors that callers tell apart. Others are of the transport, or a *RefusedError.
var (
	// ErrUnchanged means that an edit leaves the tree as it is: nothing was committed.
	ErrUnchanged = errors.New("nothing changed")
	// ErrEmpty means that the branch has no commit yet; Init makes the first.
	ErrEmpty = errors.New("the environments repository is empty: initialise it first")
	// ErrNotEmpty means that Init found a commit.
	ErrNotEmpty = errors.New("the environments repository is not empty")
	// ErrRewritten means that the remote's branch no longer contains a commit it had: it was force-pushed, replaced or
	// deleted. Nothing is written until Adopt.
	ErrRewritten = errors.New("the branch of the environments repository was rewritten: nothing is written to it until it is adopted")
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
	// MaxFile is the most bytes of one file; 10 MiB when zero.
	MaxFile int64
	// BlobCache is the most bytes of file contents kept in memory; 64 MiB when zero.
	BlobCache int64
	// MaxAttempts of a push before its changes fail; 10 when zero.
	MaxAttempts int
}

func (o Options) withDefaults() Options {
	if o.Branch == "" {
		o.Branch = "main"
	}
	if o.Committer == (Signature{}) {
		o.Committer = Signature{Name: "Catalyst", Email: "catalyst@catalyst.dev"}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	o.Timeout = orElse(o.Timeout, 2*time.Minute)
	o.MaxPack = orElse(o.MaxPack, 500<<20)
	o.MaxFile = orElse(o.MaxFile, 10<<20)
	o.BlobCache = orElse(o.BlobCache, 64<<20)
	o.MaxAttempts = orElse(o.MaxAttempts, 10)
	return o
}

func orElse[T comparable](v, fallback T) T {
	var zero T
	if v == zero {
		return fallback
	}
	return v
}

// reference is the branch's full name. Names that go-git or a server would take for something else are refused.
func (o Options) reference() (plumbing.ReferenceName, error) {
	name := plumbing.NewBranchReferenceName(o.Branch)
	if err := name.Validate(); err != nil || strings.HasPrefix(o.Branch, "-") {
		return "", fmt.Errorf("branch %q: not a valid branch name", o.Branch)
	}
	return name, nil
}
