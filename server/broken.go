package server

import (
	"context"
	"net/http"
	"strings"

	"catalyst.dev/catalyst/api/v1alpha1"
	"catalyst.dev/catalyst/gitops"
)

// broken lists the files that cannot be used, of one team or of all, whose paths begin in one of the ways. What concerns
// everybody is in every list.
func (s *Server) broken(ctx context.Context, team string, prefixes ...string) ([]gitops.BrokenFile, error) {
	all, err := s.config.Data.Broken(ctx)
	if err != nil {
		return nil, err
	}
	var found []gitops.BrokenFile
	for _, b := range all {
		ours := b.Team() == ""
		for _, prefix := range prefixes {
			ours = ours || strings.HasPrefix(b.Path, prefix) && (team == "" || b.Team() == team)
		}
		if ours {
			found = append(found, b)
		}
	}
	return found, nil
}

// unusable is the problem of what a broken file describes; nil when the file is not broken.
func (s *Server) unusable(ctx context.Context, file string) error {
	all, err := s.config.Data.Broken(ctx)
	if err != nil {
		return err
	}
	for _, b := range all {
		if b.Path == file {
			return problem(http.StatusUnprocessableEntity, withPath(b))
		}
	}
	return nil
}

// withPath is the file's faults, each with the file's path.
func withPath(b gitops.BrokenFile) string {
	return b.Path + ": " + strings.ReplaceAll(b.Error, "\n", "\n"+b.Path+": ")
}

// markBroken says in an environment's conditions that it cannot be rendered any more because of a file. What is deployed
// stays as it is.
func (e *Environment) markBroken(key v1alpha1.EnvironmentKey, broken []gitops.BrokenFile) {
	var messages []string
	for _, b := range broken {
		if b.Affects(key) {
			messages = append(messages, withPath(b))
		}
	}
	if len(messages) > 0 {
		e.Conditions[0] = Condition{Type: "Rendered", Status: "False", Reason: "InvalidFile", Message: strings.Join(messages, "\n")}
	}
}
