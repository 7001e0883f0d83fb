package source

import (
	"errors"
	"fmt"
)

var (
	// ErrNotFound means that the repository, branch or commit does not exist or may not be seen with these credentials.
	ErrNotFound = errors.New("not found")
	// ErrAuth means that the server wants other credentials.
	ErrAuth = errors.New("credentials refused")
	// ErrURL means that a repository URL is of a form that is not fetched from.
	ErrURL = errors.New("repository URL refused")
	// ErrInvalid means that the repository holds objects that Git itself would not write.
	ErrInvalid = errors.New("malformed repository")
)

// LimitError means that a repository or file is larger than the Options allow.
type LimitError struct {
	// What is too large, such as "pack" or a file's path.
	What string
	// Limit in bytes, or in entries for What "tree".
	Limit int64
}

// Error names what is too large and the limit.
func (e *LimitError) Error() string {
	unit := "bytes"
	if e.What == "tree" {
		unit = "entries"
	}
	return fmt.Sprintf("%s is larger than the limit of %d %s", e.What, e.Limit, unit)
}

// SubmoduleError means that a path is in a submodule. Submodules are not followed.
type SubmoduleError struct {
	// Path of the submodule in the tree.
	Path string
}

// Error names the submodule and the remedy.
func (e *SubmoduleError) Error() string {
	return fmt.Sprintf("%s is a Git submodule, which is not followed (add its repository as a source of the project)", e.Path)
}

// LFSError means that a file is a pointer to Git LFS content, which is not fetched.
type LFSError struct {
	// Path of the file in the tree.
	Path string
}

// Error names the file and the remedy.
func (e *LFSError) Error() string {
	return fmt.Sprintf("%s is a Git LFS pointer, whose content is not fetched (commit the file itself)", e.Path)
}

// LinkError means that a symbolic link cannot be resolved inside the tree.
type LinkError struct {
	// Path of the link in the tree, and what it points to.
	Path, Target string
	// Reason it is refused.
	Reason string
}

// Error names the link, its target and the reason.
func (e *LinkError) Error() string {
	return fmt.Sprintf("symbolic link %s -> %q %s", e.Path, e.Target, e.Reason)
}
