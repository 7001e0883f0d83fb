package gitops

import (
	"fmt"
	"strings"

	"catalyst.dev/catalyst/api/v1alpha1"
	"catalyst.dev/catalyst/gitops/repository"
	"catalyst.dev/catalyst/gitops/source"
)

// Action is what a commit does to an environment, as its Catalyst-Action trailer says.
type Action string

// The actions.
const (
	ActionDeploy   Action = "deploy"
	ActionUpdate   Action = "update"
	ActionDelete   Action = "delete"
	ActionRerender Action = "rerender"
)

// Cause is who and what brought a change about.
type Cause struct {
	// Actor is "github:<login>", or empty for Catalyst itself.
	Actor string
	// Delivery is the webhook's delivery ID; empty where no webhook was involved.
	Delivery string
}

// author of the commit: whoever caused it.
func (c Cause) author() repository.Signature {
	login, ok := strings.CutPrefix(c.Actor, "github:")
	if !ok || login == "" {
		return committer()
	}
	return repository.Signature{Name: login, Email: login + "@users.noreply.github.com"}
}

func committer() repository.Signature {
	return repository.Signature{Name: "Catalyst", Email: "catalyst@catalyst.dev"}
}

// commitMessage is the message of an environment's commit. commit and repositoryURL are those of the template's
// source; zero for a deletion.
func commitMessage(env *v1alpha1.Environment, action Action, cause Cause, src sourceCommit) string {
	key := env.Key()
	subject := fmt.Sprintf("%s: %s", key, action)
	if action != ActionDelete && src.commit.SHA != "" {
		subject += fmt.Sprintf(" %s (%s)", shortSHA(src.commit.SHA), env.Spec.Type)
	}
	trailers := []repository.Trailer{
		{Key: "Catalyst-Environment", Value: key.String()},
		{Key: "Catalyst-Action", Value: string(action)},
	}
	if cause.Actor != "" {
		trailers = append(trailers, repository.Trailer{Key: "Catalyst-Actor", Value: cause.Actor})
	}
	if cause.Delivery != "" {
		trailers = append(trailers, repository.Trailer{Key: "Catalyst-Delivery", Value: cause.Delivery})
	}
	if src.commit.SHA != "" {
		trailers = append(trailers,
			repository.Trailer{Key: "Argocd-reference-commit-repourl", Value: src.repositoryURL},
			repository.Trailer{Key: "Argocd-reference-commit-sha", Value: src.commit.SHA},
			repository.Trailer{Key: "Argocd-reference-commit-author", Value: fmt.Sprintf("%s <%s>", src.commit.AuthorName, src.commit.AuthorEmail)},
			repository.Trailer{Key: "Argocd-reference-commit-subject", Value: src.commit.Subject})
	}
	return repository.Message(subject, src.commit.Subject, trailers)
}

// sourceCommit is the source revision that a render came from.
type sourceCommit struct {
	repositoryURL string
	commit        source.Commit
}

func shortSHA(sha string) string {
	if len(sha) > 7 {
		return sha[:7]
	}
	return sha
}
