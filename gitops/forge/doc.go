// Package forge reads pull requests from a forge and parses the webhooks that announce their changes.
//
// A webhook is a hint that something changed; what is true is asked of the forge. [Parse] therefore yields only which
// repository, pull request or branch to look at, and [GitHub] answers with the state as it is now. Deliveries may then be
// lost, repeated or reordered without harm.
package forge

import (
	"errors"
	"fmt"
	"time"
)

// ErrNotFound means that the forge has no such repository, pull request or branch, or that the token may not see it.
var ErrNotFound = errors.New("not found on the forge")

// RateLimitError means that the forge refuses requests until RetryAfter.
type RateLimitError struct {
	// RetryAfter is when the next request may be sent.
	RetryAfter time.Time
	// Secondary is set when the forge asked for slower requests though the hourly quota is not used up.
	Secondary bool
}

// Error names the time from which requests are answered again.
func (e *RateLimitError) Error() string {
	kind := "rate limit"
	if e.Secondary {
		kind = "secondary rate limit"
	}
	return fmt.Sprintf("%s of the forge reached: try again after %s", kind, e.RetryAfter.UTC().Format(time.RFC3339))
}
