package forge

import "time"

// Repository is a repository as the forge knows it.
type Repository struct {
	// ID stays the same when the repository is renamed or transferred.
	ID int64
	// FullName is owner/name.
	FullName string
	// CloneURL is the https URL that Git fetches from.
	CloneURL string
}

// Head is the branch that a pull request wants merged.
type Head struct {
	// Ref is the branch's short name: text that the pull request's author chose.
	Ref string
	// SHA is the commit, 40 hex digits.
	SHA string
	// RepositoryID is 0 when the repository (a fork) was deleted.
	RepositoryID int64
	// FullName is the head repository's owner/name; empty when it was deleted.
	FullName string
}

// Base is the branch that a pull request is to be merged into.
type Base struct {
	// Ref is the branch's short name.
	Ref string
}

// PullRequest is the state of a pull request: levels, not events.
type PullRequest struct {
	// Repository is the base repository: the one that the pull request is numbered in.
	Repository Repository
	Number     int
	// State is "open" or "closed".
	State  string
	Merged bool
	Draft  bool
	// Labels are the labels' names in the forge's order.
	Labels []string
	Head   Head
	Base   Base
	Title  string
	// Author is the login of the account that opened it.
	Author    string
	AuthorID  int64
	UpdatedAt time.Time
}

// Fork reports whether the head is outside the base repository, or in a repository that is gone. Two unknown IDs count
// as a fork: what cannot be shown to be ours is not.
func (p PullRequest) Fork() bool {
	return p.Head.RepositoryID == 0 || p.Head.RepositoryID != p.Repository.ID
}
