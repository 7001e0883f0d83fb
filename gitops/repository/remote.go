package repository

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/capability"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/sideband"
	"github.com/go-git/go-git/v5/plumbing/transport"
	"github.com/go-git/go-git/v5/plumbing/transport/file"
	githttp "github.com/go-git/go-git/v5/plumbing/transport/http"
	"github.com/go-git/go-git/v5/plumbing/transport/ssh"
	"github.com/go-git/go-git/v5/storage/memory"
	"golang.org/x/crypto/ssh/knownhosts"
)

// remote is the repository at the other end. It keeps connections, not state: what it remembers are capabilities.
type remote struct {
	transport transport.Transport
	endpoint  *transport.Endpoint
	auth      transport.AuthMethod
	timeout   time.Duration
	maxPack   int64
	// stateless is HTTP, where a push needs no advertisement before it.
	stateless bool

	mu      sync.Mutex
	fetches *capability.List // of upload-pack; nil until the first advertisement of a branch
	pushes  *capability.List // of receive-pack; nil: ask again
}

func newRemote(o Options) (*remote, error) {
	endpoint, err := transport.NewEndpoint(o.URL)
	if err != nil || o.URL == "" {
		// The URL may hold a password, and so may the error.
		return nil, errors.New("environments repository: not a valid URL")
	}
	// Errors print the endpoint: credentials go into the authentication and nowhere else.
	if o.Auth.Username == "" {
		o.Auth.Username = endpoint.User
	}
	if o.Auth.Password == "" {
		o.Auth.Password = endpoint.Password
	}
	endpoint.User, endpoint.Password = "", ""
	r := &remote{endpoint: endpoint, timeout: o.Timeout, maxPack: o.MaxPack}
	switch endpoint.Protocol {
	case "http", "https":
		r.stateless = true
		r.transport = newHTTP(o.MaxPack)
		if o.Auth.Username != "" || o.Auth.Password != "" {
			r.auth = &githttp.BasicAuth{Username: orElse(o.Auth.Username, "x-access-token"), Password: o.Auth.Password}
		}
	case "file":
		r.transport = file.NewClient(transport.UploadPackServiceName, transport.ReceivePackServiceName)
	case "ssh":
		r.transport = ssh.NewClient(nil)
		if r.auth, err = sshAuth(o.Auth); err != nil {
			return nil, err
		}
	default:
		return nil, fmt.Errorf("environments repository: URL scheme %q: want https, http, ssh, file or a path", endpoint.Protocol)
	}
	return r, nil
}

// newHTTP makes a client with connections of its own that follows no redirect: credentials never reach another host.
func newHTTP(maxBody int64) transport.Transport {
	base := http.DefaultTransport.(*http.Transport).Clone()
	base.MaxIdleConnsPerHost = 4
	return githttp.NewClientWithOptions(&http.Client{Transport: boundedBodies{base, maxBody + 1<<20}},
		&githttp.ClientOptions{RedirectPolicy: githttp.NoFollowRedirects})
}

type boundedBodies struct {
	http.RoundTripper
	most int64
}

func (b boundedBodies) RoundTrip(req *http.Request) (*http.Response, error) {
	res, err := b.RoundTripper.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	res.Body = struct {
		io.Reader
		io.Closer
	}{&boundedReader{res.Body, b.most}, res.Body}
	return res, nil
}

type boundedReader struct {
	r    io.Reader
	left int64
}

func (b *boundedReader) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, fmt.Errorf("answer of the environments repository: %w", ErrTooLarge)
	}
	n, err := b.r.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}

func sshAuth(a Auth) (transport.AuthMethod, error) {
	if len(a.SSHKeyPEM) == 0 || len(a.KnownHosts) == 0 {
		return nil, errors.New("environments repository over ssh: needs a private key and the server's known_hosts lines")
	}
	keys, err := ssh.NewPublicKeys(orElse(a.Username, "git"), a.SSHKeyPEM, "")
	if err != nil {
		return nil, fmt.Errorf("reading the ssh key: %w", err)
	}
	// The parser takes files only; it has read this one when it returns.
	f, err := os.CreateTemp("", "known_hosts")
	if err != nil {
		return nil, fmt.Errorf("reading known_hosts: %w", err)
	}
	defer func() { _ = os.Remove(f.Name()) }()
	_, err = f.Write(a.KnownHosts)
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, fmt.Errorf("reading known_hosts: %w", err)
	}
	if keys.HostKeyCallback, err = knownhosts.New(f.Name()); err != nil {
		return nil, fmt.Errorf("reading known_hosts: %w", err)
	}
	return keys, nil
}

// tip asks the remote for the branch; the zero hash when it has none.
func (r *remote) tip(ctx context.Context, ref plumbing.ReferenceName) (plumbing.Hash, error) {
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	s, err := r.transport.NewUploadPackSession(r.endpoint, r.auth)
	if err != nil {
		return plumbing.ZeroHash, fmt.Errorf("connecting to %s: %w", r.endpoint, err)
	}
	defer func() { _ = s.Close() }()
	refs, err := s.AdvertisedReferencesContext(ctx)
	if errors.Is(err, transport.ErrEmptyRemoteRepository) {
		return plumbing.ZeroHash, nil
	}
	if err != nil {
		return plumbing.ZeroHash, fmt.Errorf("reading the tip of %s: %w", r.endpoint, err)
	}
	r.mu.Lock()
	r.fetches = refs.Capabilities
	r.mu.Unlock()
	return refs.References[ref.String()], nil
}

