// Package gitssh provides Git's transport over ssh. A Client has one key and given host keys: never an agent, never this
// user's files. Everything that the other side can delay has a deadline.
package gitssh

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing/transport"
	gitssh "github.com/go-git/go-git/v5/plumbing/transport/ssh"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// Options of a Client.
type Options struct {
	// PrivateKey is an unencrypted private key as PEM, or in OpenSSH's form.
	PrivateKey []byte
	// KnownHosts is the path of a known_hosts file, as ssh-keyscan writes it. No other host is spoken to.
	KnownHosts string
	// Timeout of one session, from the connection to the last byte; 2 minutes when zero.
	Timeout time.Duration
}

// Client opens sessions. It is safe for concurrent use.
type Client struct {
	signer     ssh.Signer
	check      ssh.HostKeyCallback
	algorithms func(hostWithPort string) []string
	timeout    time.Duration
}

var _ transport.Transport = (*Client)(nil)

// New reads the key and the known hosts.
func New(o Options) (*Client, error) {
	signer, err := ssh.ParsePrivateKey(o.PrivateKey)
	var locked *ssh.PassphraseMissingError
	if errors.As(err, &locked) {
		return nil, errors.New("the ssh key has a passphrase (give a key without one: nobody is there to type it)")
	}
	if err != nil {
		return nil, errors.New("the ssh key is not a private key that can be read (make one with: ssh-keygen -t ed25519 -N '' -f FILE)")
	}
	if o.KnownHosts == "" {
		return nil, errors.New("ssh needs the hosts' keys (make the file with: ssh-keyscan HOST, and compare the keys with those that the host publishes)")
	}
	hosts, err := gitssh.NewKnownHostsDb(o.KnownHosts)
	if err != nil {
		return nil, fmt.Errorf("reading the known hosts: %w", err)
	}
	if o.Timeout == 0 {
		o.Timeout = 2 * time.Minute
	}
	return &Client{signer: signer, check: hosts.HostKeyCallback(), algorithms: hosts.HostKeyAlgorithms, timeout: o.Timeout}, nil
}

// Personal is the transport of a person at a terminal: with this user's agent and known hosts.
func Personal() transport.Transport { return gitssh.DefaultClient }

// NewUploadPackSession implements transport.Transport. The key is the Client's.
func (c *Client) NewUploadPackSession(e *transport.Endpoint, _ transport.AuthMethod) (transport.UploadPackSession, error) {
	return c.open(e, transport.UploadPackServiceName)
}

// NewReceivePackSession implements transport.Transport. The key is the Client's.
func (c *Client) NewReceivePackSession(e *transport.Endpoint, _ transport.AuthMethod) (transport.ReceivePackSession, error) {
	return c.open(e, transport.ReceivePackServiceName)
}

// open connects and starts a service for the endpoint's path.
func (c *Client) open(e *transport.Endpoint, service string) (*session, error) {
	deadline := time.Now().Add(c.timeout)
	ctx, cancel := context.WithDeadline(context.Background(), deadline)
	defer cancel()
	port := e.Port
	if port <= 0 {
		port = gitssh.DefaultPort
	}
	address := net.JoinHostPort(e.Host, strconv.Itoa(port))
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	if err := conn.SetDeadline(deadline); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	user := e.User
	if user == "" {
		user = "git"
	}
	inner, channels, requests, err := ssh.NewClientConn(conn, address, &ssh.ClientConfig{
		User: user, Auth: []ssh.AuthMethod{ssh.PublicKeys(c.signer)}, HostKeyCallback: c.check, HostKeyAlgorithms: c.algorithms(address),
	})
	if err != nil {
		_ = conn.Close() // the handshake's error says more
		return nil, explain(address, err)
	}
	s, err := start(ssh.NewClient(inner, channels, requests), service+" "+quote(e.Path))
	if err != nil {
		return nil, fmt.Errorf("starting %s on %s: %w", service, address, err)
	}
	s.upload = service == transport.UploadPackServiceName
	return s, nil
}

// explain says what to do about a handshake that failed.
func explain(address string, err error) error {
	var unknown *knownhosts.KeyError
	var revoked *knownhosts.RevokedError
	switch {
	case errors.As(err, &revoked):
		return fmt.Errorf("the host key of %s is revoked in the known hosts", address)
	case errors.As(err, &unknown) && len(unknown.Want) > 0:
		return fmt.Errorf("the host key of %s is another than the known hosts say: somebody may listen in (or the host has a new key: compare it with what the host publishes)", address)
	case errors.As(err, &unknown):
		return fmt.Errorf("the host key of %s is not among the known hosts (add it with: ssh-keyscan, and compare it with what the host publishes)", address)
	case strings.Contains(err.Error(), "unable to authenticate"):
		return fmt.Errorf("%w: %s does not take the ssh key", transport.ErrAuthorizationFailed, address)
	}
	return err
}

// quote makes one word of a path, as Git does.
func quote(path string) string {
	return "'" + strings.NewReplacer("'", `'\''`, "!", `'\!'`).Replace(path) + "'"
}
