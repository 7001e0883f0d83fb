package gitssh

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/go-git/go-git/v5/plumbing/format/pktline"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/transport"
	"golang.org/x/crypto/ssh"
)

// maxReferences is how many bytes of references are read.
const maxReferences = 64 << 20

// session is one service that runs on the other side.
type session struct {
	// wait for the command's end.
	wait   func() error
	client *ssh.Client
	in     io.WriteCloser
	out    io.Reader
	said   said
	upload bool
	refs   *packp.AdvRefs
	// asked is set when a request was sent: else the service waits for one and must be told that none comes.
	asked bool
	once  sync.Once
}

var (
	_ transport.UploadPackSession  = (*session)(nil)
	_ transport.ReceivePackSession = (*session)(nil)
)

// said keeps the beginning of what the other side writes to standard error.
type said struct {
	mu   sync.Mutex
	text []byte
}

// Write implements io.Writer.
func (s *said) Write(p []byte) (int, error) {
	const most = 1024
	s.mu.Lock()
	defer s.mu.Unlock()
	s.text = append(s.text, p[:min(len(p), most-len(s.text))]...)
	return len(p), nil
}

func (s *said) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.TrimSpace(string(s.text))
}

// lastWords is how long a server that sends nothing may take to say why.
const lastWords = 10 * time.Second

func start(client *ssh.Client, command string) (_ *session, err error) {
	defer func() {
		if err != nil {
			_ = client.Close() // err says more
		}
	}()
	inner, err := client.NewSession()
	if err != nil {
		return nil, err
	}
	s := &session{client: client}
	inner.Stderr = &s.said
	if s.in, err = inner.StdinPipe(); err != nil {
		return nil, err
	}
	if s.out, err = inner.StdoutPipe(); err != nil {
		return nil, err
	}
	s.wait = inner.Wait
	return s, inner.Start(command)
}

// AdvertisedReferences implements transport.Session.
func (s *session) AdvertisedReferences() (*packp.AdvRefs, error) {
	return s.AdvertisedReferencesContext(context.Background())
}

// AdvertisedReferencesContext implements transport.Session.
func (s *session) AdvertisedReferencesContext(ctx context.Context) (*packp.AdvRefs, error) {
	if s.refs != nil {
		return s.refs, nil
	}
	defer context.AfterFunc(ctx, s.hangUp)()
	refs := packp.NewAdvRefs()
	err := refs.Decode(io.LimitReader(s.out, maxReferences))
	var line *pktline.ErrorLine
	switch {
	case errors.As(err, &line):
		return nil, refused(line.Text)
	case errors.Is(err, packp.ErrEmptyInput):
		defer time.AfterFunc(lastWords, s.hangUp).Stop()
		_ = s.wait() // what it says is on another stream, and complete when the command has ended
		return nil, errors.Join(refused(s.said.String()), ctx.Err())
	case errors.Is(err, packp.ErrEmptyAdvRefs), err == nil && refs.IsEmpty():
		if s.upload {
			return nil, transport.ErrEmptyRemoteRepository
		}
	case err != nil:
		return nil, errors.Join(fmt.Errorf("reading the references: %w", err), ctx.Err())
	}
	transport.FilterUnsupportedCapabilities(refs.Capabilities)
	s.refs = refs
	return refs, nil
}

// refused makes an error of what a server says instead of references.
func refused(text string) error {
	lower := strings.ToLower(text)
	for _, missing := range []string{"not found", "does not exist", "does not appear to be a git repository", "no such", "not be found"} {
		if strings.Contains(lower, missing) {
			return transport.ErrRepositoryNotFound
		}
	}
	if strings.Contains(lower, "denied") {
		return fmt.Errorf("%w: %q", transport.ErrAuthorizationFailed, text)
	}
	return fmt.Errorf("the server sends no references, and says %q", text)
}

// UploadPack implements transport.UploadPackSession. The answer is read until ctx ends or it is closed.
func (s *session) UploadPack(ctx context.Context, request *packp.UploadPackRequest) (*packp.UploadPackResponse, error) {
	if request.IsEmpty() {
		return nil, transport.ErrEmptyUploadPackRequest
	}
	if err := request.Validate(); err != nil {
		return nil, err
	}
	if _, err := s.AdvertisedReferencesContext(ctx); err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, s.hangUp)
	s.asked = true
	err := request.UploadRequest.Encode(s.in)
	if err == nil {
		err = request.UploadHaves.Encode(s.in, true)
	}
	if err == nil {
		err = pktline.NewEncoder(s.in).Encodef("done\n")
	}
	if err == nil {
		err = s.in.Close()
	}
	if err != nil {
		return nil, s.because(ctx, fmt.Errorf("asking for the pack: %w", err))
	}
	response := packp.NewUploadPackResponse(request)
	if err := response.Decode(&answer{s.out, s, stop}); err != nil {
		return nil, s.because(ctx, fmt.Errorf("reading the pack: %w", err))
	}
	return response, nil
}

// answer is what a service sends; closing it ends the session.
type answer struct {
	io.Reader
	session *session
	stop    func() bool
}

// Close implements io.Closer.
func (a *answer) Close() error {
	a.stop()
	return a.session.Close()
}

// ReceivePack implements transport.ReceivePackSession.
func (s *session) ReceivePack(ctx context.Context, request *packp.ReferenceUpdateRequest) (*packp.ReportStatus, error) {
	if _, err := s.AdvertisedReferencesContext(ctx); err != nil {
		return nil, err
	}
	defer context.AfterFunc(ctx, s.hangUp)()
	s.asked = true
	err := request.Encode(s.in)
	if err == nil {
		err = s.in.Close()
	}
	if err != nil {
		return nil, s.because(ctx, fmt.Errorf("sending the pack: %w", err))
	}
	report := packp.NewReportStatus()
	if err := report.Decode(s.out); err != nil {
		return nil, s.because(ctx, fmt.Errorf("reading the report: %w", err))
	}
	return report, report.Error()
}

// because adds what the other side said, and that time ran out.
func (s *session) because(ctx context.Context, err error) error {
	if text := s.said.String(); text != "" {
		err = fmt.Errorf("%w (the server says %q)", err, text)
	}
	return errors.Join(err, ctx.Err())
}

func (s *session) hangUp() { s.once.Do(func() { _ = s.client.Close() }) } // nothing can be done about it

// Close ends the session; a service that waits for a request is told that none comes.
func (s *session) Close() error {
	if !s.asked {
		s.asked = true
		_, _ = io.WriteString(s.in, "0000") // the connection ends anyway
	}
	s.hangUp()
	return nil
}
