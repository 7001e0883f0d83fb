package gitssh_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"catalyst.dev/catalyst/gitops/gitopstest"
	"catalyst.dev/catalyst/gitops/gitssh"
	"catalyst.dev/catalyst/gitops/repository"
	"catalyst.dev/catalyst/gitops/source"
)

// served is a Git server over ssh with one repository of three commits.
func served(t *testing.T) (git *gitopstest.Server, ssh *gitopstest.SSH, commits []string) {
	t.Helper()
	git = gitopstest.NewServer(t)
	git.InitBare("shop")
	for i := range 3 {
		commits = append(commits, git.Commit("shop", "main", fmt.Sprintf("Change %d", i), map[string]string{"a.txt": fmt.Sprint(i), "d/b.txt": "b"}, time.Unix(1_700_000_000+int64(i), 0)))
	}
	return git, gitopstest.NewSSH(t, git), commits
}

func client(t *testing.T, key []byte, hosts string) *gitssh.Client {
	t.Helper()
	c, err := gitssh.New(gitssh.Options{PrivateKey: key, KnownHosts: hosts, Timeout: 30 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func sources(t *testing.T, c *gitssh.Client) *source.Cache {
	t.Helper()
	s, err := source.New(source.Options{SSH: c})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSourceOverSSH(t *testing.T) {
	git, server, commits := served(t)
	cache := sources(t, client(t, server.Key, server.KnownHosts))
	for _, exact := range []bool{true, false} { // a server may give out only what it advertises
		git.Git("shop", "config", "uploadpack.allowAnySHA1InWant", fmt.Sprint(exact))
		for i, sha := range commits {
			t.Run(fmt.Sprintf("commit %d, exact %t", i, exact), func(t *testing.T) {
				tree, err := cache.Tree(t.Context(), server.URL("shop"), sha)
				if err != nil {
					t.Fatal(err)
				}
				got, err := fs.ReadFile(tree, "a.txt")
				if err != nil || string(got) != fmt.Sprint(i) {
					t.Errorf("got %q, %v, want %d", got, err, i)
				}
				commit, err := cache.Commit(t.Context(), server.URL("shop"), sha)
				if want := fmt.Sprintf("Change %d", i); err != nil || commit.Subject != want {
					t.Errorf("got %+v, %v, want %s", commit, err, want)
				}
			})
		}
		cache = sources(t, client(t, server.Key, server.KnownHosts))
	}
	if got, err := cache.Resolve(t.Context(), server.URL("shop"), "main"); err != nil || got != commits[2] {
		t.Errorf("got %s, %v, want %s", got, err, commits[2])
	}
	for name, ask := range map[string]func() error{
		"branch": func() error { _, err := cache.Resolve(t.Context(), server.URL("shop"), "none"); return err },
		"repository": func() error {
			_, err := cache.Tree(t.Context(), server.URL("none"), commits[0])
			return err
		},
		"commit": func() error {
			_, err := cache.Tree(t.Context(), server.URL("shop"), strings.Repeat("ab", 20))
			return err
		},
	} {
		if err := ask(); !errors.Is(err, source.ErrNotFound) {
			t.Errorf("a missing %s: %v", name, err)
		}
	}
}

// One session fetches one commit: no history comes along.
func TestOneCommitComes(t *testing.T) {
	git, server, _ := served(t)
	noise, random := make([]byte, 1<<20), rand.New(rand.NewPCG(1, 2))
	for i := range noise {
		noise[i] = byte(random.Uint32())
	}
	git.Commit("shop", "main", "Large", map[string]string{"large": hex.EncodeToString(noise)}, time.Unix(1_700_000_100, 0))
	small := git.Commit("shop", "main", "Small again", map[string]string{"large": ""}, time.Unix(1_700_000_101, 0))
	cache, err := source.New(source.Options{SSH: client(t, server.Key, server.KnownHosts), MaxBytes: 64 << 10})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := cache.Tree(t.Context(), server.URL("shop"), small); err != nil {
		t.Errorf("the commit alone is small: %v", err)
	}
	if got := server.Sessions.Load(); got != 1 {
		t.Errorf("%d sessions, want 1", got)
	}
}

func TestRepositoryOverSSH(t *testing.T) {
	git, server, _ := served(t)
	git.InitBare("environments")
	open := func() *repository.Repository {
		t.Helper()
		r, err := repository.Open(t.Context(), repository.Options{URL: server.URL("environments"), SSH: client(t, server.Key, server.KnownHosts)})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	r, other := open(), open()
	if err := r.Init(t.Context(), map[string][]byte{"catalyst.yaml": []byte("a\n")}, "Begin"); err != nil {
		t.Fatal(err)
	}
	put := func(r *repository.Repository, name string) {
		t.Helper()
		_, err := r.Commit(t.Context(), repository.Change{Edit: func(context.Context, *repository.Snapshot) (repository.Edit, error) {
			return repository.Edit{Message: "Add " + name, Put: map[string][]byte{name: []byte("x\n")}}, nil
		}})
		if err != nil {
			t.Fatal(err)
		}
	}
	put(r, "one")
	put(other, "two") // its tip is out of date: the push is rejected, and done again
	put(r, "three")
	if got := strings.Fields(git.Git("environments", "ls-tree", "--name-only", "main")); len(got) != 4 {
		t.Errorf("got files %q, want catalyst.yaml, one, two, three", got)
	}
	if got := strings.Count(git.Git("environments", "log", "--format=%H", "main"), "\n"); got != 4 {
		t.Errorf("%d commits, want 4", got)
	}
	if _, err := r.Log(t.Context(), ".", repository.LogOptions{}); err != nil {
		t.Error(err)
	}
	git.Git("environments", "config", "receive.denyNonFastForwards", "true")
	if err := os.WriteFile(filepath.Join(git.Dir("environments"), "hooks", "pre-receive"), []byte("#!/bin/sh\nexit 1\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Commit(t.Context(), repository.Change{Edit: func(context.Context, *repository.Snapshot) (repository.Edit, error) {
		return repository.Edit{Message: "Refused", Put: map[string][]byte{"four": []byte("x\n")}}, nil
	}}); err == nil {
		t.Error("a push that a hook declines is no error")
	}
}

// Whoever is not who the known hosts say gets neither the key nor a word.
func TestHostKeys(t *testing.T) {
	_, server, commits := served(t)
	_, other := gitopstest.NewSSHKey(t)
	known, err := os.ReadFile(server.KnownHosts)
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.SplitAfter(known, []byte("\n"))
	line := func(host string, key ssh.PublicKey) string { return knownhosts.Line([]string{host}, key) + "\n" }
	for name, c := range map[string]struct{ hosts, want string }{
		"all keys":       {string(known), ""},
		"RSA alone":      {string(lines[0]), ""},
		"ed25519 alone":  {string(lines[1]), ""},
		"another key":    {line(server.Address, other), "somebody may listen in"},
		"another host":   {line("example.com", other), "is not among the known hosts"},
		"revoked":        {"@revoked " + string(lines[0]) + "@revoked " + string(lines[1]), "revoked"},
		"empty":          {"\n", "is not among the known hosts"},
		"hashed":         {strings.Replace(string(lines[1]), knownhosts.Normalize(server.Address), knownhosts.HashHostname(knownhosts.Normalize(server.Address)), 1), ""},
		"other port too": {line("127.0.0.1", other) + string(known), ""},
	} {
		t.Run(name, func(t *testing.T) {
			hosts := filepath.Join(t.TempDir(), "known_hosts")
			if err := os.WriteFile(hosts, []byte(c.hosts), 0o600); err != nil {
				t.Fatal(err)
			}
			before := server.Sessions.Load()
			_, err := sources(t, client(t, server.Key, hosts)).Tree(t.Context(), server.URL("shop"), commits[0])
			if c.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.want) || server.Sessions.Load() != before {
				t.Errorf("got %v and %d sessions, want an error with %q before any", err, server.Sessions.Load()-before, c.want)
			}
		})
	}
}

func TestKeyThatIsNotLetIn(t *testing.T) {
	_, server, commits := served(t)
	key, _ := gitopstest.NewSSHKey(t)
	_, err := sources(t, client(t, key, server.KnownHosts)).Tree(t.Context(), server.URL("shop"), commits[0])
	if !errors.Is(err, source.ErrAuth) {
		t.Errorf("got %v, want %v", err, source.ErrAuth)
	}
	plain, err := source.New(source.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := plain.Tree(t.Context(), server.URL("shop"), commits[0]); !errors.Is(err, source.ErrAuth) || !strings.Contains(err.Error(), "--ssh-key") {
		t.Errorf("without a key: got %v, want %v with the remedy", err, source.ErrAuth)
	}
	if _, err := repository.Open(t.Context(), repository.Options{URL: server.URL("shop")}); err == nil || !strings.Contains(err.Error(), "--ssh-key") {
		t.Errorf("without a key: got %v, want the remedy", err)
	}
}

func TestKeysThatCannotBeUsed(t *testing.T) {
	_, server, _ := served(t)
	for name, o := range map[string]gitssh.Options{
		"no key":         {KnownHosts: server.KnownHosts},
		"no PEM":         {PrivateKey: []byte("ssh-ed25519 AAAA"), KnownHosts: server.KnownHosts},
		"no known hosts": {PrivateKey: server.Key},
		"missing file":   {PrivateKey: server.Key, KnownHosts: filepath.Join(t.TempDir(), "none")},
	} {
		if _, err := gitssh.New(o); err == nil || strings.Contains(err.Error(), "AAAA") {
			t.Errorf("%s: got %v, want an error without the key", name, err)
		}
	}
}

// A host that takes the connection and says nothing holds nobody up for longer than the timeout: otherwise this test would
// not end.
func TestSilentHost(t *testing.T) {
	_, server, commits := served(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() }) // nothing is written to it
	c, err := gitssh.New(gitssh.Options{PrivateKey: server.Key, KnownHosts: server.KnownHosts, Timeout: 100 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sources(t, c).Tree(t.Context(), "ssh://git@"+listener.Addr().String()+"/shop.git", commits[0]); err == nil {
		t.Error("a silent host is no error")
	}
}

// An odd name reaches Git as one word.
func TestPathsAreQuoted(t *testing.T) {
	git, server, _ := served(t)
	const name = `it's !odd $(touch x); "y"`
	git.InitBare(name)
	sha := git.Commit(name, "main", "Odd", map[string]string{"a.txt": "odd"}, time.Unix(1_700_000_000, 0))
	cache := sources(t, client(t, server.Key, server.KnownHosts))
	if _, err := cache.Tree(t.Context(), server.URL(strings.NewReplacer(" ", "%20", `"`, "%22").Replace(name)), sha); err != nil {
		t.Error(err)
	}
}
