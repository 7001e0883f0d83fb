package forge

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/google/go-github/v60/github"
)

const (
	// renewBefore a token's end it is not handed out any more, so that a fetch that begins with it can end.
	renewBefore = 5 * time.Minute
	// assertionLife is under GitHub's most, 10 minutes; clockSkew is what GitHub advises to allow for.
	assertionLife = 9 * time.Minute
	clockSkew     = time.Minute
)

// App is a GitHub App: it has a token for each of its installations, good for that installation's repositories alone. It
// is safe for concurrent use.
type App struct {
	id     string
	key    *rsa.PrivateKey
	github *GitHub

	mu     sync.Mutex
	tokens map[string]*installation
}

// installation is asked for its token by one caller at a time.
type installation struct {
	sync.Mutex
	token   string
	expires time.Time
}

// NewApp makes an App of its ID (or client ID) and its private key as PEM, as GitHub hands it out. Options.Token is not used.
func NewApp(id string, privateKey []byte, o Options) (*App, error) {
	if id == "" {
		return nil, errors.New("the GitHub App's ID is missing")
	}
	key, err := parseRSA(privateKey)
	if err != nil {
		return nil, err
	}
	o.Token, o.TokenOf = "", nil
	g, err := NewGitHub(o)
	if err != nil {
		return nil, err
	}
	return &App{id: id, key: key, github: g, tokens: map[string]*installation{}}, nil
}

func parseRSA(data []byte) (*rsa.PrivateKey, error) {
	bad := errors.New("the GitHub App's private key is not an RSA key as PEM (make one in the App's settings: Generate a private key)")
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, bad
	}
	if key, err := x509.ParsePKCS1PrivateKey(block.Bytes); err == nil {
		return key, nil
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	key, ok := parsed.(*rsa.PrivateKey)
	if err != nil || !ok {
		return nil, bad
	}
	return key, nil
}

// Token of an installation, by its ID. It is kept until shortly before it ends.
func (a *App) Token(ctx context.Context, installationID string) (string, error) {
	id, err := strconv.ParseInt(installationID, 10, 64)
	if err != nil || id <= 0 {
		return "", fmt.Errorf("installation %q of the GitHub App is not a number", installationID)
	}
	a.mu.Lock()
	i := a.tokens[installationID]
	if i == nil {
		i = &installation{}
		a.tokens[installationID] = i
	}
	a.mu.Unlock()
	i.Lock()
	defer i.Unlock()
	if i.token != "" && a.github.now().Before(i.expires.Add(-renewBefore)) {
		return i.token, nil
	}
	if i.token, i.expires, err = a.ask(ctx, id); err != nil {
		return "", fmt.Errorf("asking for a token of the GitHub App's installation %d: %w", id, err)
	}
	return i.token, nil
}

func (a *App) ask(ctx context.Context, id int64) (string, time.Time, error) {
	assertion, err := a.assertion()
	if err != nil {
		return "", time.Time{}, err
	}
	request, err := a.github.client.NewRequest(http.MethodPost, fmt.Sprintf("app/installations/%d/access_tokens", id), nil)
	if err != nil {
		return "", time.Time{}, err
	}
	request.Header.Set("Authorization", "Bearer "+assertion)
	var answer github.InstallationToken
	if _, err := a.github.client.Do(ctx, request, &answer); err != nil {
		var refusal *github.ErrorResponse
		if errors.As(err, &refusal) && refusal.Response != nil && refusal.Response.StatusCode == http.StatusUnauthorized {
			return "", time.Time{}, fmt.Errorf("%w: GitHub does not take the App's ID and key", ErrNotFound)
		}
		return "", time.Time{}, a.github.explain(err)
	}
	if answer.GetToken() == "" || answer.GetExpiresAt().IsZero() {
		return "", time.Time{}, errors.New("the answer holds no token")
	}
	return answer.GetToken(), answer.GetExpiresAt().Time, nil
}

// assertion is the JSON Web Token that says who the App is, signed with RS256.
func (a *App) assertion() (string, error) {
	now := a.github.now()
	claims, err := json.Marshal(struct {
		IssuedAt int64  `json:"iat"`
		Expires  int64  `json:"exp"`
		Issuer   string `json:"iss"`
	}{now.Add(-clockSkew).Unix(), now.Add(assertionLife).Unix(), a.id})
	if err != nil {
		return "", err
	}
	signed := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"RS256","typ":"JWT"}`)) + "." + base64.RawURLEncoding.EncodeToString(claims)
	sum := sha256.Sum256([]byte(signed))
	signature, err := rsa.SignPKCS1v15(rand.Reader, a.key, crypto.SHA256, sum[:])
	if err != nil {
		return "", fmt.Errorf("signing the GitHub App's assertion: %w", err)
	}
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature), nil
}