func (r *remote) supports(c capability.Capability) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.fetches != nil && r.fetches.Supports(c)
}

// anyObject tells whether single trees and files can be asked for by hash.
func (r *remote) anyObject() bool {
	return r.supports("allow-any-sha1-in-want") || r.supports(capability.AllowReachableSHA1InWant) && r.supports(capability.Filter)
}

// request is what to fetch.
type request struct {
	wants, haves, shallows []plumbing.Hash
	depth                  int
	// contents asks for files too.
	contents bool
}

func (r *remote) fetch(ctx context.Context, f request) (*memory.Storage, error) {
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	s, err := r.transport.NewUploadPackSession(r.endpoint, r.auth)
	if err != nil {
		return nil, fmt.Errorf("connecting to %s: %w", r.endpoint, err)
	}
	defer func() { _ = s.Close() }()
	req := r.uploadRequest(f)
	res, err := s.UploadPack(ctx, req)
	if err != nil {
		return nil, fmt.Errorf("fetching from %s: %w", r.endpoint, err)
	}
	defer func() { _ = res.Close() }()
	data, err := readPack(res, req.Capabilities, r.maxPack)
	if err != nil {
		return nil, fmt.Errorf("fetching from %s: %w", r.endpoint, err)
	}
	objects, err := decodePack(data, r.maxPack, r.maxPack*maxInflated)
	if err != nil {
		return nil, fmt.Errorf("fetching from %s: %w", r.endpoint, err)
	}
	pack := memory.NewStorage()
	for _, o := range objects {
		obj := &plumbing.MemoryObject{}
		obj.SetType(o.kind)
		if _, err := obj.Write(o.data); err != nil {
			return nil, err
		}
		pack.Objects[o.hash] = obj
	}
	return pack, nil
}

func (r *remote) uploadRequest(f request) *packp.UploadPackRequest {
	r.mu.Lock()
	defer r.mu.Unlock()
	req := packp.NewUploadPackRequestFromCapabilities(r.fetches)
	set := func(c capability.Capability) bool {
		return r.fetches.Supports(c) && req.Capabilities.Set(c) == nil
	}
	set(capability.NoProgress)
	req.Wants, req.Haves = f.wants, f.haves
	if set(capability.Shallow) {
		req.Shallows, req.Depth = f.shallows, packp.DepthCommits(f.depth)
	}
	if !f.contents && set(capability.Filter) {
		req.Filter = packp.FilterBlobNone()
	}
	return req
}

func readPack(res io.Reader, caps *capability.List, most int64) ([]byte, error) {
	switch {
	case caps.Supports(capability.Sideband64k):
		res = sideband.NewDemuxer(sideband.Sideband64k, res)
	case caps.Supports(capability.Sideband):
		res = sideband.NewDemuxer(sideband.Sideband, res)
	}
	data, err := io.ReadAll(io.LimitReader(res, most+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > most {
		return nil, fmt.Errorf("pack of more than %d bytes: %w", most, ErrTooLarge)
	}
	return data, nil
}

// push moves the branch from old to the new commit if the remote still has it at old.
func (r *remote) push(ctx context.Context, ref plumbing.ReferenceName, old, tip plumbing.Hash, pack []byte) error {
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	s, err := r.transport.NewReceivePackSession(r.endpoint, r.auth)
	if err != nil {
		return fmt.Errorf("connecting to %s: %w", r.endpoint, err)
	}
	defer func() { _ = s.Close() }()
	caps, err := r.pushCapabilities(ctx, s)
	if err != nil {
		return err
	}
	req := packp.NewReferenceUpdateRequestFromCapabilities(caps)
	said := &boundedText{left: 8 << 10}
	if caps.Supports(capability.Sideband64k) {
		if err := req.Capabilities.Set(capability.Sideband64k); err != nil {
			return err
		}
		req.Progress = said
	}
	req.Commands = []*packp.Command{{Name: ref, Old: old, New: tip}}
	req.Packfile = io.NopCloser(bytes.NewReader(pack))
	report, err := s.ReceivePack(ctx, req)
	if err == nil && report == nil && caps.Supports(capability.ReportStatus) {
		err = errors.New("the server gave no answer")
	}
	if err != nil {
		r.mu.Lock()
		r.pushes = nil // the next push asks for the advertisement
		r.mu.Unlock()
		return classify(r.endpoint.String(), report, err, said.String())
	}
	return nil
}

// pushCapabilities come from the advertisement. It is skipped where the server needs none before a push and an earlier
// one succeeded: the command's old value is what guards the branch.
func (r *remote) pushCapabilities(ctx context.Context, s transport.ReceivePackSession) (*capability.List, error) {
	r.mu.Lock()
	known := r.pushes
	r.mu.Unlock()
	if known != nil && r.stateless {
		return known, nil
	}
	refs, err := s.AdvertisedReferencesContext(ctx)
	if err != nil {
		return nil, classify(r.endpoint.String(), nil, err, "")
	}
	r.mu.Lock()
	r.pushes = refs.Capabilities
	r.mu.Unlock()
	return refs.Capabilities, nil
}

// boundedText keeps the first bytes of what a server says.
type boundedText struct {
	bytes.Buffer
	left int
}

func (b *boundedText) Write(p []byte) (int, error) {
	n := min(len(p), b.left)
	b.left -= n
	b.Buffer.Write(p[:n])
	return len(p), nil
}
