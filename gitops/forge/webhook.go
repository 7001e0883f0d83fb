package forge

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"slices"
	"strings"
)

// ErrSignature means that a webhook's signature is missing or matches none of the secrets.
var ErrSignature = errors.New("webhook signature does not match")

// Kind says what an Event is about.
type Kind string

// The kinds.
const (
	KindPullRequest Kind = "pull_request"
	KindPush        Kind = "push"
	KindPing        Kind = "ping"
	// KindIgnored is every event and action that changes nothing for Catalyst.
	KindIgnored Kind = "ignored"
)

// Event is what a webhook announces: where to look, not what is there.
type Event struct {
	Kind Kind
	// Action is GitHub's action, such as "synchronize"; empty for push and ping.
	Action     string
	Repository Repository
	// PullRequest is the number, for KindPullRequest.
	PullRequest int
	// Ref is the full reference (refs/heads/main), After the commit it now points to, for KindPush.
	Ref, After string
	// Deleted is set when a push deleted the reference.
	Deleted bool
	// Sender is the login of the account that caused the event.
	Sender string
}

// payload holds the few fields of GitHub's payloads that Event needs. encoding/json skips the rest without allocating.
type payload struct {
	Action     string `json:"action"`
	Number     int    `json:"number"`
	Ref        string `json:"ref"`
	After      string `json:"after"`
	Deleted    bool   `json:"deleted"`
	Repository struct {
		ID       int64  `json:"id"`
		FullName string `json:"full_name"`
		CloneURL string `json:"clone_url"`
	} `json:"repository"`
	Sender struct {
		Login string `json:"login"`
	} `json:"sender"`
}

// Parse reads a webhook of GitHub; event is the header X-GitHub-Event. Events that Catalyst has no use for are
// KindIgnored, not an error, as GitHub would report them as failed deliveries; their bodies are not read.
func Parse(event string, body []byte) (Event, error) {
	switch event {
	case "pull_request", "push", "ping":
	default:
		return Event{Kind: KindIgnored}, nil
	}
	var p payload
	if err := json.Unmarshal(body, &p); err != nil {
		return Event{}, fmt.Errorf("parsing the %s webhook: %w", event, err)
	}
	e := Event{
		Kind:       Kind(event),
		Action:     p.Action,
		Repository: Repository{ID: p.Repository.ID, FullName: p.Repository.FullName, CloneURL: p.Repository.CloneURL},
		Sender:     p.Sender.Login,
	}
	if e.Kind == KindPing { // an organisation's hook pings without a repository
		return e, nil
	}
	if !fullName(e.Repository.FullName) || e.Repository.ID <= 0 {
		return Event{}, fmt.Errorf("parsing the %s webhook: repository.id and repository.full_name (owner/name) are required", event)
	}
	if e.Kind == KindPush {
		return pushEvent(e, p)
	}
	return pullRequestEvent(e, p)
}

func pushEvent(e Event, p payload) (Event, error) {
	if !strings.HasPrefix(p.Ref, "refs/") || !sha(p.After) {
		return Event{}, errors.New("parsing the push webhook: ref must begin with refs/ and after must be a commit's SHA")
	}
	e.Ref, e.After, e.Deleted = p.Ref, p.After, p.Deleted
	return e, nil
}

func pullRequestEvent(e Event, p payload) (Event, error) {
	actions := []string{"opened", "synchronize", "reopened", "closed", "labeled", "unlabeled",
		"ready_for_review", "converted_to_draft", "edited"}
	if p.Number <= 0 {
		return Event{}, errors.New("parsing the pull_request webhook: number must be a positive integer")
	}
	e.PullRequest = p.Number
	if !slices.Contains(actions, p.Action) {
		e.Kind = KindIgnored
	}
	return e, nil
}

// VerifySignature checks the header X-Hub-Signature-256 over the raw body against each secret, in constant time.
func VerifySignature(body []byte, header string, secrets ...[]byte) error {
	v, err := NewVerifier(header, secrets...)
	if err != nil {
		return err
	}
	v.Write(body)
	return v.Verify()
}

// Verifier checks the signature of a body that is written to it piece by piece, so that nobody needs to hold a body to
// find out that it is forged.
type Verifier struct {
	want []byte
	macs []hash.Hash
}

// NewVerifier reads the header X-Hub-Signature-256. Two secrets are active while one is rotated. SHA-1 signatures are not
// accepted. No secret, or an empty one, is an error, since it would let everybody in.
func NewVerifier(header string, secrets ...[]byte) (*Verifier, error) {
	if len(secrets) == 0 || slices.ContainsFunc(secrets, func(s []byte) bool { return len(s) == 0 }) {
		return nil, errors.New("checking the webhook signature: the webhook secret is empty (set one on the server and at the forge)")
	}
	digits, ok := strings.CutPrefix(header, "sha256=")
	want, err := hex.DecodeString(digits)
	if !ok || err != nil || len(want) != sha256.Size {
		return nil, fmt.Errorf("%w: header X-Hub-Signature-256 must be sha256= and 64 hex digits", ErrSignature)
	}
	v := &Verifier{want: want}
	for _, secret := range secrets {
		v.macs = append(v.macs, hmac.New(sha256.New, secret))
	}
	return v, nil
}

// Write adds a piece of the body.
func (v *Verifier) Write(piece []byte) {
	for _, mac := range v.macs {
		mac.Write(piece)
	}
}

// Verify compares what was written with the header, in constant time.
func (v *Verifier) Verify() error {
	matched := false
	for _, mac := range v.macs {
		matched = hmac.Equal(v.want, mac.Sum(nil)) || matched
	}
	if !matched {
		return ErrSignature
	}
	return nil
}

// fullName reports whether name is owner/name in the letters that GitHub allows, so that it is safe in a URL's path.
func fullName(name string) bool {
	owner, repo, ok := strings.Cut(name, "/")
	return ok && plainName(owner) && plainName(repo)
}

func plainName(s string) bool {
	if s == "" || s == "." || s == ".." || len(s) > 100 {
		return false
	}
	return strings.IndexFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_' || r == '.')
	}) < 0
}

func sha(s string) bool {
	_, err := hex.DecodeString(s)
	return err == nil && (len(s) == 40 || len(s) == 64)
}
