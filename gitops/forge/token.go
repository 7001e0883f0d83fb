package forge

import (
	"context"
	"fmt"
	"net/http"
)

// tokenKey is the context's key of a request's own token.
type tokenKey struct{}

// ownToken puts the token that a request was given on it, in place of the client's. The client refuses redirects to other
// hosts.
type ownToken struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (o ownToken) RoundTrip(r *http.Request) (*http.Response, error) {
	if token, ok := r.Context().Value(tokenKey{}).(string); ok {
		r = r.Clone(r.Context())
		r.Header.Set("Authorization", "Bearer "+token)
	}
	return o.next.RoundTrip(r)
}

// authorized is the context of a question about a repository: with the repository's own token, if it has one.
func (g *GitHub) authorized(ctx context.Context, fullName string) (context.Context, error) {
	if g.tokenOf == nil {
		return ctx, nil
	}
	token, err := g.tokenOf(ctx, fullName)
	if err != nil {
		return nil, fmt.Errorf("finding the token of %s: %w", fullName, err)
	}
	if token == "" {
		return ctx, nil
	}
	return context.WithValue(ctx, tokenKey{}, token), nil
}
