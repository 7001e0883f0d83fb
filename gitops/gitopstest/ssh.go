package gitopstest

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"encoding/pem"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// SSH serves a Server's repositories over ssh, by the git binary.
type SSH struct {
	// Address is host and port.
	Address string
	// Key is the private key that is let in, as PEM.
	Key []byte
	// KnownHosts is a known_hosts file with the server's keys.
	KnownHosts string
	// Sessions counts the commands that ran.
	Sessions atomic.Int64

	git    *Server
	config *ssh.ServerConfig
}

// NewSSH starts an ssh server that ends with the test. It has two host keys, as real hosts have.
func NewSSH(t testing.TB, git *Server) *SSH {
	t.Helper()
	s := &SSH{git: git}
	var allowed ssh.PublicKey
	s.Key, allowed = NewSSHKey(t)
	s.config = &ssh.ServerConfig{PublicKeyCallback: func(_ ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
		if string(key.Marshal()) != string(allowed.Marshal()) {
			return nil, ssh.ErrNoAuth
		}
		return nil, nil
	}}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.Address = listener.Addr().String()
	_, elliptic, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	classic, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	var lines strings.Builder
	for _, key := range []any{classic, elliptic} {
		signer, err := ssh.NewSignerFromKey(key)
		if err != nil {
			t.Fatal(err)
		}
		s.config.AddHostKey(signer)
		lines.WriteString(knownhosts.Line([]string{s.Address}, signer.PublicKey()) + "\n")
	}
	s.KnownHosts = filepath.Join(t.TempDir(), "known_hosts")
	if err := os.WriteFile(s.KnownHosts, []byte(lines.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() }) // ends the loop below
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go s.serve(conn)
		}
	}()
	return s
}

// NewSSHKey makes a key pair, the private key as PEM.
func NewSSHKey(t testing.TB) ([]byte, ssh.PublicKey) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "test")
	if err != nil {
		t.Fatal(err)
	}
	key, err := ssh.NewPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(block), key
}

// URL of a repository over ssh.
func (s *SSH) URL(name string) string { return "ssh://git@" + s.Address + "/" + name + ".git" }

// serve answers one connection. What goes wrong is the client's to see.
func (s *SSH) serve(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	server, channels, requests, err := ssh.NewServerConn(conn, s.config)
	if err != nil {
		return
	}
	defer func() { _ = server.Close() }()
	go ssh.DiscardRequests(requests)
	for c := range channels {
		if c.ChannelType() != "session" {
			_ = c.Reject(ssh.UnknownChannelType, "sessions only")
			continue
		}
		channel, requests, err := c.Accept()
		if err != nil {
			return
		}
		go s.session(channel, requests)
	}
}

func (s *SSH) session(channel ssh.Channel, requests <-chan *ssh.Request) {
	defer func() { _ = channel.Close() }()
	for r := range requests {
		if r.Type != "exec" {
			_ = r.Reply(false, nil)
			continue
		}
		var command struct{ Line string }
		if err := ssh.Unmarshal(r.Payload, &command); err != nil {
			return
		}
		_ = r.Reply(true, nil)
		s.Sessions.Add(1)
		status := struct{ Code uint32 }{s.run(command.Line, channel)}
		_, _ = channel.SendRequest("exit-status", false, ssh.Marshal(status))
		return
	}
}

// run runs one of Git's two services on a repository, and returns its exit code.
func (s *SSH) run(line string, channel ssh.Channel) uint32 {
	service, path, _ := strings.Cut(line, " ")
	path = strings.NewReplacer(`'\''`, "'", `'\!'`, "!", "'", "").Replace(path)
	if service != "git-upload-pack" && service != "git-receive-pack" {
		_, _ = io.WriteString(channel.Stderr(), "no such command\n")
		return 127
	}
	cmd := s.git.command("", strings.TrimPrefix(service, "git-"), filepath.Join(s.git.dir, filepath.Clean("/"+path)))
	cmd.Stdout, cmd.Stderr = channel, channel.Stderr()
	in, err := cmd.StdinPipe()
	if err != nil {
		return 1
	}
	go func() { // not cmd.Stdin: Wait would wait for the client's end
		_, _ = io.Copy(in, channel)
		_ = in.Close()
	}()
	if cmd.Run() != nil {
		return 128
	}
	return 0
}
