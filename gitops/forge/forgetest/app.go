package forgetest

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"
)

// App is a GitHub App with one installation. The repositories of the installation are private from then on: without a token
// of it they are not found.
type App struct {
	// ID of the App and the public half of its key.
	ID  string
	Key *rsa.PublicKey
	// Installation ID and the full names of its repositories.
	Installation string
	Repositories []string
	// Life of a token; GitHub's hour when zero.
	Life time.Duration
}

// installed is an App's state. It is not kept on disk.
type installed struct {
	App
	tokens map[string]time.Time // until when
	issued int
}

// Install installs an App.
func (s *Server) Install(a App) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a.Life == 0 {
		a.Life = time.Hour
	}
	s.apps = append(s.apps, &installed{App: a, tokens: map[string]time.Time{}})
}

// Issued is how many tokens an installation was given.
func (s *Server) Issued(installation string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.apps {
		if a.Installation == installation {
			return a.issued
		}
	}
	return 0
}

// Allowed reports whether a token may see a repository: everybody sees those of no App.
func (s *Server) Allowed(fullName, token string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	private := false
	for _, a := range s.apps {
		if !slices.Contains(a.Repositories, fullName) {
			continue
		}
		if until, ok := a.tokens[token]; ok && time.Now().Before(until) {
			return true
		}
		private = true
	}
	return !private
}

// tokenPayload is GitHub's answer to a request for an installation's token.
type tokenPayload struct {
	Token               string            `json:"token"`
	ExpiresAt           time.Time         `json:"expires_at"`
	Permissions         map[string]string `json:"permissions"`
	RepositorySelection string            `json:"repository_selection"`
}

// postToken gives an App a token of its installation.
func (s *Server) postToken(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	known := false
	for _, a := range s.apps {
		if !signedBy(a.App, r.Header.Get("Authorization")) {
			continue
		}
		known = true
		if a.Installation == r.PathValue("installation") {
			token := "ghs_" + rand.Text()
			until := time.Now().Add(a.Life).UTC().Truncate(time.Second)
			a.tokens[token] = until
			a.issued++
			w.Header().Set("Content-Type", "application/json; charset=utf-8")
			w.WriteHeader(http.StatusCreated)
			_ = json.NewEncoder(w).Encode(tokenPayload{Token: token, ExpiresAt: until, RepositorySelection: "selected", // the client has gone
				Permissions: map[string]string{"contents": "read", "metadata": "read", "pull_requests": "read"}})
			return
		}
	}
	if known {
		respond(w, nil, notFound("Not Found"))
		return
	}
	respond(w, nil, &Error{Status: http.StatusUnauthorized, Message: "A JSON web token could not be decoded"})
}

// signedBy checks an App's JSON Web Token as GitHub documents it: RS256, issued by the App, for 10 minutes at most.
func signedBy(a App, header string) bool {
	text, ok := strings.CutPrefix(header, "Bearer ")
	parts := strings.Split(text, ".")
	if !ok || len(parts) != 3 {
		return false
	}
	var decoded [3][]byte
	for i, part := range parts {
		var err error
		if decoded[i], err = base64.RawURLEncoding.DecodeString(part); err != nil {
			return false
		}
	}
	var head struct{ Alg, Typ string }
	var claims struct {
		Iat, Exp int64
		Iss      string
	}
	if json.Unmarshal(decoded[0], &head) != nil || json.Unmarshal(decoded[1], &claims) != nil || head.Alg != "RS256" || head.Typ != "JWT" {
		return false
	}
	now := time.Now().Unix()
	if claims.Iss != a.ID || claims.Iat > now || claims.Exp <= now || claims.Exp > now+600 {
		return false
	}
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	return rsa.VerifyPKCS1v15(a.Key, crypto.SHA256, sum[:], decoded[2]) == nil
}
