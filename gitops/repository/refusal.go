package repository

import (
	"errors"
	"fmt"
	"strings"

	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/transport"
)

// RefusedError is a push that the server will not take however often it is tried: no permission, a protected branch,
// a hook.
type RefusedError struct {
	// Reason in the server's words.
	Reason string
	// Output is what the server printed, such as a hook's text; may be empty.
	Output string

	cause error
}

// Error has the server's words, on one line.
func (e *RefusedError) Error() string {
	text := "the server refused the push: " + e.Reason
	if e.Output != "" {
		text += " (" + e.Output + ")"
	}
	return text
}

// Unwrap gives ErrRefused and the transport's error.
func (e *RefusedError) Unwrap() []error { return []error{ErrRefused, e.cause} }

// fasterWords are the reasons that servers give when somebody else moved the branch first.
var fasterWords = []string{
	"non-fast-forward", "fetch first", "cannot lock ref", "incorrect old value", "failed to update ref", "failed to lock",
	"stale info", "already exists", "unable to create", "reference is at", "expected",
}

// classify tells refusals, which are final, from everything that trying again on a fresh tip can cure.
func classify(url string, report *packp.ReportStatus, err error, output string) error {
	output = truncate(line(output), 500)
	if errors.Is(err, transport.ErrAuthenticationRequired) || errors.Is(err, transport.ErrAuthorizationFailed) ||
		errors.Is(err, transport.ErrRepositoryNotFound) {
		return &RefusedError{Reason: err.Error(), Output: output, cause: err}
	}
	if report != nil && report.UnpackStatus == "ok" {
		for _, s := range report.CommandStatuses {
			if s.Status != "ok" && !faster(s.Status) {
				return &RefusedError{Reason: truncate(line(s.Status), 200), Output: output, cause: err}
			}
		}
	}
	if output != "" {
		return fmt.Errorf("pushing to %s: %w (%s)", url, err, output)
	}
	return fmt.Errorf("pushing to %s: %w", url, err)
}

func faster(reason string) bool {
	reason = strings.ToLower(reason)
	for _, w := range fasterWords {
		if strings.Contains(reason, w) {
			return true
		}
	}
	return false
}
