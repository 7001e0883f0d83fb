package source

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/hashicorp/golang-lru/v2/expirable"
)

// errOldProtocol means that the server does not answer in protocol version 2.
var errOldProtocol = errors.New("the server does not speak protocol version 2")

// service is what a server said of itself: where it is after redirects, and whether it filters.
type service struct {
	base   string
	filter bool
}

// httpRemote speaks protocol version 2 over HTTP, which lets any object be asked for by its name and has no
// advertisement of all references. go-git speaks versions 0 and 1 only.
type httpRemote struct {
	client   *http.Client
	url      string
	auth     *Auth
	maxBytes int64
	// known holds the answers to earlier discoveries by URL, which cost an exchange each.
	known *expirable.LRU[string, *service]
}

// noCrossHost keeps credentials and requests on the host that the URL names.
func noCrossHost(req *http.Request, via []*http.Request) error {
	first := via[0].URL
	if len(via) > 5 || req.URL.Host != first.Host || (req.URL.Scheme != first.Scheme && req.URL.Scheme != "https") ||
		req.Method != http.MethodGet {
		return fmt.Errorf("%w: redirect from %s to %s (use the repository's present address)", ErrURL, first.Host, req.URL.Host)
	}
	return nil
}

// discover asks for the server's capabilities.
func (h *httpRemote) discover(ctx context.Context) (*service, error) {
	if s, ok := h.known.Get(h.url); ok {
		return s, nil
	}
	const suffix = "/info/refs?service=git-upload-pack"
	response, err := h.send(ctx, http.MethodGet, h.url+suffix, nil)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	s := &service{base: strings.TrimSuffix(response.Request.URL.String(), suffix)}
	if response.Header.Get("Content-Type") != "application/x-git-upload-pack-advertisement" {
		return nil, fmt.Errorf("%w: %s does not answer as a Git repository", ErrNotFound, h.url)
	}
	pkts := &pktReader{r: &limitedReader{r: response.Body, left: 1 << 20, limit: &LimitError{What: "advertisement", Limit: 1 << 20}}}
	version2 := false
	for {
		kind, data, err := pkts.next()
		line := strings.TrimSuffix(string(data), "\n")
		switch {
		case err != nil:
			return nil, err
		case kind == pktFlush && version2:
			h.known.Add(h.url, s)
			return s, nil
		case kind != pktData, strings.HasPrefix(line, "# service="):
		case line == "version 2":
			version2 = true
		case !version2:
			return nil, errOldProtocol
		case strings.HasPrefix(line, "fetch="):
			for word := range strings.FieldsSeq(strings.TrimPrefix(line, "fetch=")) {
				s.filter = s.filter || word == "filter"
			}
		case strings.HasPrefix(line, "object-format=") && line != "object-format=sha1":
			return nil, fmt.Errorf("%w: the repository has %s names, which are not supported yet", ErrInvalid, line[len("object-format="):])
		}
	}
}

// fetch asks for objects; args are further arguments, such as "deepen 1". The caller closes the pack.
func (h *httpRemote) fetch(ctx context.Context, wants []plumbing.Hash, args ...string) (io.ReadCloser, error) {
	lines := append([]string{"ofs-delta", "no-progress"}, args...)
	for _, w := range wants {
		lines = append(lines, "want "+w.String())
	}
	body, err := h.command(ctx, "fetch", append(lines, "done"))
	if err != nil {
		return nil, err
	}
	pkts := &pktReader{r: body}
	for {
		kind, data, err := pkts.next()
		if err == nil && kind == pktFlush {
			err = fmt.Errorf("%w: answer without a pack", ErrInvalid)
		}
		if err != nil {
			body.Close()
			return nil, err
		}
		if kind == pktData && string(data) == "packfile\n" {
			return &pack{Reader: &packReader{pkts: pkts}, Closer: body}, nil
		}
	}
}

// pack is a stream with what to close after it.
type pack struct {
	io.Reader
	io.Closer
}

// branch asks for the commit of one branch.
func (h *httpRemote) branch(ctx context.Context, ref plumbing.ReferenceName) (string, error) {
	body, err := h.command(ctx, "ls-refs", []string{"ref-prefix " + ref.String()})
	if err != nil {
		return "", err
	}
	defer body.Close()
	pkts := &pktReader{r: body}
	for {
		kind, data, err := pkts.next()
		if err != nil {
			return "", err
		}
		if kind != pktData {
			return "", fmt.Errorf("branch %q: %w", ref.Short(), ErrNotFound)
		}
		sha, name, _ := strings.Cut(strings.TrimSuffix(string(data), "\n"), " ")
		if name == ref.String() && checkSHA(sha) == nil {
			return sha, nil
		}
	}
}

// command sends one command of protocol version 2.
func (h *httpRemote) command(ctx context.Context, name string, args []string) (io.ReadCloser, error) {
	var b bytes.Buffer
	writePkt(&b, "command="+name)
	writePkt(&b, "agent=catalyst")
	writePkt(&b, "object-format=sha1")
	b.WriteString("0001")
	for _, a := range args {
		writePkt(&b, a)
	}
	b.WriteString("0000")
	response, err := h.post(ctx, b.Bytes())
	if err != nil {
		return nil, err
	}
	limited := &limitedReader{r: response.Body, left: h.maxBytes, limit: &LimitError{What: "pack", Limit: h.maxBytes}}
	return &pack{Reader: limited, Closer: response.Body}, nil
}

// post sends a request to where discovery found the repository, and discovers it anew if what was known does no more hold.
func (h *httpRemote) post(ctx context.Context, body []byte) (*http.Response, error) {
	known := h.known.Contains(h.url)
	s, err := h.discover(ctx)
	if err != nil {
		return nil, err
	}
	response, err := h.send(ctx, http.MethodPost, s.base+"/git-upload-pack", bytes.NewReader(body))
	if err == nil || !known || ctx.Err() != nil {
		return response, err
	}
	h.known.Remove(h.url)
	if s, err = h.discover(ctx); err != nil {
		return nil, err
	}
	return h.send(ctx, http.MethodPost, s.base+"/git-upload-pack", bytes.NewReader(body))
}

func (h *httpRemote) send(ctx context.Context, method, address string, body io.Reader) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, method, address, body)
	if err != nil {
		return nil, fmt.Errorf("%w: it does not parse as a URL", ErrURL)
	}
	request.Header.Set("Git-Protocol", "version=2")
	request.Header.Set("User-Agent", "git/2 catalyst") // some forges answer only to git
	if body != nil {
		request.Header.Set("Content-Type", "application/x-git-upload-pack-request")
	}
	if h.auth != nil && (h.auth.Username != "" || h.auth.Password != "") {
		request.SetBasicAuth(h.auth.Username, h.auth.Password)
	}
	response, err := h.client.Do(request)
	if err != nil {
		var wrapped *url.Error
		if errors.As(err, &wrapped) {
			err = wrapped.Err
		}
		return nil, err
	}
	switch response.StatusCode {
	case http.StatusOK:
		return response, nil
	case http.StatusUnauthorized, http.StatusForbidden:
		err = ErrAuth
	case http.StatusNotFound, http.StatusGone:
		err = ErrNotFound
	default:
		err = fmt.Errorf("the server answers %d", response.StatusCode)
	}
	response.Body.Close()
	return nil, err
}
