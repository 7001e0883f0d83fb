package repository

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/packfile"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/capability"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/sideband"
	"github.com/go-git/go-git/v5/plumbing/transport"
	"github.com/go-git/go-git/v5/plumbing/transport/client"
	githttp "github.com/go-git/go-git/v5/plumbing/transport/http"
	"github.com/go-git/go-git/v5/storage/memory"
)

// maxPack bounds what is read from the remote in one exchange.
const maxPack = 500 << 20

// remote is the other side: references and packs.
type remote struct {
	endpoint  *transport.Endpoint
	transport transport.Transport
	auth      transport.AuthMethod
	timeout   time.Duration
}

func newRemote(o Options) (*remote, error) {
	endpoint, err := transport.NewEndpoint(o.URL)
	if err != nil {
		return nil, fmt.Errorf("reading the URL of the environments repository: %w", err)
	}
	r := &remote{endpoint: endpoint, timeout: o.Timeout}
	switch endpoint.Protocol {
	case "http", "https":
		r.auth = o.Auth.method()
		// A client of its own: credentials never follow a redirect to another host, and connections are kept alive.
		r.transport = githttp.NewClient(&http.Client{
			Transport: http.DefaultTransport.(*http.Transport).Clone(),
			CheckRedirect: func(req *http.Request, via []*http.Request) error {
				if req.URL.Host != via[0].URL.Host || len(via) > 5 {
					return fmt.Errorf("redirect to %s refused", req.URL.Host)
				}
				return nil
			},
		})
	case "ssh":
		if o.SSH == nil {
			return nil, errors.New("environments repository: ssh needs a key and known hosts (start with --ssh-key and --ssh-known-hosts, or use the https URL)")
		}
		r.transport = o.SSH
	default:
		if r.transport, err = client.NewClient(endpoint); err != nil {
			return nil, fmt.Errorf("environments repository: %w", err)
		}
	}
	return r, nil
}

// tip asks for the commit of a reference; the zero hash when it does not exist.
func (r *remote) tip(ctx context.Context, ref plumbing.ReferenceName) (plumbing.Hash, error) {
	var tip plumbing.Hash
	err := r.fetching(ctx, func(_ context.Context, _ transport.UploadPackSession, adv *packp.AdvRefs) error {
		if adv != nil {
			tip = adv.References[ref.String()]
		}
		return nil
	})
	return tip, err
}

// request is what a fetch asks for.
type request struct {
	wants    []plumbing.Hash
	haves    []plumbing.Hash
	shallows []plumbing.Hash
	depth    int
	// blobs asks for file contents too; else they are left out where the remote can.
	blobs bool
}

// fetch reads objects into a fresh store.
func (r *remote) fetch(ctx context.Context, q request) (*memory.Storage, error) {
	store := memory.NewStorage()
	err := r.fetching(ctx, func(ctx context.Context, s transport.UploadPackSession, adv *packp.AdvRefs) error {
		if adv == nil {
			return ErrEmpty
		}
		req, err := uploadRequest(q, adv)
		if err != nil {
			return err
		}
		answer, err := s.UploadPack(ctx, req)
		if errors.Is(err, transport.ErrEmptyUploadPackRequest) {
			return nil
		}
		if err != nil {
			return err
		}
		defer func() { _ = answer.Close() }() // all of it is read below, or an error says so
		return packfile.UpdateObjectStorage(store, demux(req.Capabilities, io.LimitReader(answer, maxPack)))
	})
	return store, err
}

func uploadRequest(q request, adv *packp.AdvRefs) (*packp.UploadPackRequest, error) {
	req := packp.NewUploadPackRequestFromCapabilities(adv.Capabilities)
	req.Wants, req.Haves, req.Shallows = q.wants, q.haves, q.shallows
	if q.depth > 0 || len(q.shallows) > 0 {
		if err := req.Capabilities.Set(capability.Shallow); err != nil {
			return nil, err
		}
		req.Depth = packp.DepthCommits(q.depth)
	}
	if !q.blobs && lazy(adv) {
		if err := req.Capabilities.Set(capability.Filter); err != nil {
			return nil, err
		}
		req.Filter = packp.FilterBlobNone()
	}
	return req, nil
}

// lazy reports whether file contents can be left out and asked for later.
func lazy(adv *packp.AdvRefs) bool {
	return adv.Capabilities.Supports(capability.Filter) &&
		(adv.Capabilities.Supports(capability.AllowReachableSHA1InWant) || adv.Capabilities.Supports("allow-any-sha1-in-want"))
}

func demux(c *capability.List, r io.Reader) io.Reader {
	switch {
	case c.Supports(capability.Sideband64k):
		return sideband.NewDemuxer(sideband.Sideband64k, r)
	case c.Supports(capability.Sideband):
		return sideband.NewDemuxer(sideband.Sideband, r)
	}
	return r
}

// fetching opens a session and reads its advertisement; nil when the repository is empty.
func (r *remote) fetching(ctx context.Context, f func(context.Context, transport.UploadPackSession, *packp.AdvRefs) error) error {
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	s, err := r.transport.NewUploadPackSession(r.endpoint, r.auth)
	if err != nil {
		return fmt.Errorf("connecting to the environments repository: %w", err)
	}
	defer func() { _ = s.Close() }() // what matters was read
	adv, err := s.AdvertisedReferencesContext(ctx)
	if errors.Is(err, transport.ErrEmptyRemoteRepository) {
		return f(ctx, s, nil)
	}
	if err != nil {
		return fmt.Errorf("asking the environments repository for its references: %w", err)
	}
	if err := f(ctx, s, adv); err != nil {
		return fmt.Errorf("fetching from the environments repository: %w", err)
	}
	return nil
}

// push moves a reference from one commit to another, with the pack of what is new. Its error says only that it may not have
// happened.
func (r *remote) push(ctx context.Context, ref plumbing.ReferenceName, from, to plumbing.Hash, pack []byte) error {
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	s, err := r.transport.NewReceivePackSession(r.endpoint, r.auth)
	if err != nil {
		return fmt.Errorf("connecting to the environments repository: %w", err)
	}
	defer func() { _ = s.Close() }() // the report was read
	req := packp.NewReferenceUpdateRequest()
	if err := req.Capabilities.Set(capability.ReportStatus); err != nil {
		return fmt.Errorf("preparing the push: %w", err)
	}
	req.Commands = []*packp.Command{{Name: ref, Old: from, New: to}}
	req.Packfile = io.NopCloser(bytes.NewReader(pack))
	report, err := s.ReceivePack(ctx, req)
	if err != nil {
		return err
	}
	if report == nil {
		return errors.New("the remote sent no report")
	}
	return report.Error()
}
