package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/capability"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/sideband"
	"github.com/go-git/go-git/v5/plumbing/transport"
	githttp "github.com/go-git/go-git/v5/plumbing/transport/http"
)

// oldRemote speaks protocol version 0 through go-git: ssh, and servers without version 2. Whole commits come.
type oldRemote struct {
	remote remote
	auth   *Auth
	client *http.Client
	ssh    transport.Transport
}

func (c *Cache) old(r remote, url string) *oldRemote {
	limited := *c.client
	limited.Transport = limitedTransport{max: c.options.MaxBytes}
	return &oldRemote{remote: r, auth: c.auth(url), client: &limited, ssh: c.options.SSH}
}

// limitedTransport bounds answers before go-git reads them.
type limitedTransport struct{ max int64 }

func (l limitedTransport) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := http.DefaultTransport.RoundTrip(request)
	if err == nil {
		body := response.Body
		response.Body = &pack{Reader: &limitedReader{r: body, left: l.max, limit: &LimitError{What: "pack", Limit: l.max}}, Closer: body}
	}
	return response, err
}

func (o *oldRemote) session() (transport.UploadPackSession, error) {
	endpoint, err := transport.NewEndpoint(o.remote.text)
	if err != nil {
		return nil, fmt.Errorf("%w: it does not parse", ErrURL)
	}
	if o.remote.scheme == "ssh" {
		if o.ssh == nil {
			return nil, fmt.Errorf("%w: the server has no ssh key (start it with --ssh-key and --ssh-known-hosts, or use the https URL)", ErrAuth)
		}
		return o.ssh.NewUploadPackSession(endpoint, nil)
	}
	var auth transport.AuthMethod
	if o.auth != nil && (o.auth.Username != "" || o.auth.Password != "") {
		auth = &githttp.BasicAuth{Username: o.auth.Username, Password: o.auth.Password}
	}
	return githttp.NewClient(o.client).NewUploadPackSession(endpoint, auth)
}

func (o *oldRemote) advertised(ctx context.Context) (transport.UploadPackSession, *packp.AdvRefs, error) {
	session, err := o.session()
	if err != nil {
		return nil, nil, explain(err)
	}
	refs, err := session.AdvertisedReferencesContext(ctx)
	if err != nil {
		return nil, nil, errors.Join(explain(err), session.Close())
	}
	return session, refs, nil
}

func explain(err error) error {
	switch {
	case errors.Is(err, transport.ErrRepositoryNotFound), errors.Is(err, transport.ErrEmptyRemoteRepository):
		return ErrNotFound
	case errors.Is(err, transport.ErrAuthenticationRequired), errors.Is(err, transport.ErrAuthorizationFailed):
		return ErrAuth
	}
	return err
}

func (o *oldRemote) branch(ctx context.Context, ref plumbing.ReferenceName) (string, error) {
	session, refs, err := o.advertised(ctx)
	if err != nil {
		return "", err
	}
	defer session.Close()
	hash, ok := refs.References[ref.String()]
	if !ok {
		return "", ErrNotFound
	}
	return hash.String(), nil
}

// fetch asks for the commit alone, or for all branches where the server gives out only what it advertises.
func (o *oldRemote) fetch(ctx context.Context, s *state, sha plumbing.Hash, keep *packFile) error {
	session, refs, err := o.advertised(ctx)
	if err != nil {
		keep.abandon()
		return err
	}
	defer session.Close()
	request := packp.NewUploadPackRequestFromCapabilities(refs.Capabilities)
	exact := refs.Capabilities.Supports("allow-reachable-sha1-in-want") || refs.Capabilities.Supports("allow-any-sha1-in-want")
	branches := map[plumbing.Hash]bool{}
	for name, hash := range refs.References {
		exact = exact || hash == sha
		if plumbing.ReferenceName(name).IsBranch() && !branches[hash] {
			branches[hash] = true
			request.Wants = append(request.Wants, hash)
		}
	}
	if exact {
		request.Wants = []plumbing.Hash{sha}
		if refs.Capabilities.Supports(capability.Shallow) {
			request.Depth = packp.DepthCommits(1)
			if err := request.Capabilities.Set(capability.Shallow); err != nil {
				keep.abandon()
				return err
			}
		}
	}
	response, err := session.UploadPack(ctx, request)
	if err != nil {
		keep.abandon()
		return explain(err)
	}
	return s.unpack(&pack{Reader: demux(request.Capabilities, response), Closer: response}, keep)
}

func demux(capabilities *capability.List, r io.Reader) io.Reader {
	switch {
	case capabilities.Supports(capability.Sideband64k):
		return sideband.NewDemuxer(sideband.Sideband64k, r)
	case capabilities.Supports(capability.Sideband):
		return sideband.NewDemuxer(sideband.Sideband, r)
	}
	return r
}
