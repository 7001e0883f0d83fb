package forgetest

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
)

// Delivery is a webhook in GitHub's shape. Nothing sends it by itself: its holder decides when, how often, and in which
// order deliveries arrive.
type Delivery struct {
	// Event is the header X-GitHub-Event, ID the header X-GitHub-Delivery: a random UUID.
	Event string `json:"event"`
	ID    string `json:"id"`
	// Number is the pull request's; 0 for a push.
	Number int    `json:"number"`
	Body   []byte `json:"body"`
	// Signature is the header X-Hub-Signature-256.
	Signature string `json:"signature"`
}

// Request makes the POST request that delivers it.
func (d Delivery) Request(ctx context.Context, url string) (*http.Request, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(d.Body))
	if err != nil {
		return nil, fmt.Errorf("delivering a webhook: %w", err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "GitHub-Hookshot/forgetest")
	r.Header.Set("X-GitHub-Event", d.Event)
	r.Header.Set("X-GitHub-Delivery", d.ID)
	r.Header.Set("X-Hub-Signature-256", d.Signature)
	return r, nil
}

func (s *Server) sign(event string, payload any) (Delivery, error) {
	body, err := json.Marshal(payload)
	if err != nil {
		return Delivery{}, fmt.Errorf("encoding the webhook: %w", err)
	}
	mac := hmac.New(sha256.New, s.secret)
	mac.Write(body)
	return Delivery{Event: event, ID: uuid(), Body: body, Signature: "sha256=" + hex.EncodeToString(mac.Sum(nil))}, nil
}

// uuid is a random UUID, version 4.
func uuid() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand ends the process instead
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
