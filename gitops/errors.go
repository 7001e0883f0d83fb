package gitops

import "errors"

var (
	// ErrNotFound means that a team, project or environment is not in the environments repository.
	ErrNotFound = errors.New("not found")
	// ErrInvalid means that the input is at fault: trying again changes nothing until somebody changes it.
	ErrInvalid = errors.New("invalid")
	// ErrConflict means that the change contradicts another environment.
	ErrConflict = errors.New("conflict")

	// errGone means that the environment was deleted while its job waited.
	errGone = errors.New("the environment is gone")
	// errStale means that the documents changed while an environment was rendered.
	errStale = errors.New("rendered from documents that changed meanwhile")
)
