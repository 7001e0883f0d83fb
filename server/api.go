package server

import (
	"context"
	"encoding/json"
	"time"

	"catalyst.dev/catalyst/api/v1alpha1"
	"catalyst.dev/catalyst/gitops"
)

// Data answers the API from the environments repository and the database. Errors that wrap gitops.ErrNotFound,
// ErrInvalid or ErrConflict are told to the client; others are internal.
type Data struct {
	// Teams in the order of their names.
	Teams func(ctx context.Context) ([]*v1alpha1.Team, error)
	// Projects of all teams in the order of team and name.
	Projects func(ctx context.Context) ([]*v1alpha1.Project, error)
	// Keys of the environments; an empty team or project means all. In any order.
	Keys func(ctx context.Context, team, project string) ([]v1alpha1.EnvironmentKey, error)
	// Environment reads one. It sets Spec, URL, Revision and Outcome; the server fills the rest.
	Environment func(ctx context.Context, key v1alpha1.EnvironmentKey) (Environment, error)
	// Manifests by file name.
	Manifests func(ctx context.Context, key v1alpha1.EnvironmentKey) (map[string][]byte, error)
	// History of one environment, the newest first, at most limit.
	History func(ctx context.Context, key v1alpha1.EnvironmentKey, limit int) ([]Change, error)
	// Broken are the hand-written files of the environments repository that cannot be used, by path.
	Broken func(ctx context.Context) ([]gitops.BrokenFile, error)
	// BrokenOf are those of them that keep one environment from being rendered.
	BrokenOf func(ctx context.Context, key v1alpha1.EnvironmentKey) ([]gitops.BrokenFile, error)
}

func (d Data) complete() bool {
	return d.Teams != nil && d.Projects != nil && d.Keys != nil && d.Environment != nil && d.Manifests != nil && d.History != nil && d.Broken != nil && d.BrokenOf != nil
}

// List is a page of a list.
type List[T any] struct {
	// Items of this page; never null.
	Items []T `json:"items"`
	// Continue is the next page's token; empty on the last page.
	Continue string `json:"continue,omitempty"`
	// Broken are the hand-written files that cannot be used and that concern the list. What they describe is missing from
	// it, or not up to date; all else goes on.
	Broken []gitops.BrokenFile `json:"broken,omitempty"`
}

// Team is a team as the API shows it.
type Team struct {
	Name string            `json:"name"`
	Spec v1alpha1.TeamSpec `json:"spec"`
}

// Project is a project as the API shows it.
type Project struct {
	// Key is team/project.
	Key  string               `json:"key"`
	Team string               `json:"team"`
	Name string               `json:"name"`
	Spec v1alpha1.ProjectSpec `json:"spec"`
}

// Environment is an environment as the API shows it.
type Environment struct {
	// Key is team/project/environment.
	Key string `json:"key"`
	// Namespace in the cluster, and the name of the Argo CD Application.
	Namespace string `json:"namespace"`
	// URL where it is reached; empty when it is not.
	URL  string                   `json:"url,omitempty"`
	Spec v1alpha1.EnvironmentSpec `json:"spec"`
	// Revision of the environments repository that was read.
	Revision string `json:"revision,omitempty"`
	// Phase sums up: Pending, Deploying, Failed or Terminating.
	Phase string `json:"phase"`
	// Outcome of the last work on it; nil before the first.
	Outcome *Outcome `json:"outcome,omitempty"`
	// Conditions are Rendered and Committed.
	Conditions []Condition `json:"conditions"`
}

// Outcome is what came of the last work on an environment.
type Outcome struct {
	// State is committed, unchanged, failed, render-only, skipped, deleted, expired or held.
	State     string          `json:"state"`
	Message   string          `json:"message,omitempty"`
	SourceSHA string          `json:"sourceSHA,omitempty"`
	Revision  string          `json:"revision,omitempty"`
	Report    json.RawMessage `json:"report,omitempty"`
	At        time.Time       `json:"at"`
}

// Condition is one of Kubernetes' shape.
type Condition struct {
	Type string `json:"type"`
	// Status is True, False or Unknown.
	Status  string `json:"status"`
	Reason  string `json:"reason"`
	Message string `json:"message,omitempty"`
}

// Manifest is one rendered file.
type Manifest struct {
	Name    string `json:"name"`
	Content string `json:"content"`
}

// Change is a commit that changed an environment.
type Change struct {
	Revision  string    `json:"revision"`
	Subject   string    `json:"subject"`
	Author    string    `json:"author"`
	At        time.Time `json:"at"`
	Action    string    `json:"action,omitempty"`
	Actor     string    `json:"actor,omitempty"`
	Delivery  string    `json:"delivery,omitempty"`
	SourceSHA string    `json:"sourceSHA,omitempty"`
}
