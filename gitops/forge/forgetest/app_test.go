package forgetest_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"catalyst.dev/catalyst/gitops/forge"
	"catalyst.dev/catalyst/gitops/forge/forgetest"
)

// documentedToken is the example of GitHub's documentation, cut: "Create an installation access token for an app".
const documentedToken = `{
  "token": "ghs_16C7e42F292c6912E7710c838347Ae178B4a",
  "expires_at": "2016-07-11T22:14:10Z",
  "permissions": {"issues": "write", "contents": "read", "metadata": "read", "pull_requests": "read"},
  "repository_selection": "selected",
  "repositories": [{"id": 1296269, "name": "Hello-World", "full_name": "octocat/Hello-World"}]
}`

func appKey(t *testing.T) (*rsa.PublicKey, []byte) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return &key.PublicKey, pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
}

func newApp(t *testing.T, id string, key []byte, o forge.Options) *forge.App {
	t.Helper()
	app, err := forge.NewApp(id, key, o)
	if err != nil {
		t.Fatal(err)
	}
	return app
}

func TestAppSeesItsRepositories(t *testing.T) {
	s, c, anonymous := start(t, t.TempDir())
	d, err := c.Open(t.Context(), shop, "a", "A", forgetest.PullOptions{Files: map[string][]byte{"a": []byte("1")}})
	told(t, d, err)
	public, key := appKey(t)
	s.Install(forgetest.App{ID: "12", Key: public, Installation: "345", Repositories: []string{shop}})
	app := newApp(t, "12", key, forge.Options{BaseURL: c.BaseURL})
	g, err := forge.NewGitHub(forge.Options{BaseURL: c.BaseURL, Token: "the-server's",
		TokenOf: func(ctx context.Context, _ string) (string, error) { return app.Token(ctx, "345") }})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := anonymous.PullRequest(t.Context(), shop, 1); !errors.Is(err, forge.ErrNotFound) {
		t.Errorf("without a token: %v, want %v", err, forge.ErrNotFound)
	}
	if pr, err := g.PullRequest(t.Context(), shop, 1); err != nil || pr.Number != 1 {
		t.Errorf("got %+v, %v", pr, err)
	}
	if list, err := g.OpenPullRequests(t.Context(), shop); err != nil || len(list) != 1 {
		t.Errorf("got %+v, %v", list, err)
	}
	if files, err := g.Files(t.Context(), shop, 1); err != nil || len(files) != 1 {
		t.Errorf("got %q, %v", files, err)
	}
	if _, err := g.Branch(t.Context(), shop, "main"); err != nil {
		t.Error(err)
	}
	if got := s.Issued("345"); got != 1 {
		t.Errorf("%d tokens were asked for, want 1", got)
	}
}

func TestAppTokens(t *testing.T) {
	s, c, _ := start(t, t.TempDir())
	public, key := appKey(t)
	s.Install(forgetest.App{ID: "12", Key: public, Installation: "345"})
	s.Install(forgetest.App{ID: "12", Key: public, Installation: "678"})
	now := time.Now()
	app := newApp(t, "12", key, forge.Options{BaseURL: c.BaseURL, Now: func() time.Time { return now }})
	var wg sync.WaitGroup
	tokens := make([]string, 8)
	for i := range tokens {
		wg.Go(func() {
			var err error
			if tokens[i], err = app.Token(t.Context(), "345"); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, token := range tokens {
		if token != tokens[0] {
			t.Errorf("two tokens for one installation: %q", tokens)
		}
	}
	other, err := app.Token(t.Context(), "678")
	if err != nil || other == tokens[0] || s.Issued("345") != 1 || s.Issued("678") != 1 {
		t.Errorf("%v, %d and %d tokens were issued, want one of its own for each installation", err, s.Issued("345"), s.Issued("678"))
	}
	now = now.Add(54 * time.Minute)
	if got, err := app.Token(t.Context(), "345"); err != nil || got != tokens[0] {
		t.Errorf("after 54 of 60 minutes: %v, and another token", err)
	}
}

// A token that ends within minutes is not handed out again: a fetch that begins with it could not end.
func TestTokensAreRenewed(t *testing.T) {
	s, c, _ := start(t, t.TempDir())
	public, key := appKey(t)
	s.Install(forgetest.App{ID: "12", Key: public, Installation: "345", Life: 4 * time.Minute})
	app := newApp(t, "12", key, forge.Options{BaseURL: c.BaseURL})
	for range 2 {
		if _, err := app.Token(t.Context(), "345"); err != nil {
			t.Fatal(err)
		}
	}
	if got := s.Issued("345"); got != 2 {
		t.Errorf("%d tokens, want 2", got)
	}
}

func TestAppThatIsRefused(t *testing.T) {
	s, c, _ := start(t, t.TempDir())
	public, key := appKey(t)
	_, otherKey := appKey(t)
	s.Install(forgetest.App{ID: "12", Key: public, Installation: "345"})
	for name, test := range map[string]struct {
		id           string
		key          []byte
		installation string
		want         string
	}{
		"other App":          {"13", key, "345", "the App's ID and key"},
		"other key":          {"12", otherKey, "345", "the App's ID and key"},
		"other installation": {"12", key, "346", "installation 346"},
		"no number":          {"12", key, "../../user", "is not a number"},
		"negative":           {"12", key, "-1", "is not a number"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := newApp(t, test.id, test.key, forge.Options{BaseURL: c.BaseURL}).Token(t.Context(), test.installation)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want an error with %q", err, test.want)
			}
		})
	}
	for name, key := range map[string][]byte{"empty": nil, "no PEM": []byte("key"), "public": pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: []byte("x")})} {
		if _, err := forge.NewApp("12", key, forge.Options{}); err == nil {
			t.Errorf("the key %s is taken", name)
		}
	}
}

func TestTokenPayload(t *testing.T) {
	s, c, _ := start(t, t.TempDir())
	public, key := appKey(t)
	s.Install(forgetest.App{ID: "12", Key: public, Installation: "345"})
	var answer []byte
	recording := &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		res, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			return nil, err
		}
		if answer, err = io.ReadAll(res.Body); err != nil {
			return nil, err
		}
		res.Body = io.NopCloser(strings.NewReader(string(answer)))
		if got, want := r.Method+" "+r.URL.Path, "POST /app/installations/345/access_tokens"; got != want {
			t.Errorf("asked %s, want %s", got, want)
		}
		claims, err := base64.RawURLEncoding.DecodeString(strings.Split(r.Header.Get("Authorization"), ".")[1])
		var c map[string]any
		if err != nil || json.Unmarshal(claims, &c) != nil || c["iss"] != "12" || c["exp"].(float64)-c["iat"].(float64) > 600 {
			t.Errorf("got the claims %s, %v, want at most 10 minutes of App 12", claims, err)
		}
		return res, nil
	})}
	if _, err := newApp(t, "12", key, forge.Options{BaseURL: c.BaseURL, HTTPClient: recording}).Token(t.Context(), "345"); err != nil {
		t.Fatal(err)
	}
	for _, problem := range misshapen("", decode(t, answer), decode(t, []byte(documentedToken))) {
		t.Error(problem)
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
