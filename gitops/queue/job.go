package queue

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/riverqueue/river"
)

// The kinds of job.
const (
	KindPullRequest = "pull-request"
	KindBranch      = "branch"
	KindEnvironment = "environment"
)

// ErrInvalidJob means that a job lacks what its kind needs.
var ErrInvalidJob = errors.New("invalid job")

// Job says what to look at: a pull request, a branch or an environment.
type Job struct {
	// Kind is KindPullRequest, KindBranch or KindEnvironment.
	Kind string `json:"kind"`
	// Repository is the forge's full name or the URL of the application repository.
	Repository string `json:"repository,omitempty"`
	// Number of the pull request.
	Number int `json:"number,omitempty"`
	// Branch of the application repository.
	Branch string `json:"branch,omitempty"`
	// Environment as team/project/environment.
	Environment string `json:"environment,omitempty"`
	// Delivery that made the job; empty where no webhook was involved.
	Delivery string `json:"delivery,omitempty"`
	// Actor is "github:<login>"; empty for Catalyst itself.
	Actor string `json:"actor,omitempty"`
}

// subject is what the job looks at. Two jobs with one subject do the same work.
func (j Job) subject() string {
	subject, err := json.Marshal([]string{j.Kind, j.Repository, strconv.Itoa(j.Number), j.Branch, j.Environment})
	if err != nil {
		panic(err) // strings always encode
	}
	return string(subject)
}

// validate checks that the job can be worked at all.
func (j Job) validate() error {
	switch {
	case j.Kind == KindPullRequest && j.Repository != "" && j.Number > 0,
		j.Kind == KindBranch && j.Repository != "" && j.Branch != "",
		j.Kind == KindEnvironment && j.Environment != "":
		return nil
	}
	return fmt.Errorf("%w: kind %q of repository %q (number %d, branch %q, environment %q)",
		ErrInvalidJob, j.Kind, j.Repository, j.Number, j.Branch, j.Environment)
}

// jobArgs is a Job as River stores it.
type jobArgs struct {
	Job Job `json:"job"`
}

// Kind is River's name for all our jobs.
func (jobArgs) Kind() string { return "catalyst" }

var _ river.JobArgs = jobArgs{}

// Permanent wraps an error that trying again would not cure: the job ends.
func Permanent(err error) error { return &permanentError{err} }

type permanentError struct{ err error }

func (e *permanentError) Error() string { return e.err.Error() }
func (e *permanentError) Unwrap() error { return e.err }

// Snooze is the error of a job that wants to be worked again after d, such as one that met a rate limit. It costs no
// attempt.
func Snooze(d time.Duration) error { return snoozeError{max(d, 0)} }

type snoozeError struct{ after time.Duration }

func (e snoozeError) Error() string { return "again in " + e.after.String() }
