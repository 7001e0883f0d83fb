package forgetest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"unicode/utf8"
)

// Client calls the control surface of a Server elsewhere. Its methods are Server's; a refusal is an *Error. Files must be
// text in UTF-8.
type Client struct {
	// BaseURL is the address that the Server's Handler is served at.
	BaseURL string
	// HTTP sends the requests; nil means http.DefaultClient.
	HTTP *http.Client
}

// Open is Server.Open.
func (c Client) Open(ctx context.Context, fullName, branch, title string, o PullOptions) (Delivery, error) {
	return c.post(ctx, "open", command{Repository: fullName, Branch: branch, Title: title, Fork: o.Fork, Draft: o.Draft,
		Labels: o.Labels, Subject: o.Subject}, o.Files)
}

// Push is Server.Push.
func (c Client) Push(ctx context.Context, fullName string, number int, subject string, files map[string][]byte) (Delivery, error) {
	return c.post(ctx, "push", command{Repository: fullName, Number: number, Subject: subject}, files)
}

// Close is Server.Close.
func (c Client) Close(ctx context.Context, fullName string, number int, merged bool) (Delivery, error) {
	return c.post(ctx, "close", command{Repository: fullName, Number: number, Merged: merged}, nil)
}

// Reopen is Server.Reopen.
func (c Client) Reopen(ctx context.Context, fullName string, number int) (Delivery, error) {
	return c.post(ctx, "reopen", command{Repository: fullName, Number: number}, nil)
}

// Label is Server.Label.
func (c Client) Label(ctx context.Context, fullName string, number int, label string, on bool) (Delivery, error) {
	return c.post(ctx, "label", command{Repository: fullName, Number: number, Label: label, On: on}, nil)
}

// SetDraft is Server.SetDraft.
func (c Client) SetDraft(ctx context.Context, fullName string, number int, draft bool) (Delivery, error) {
	return c.post(ctx, "draft", command{Repository: fullName, Number: number, Draft: draft}, nil)
}

// PushBranch is Server.PushBranch.
func (c Client) PushBranch(ctx context.Context, fullName, branch, subject string, files map[string][]byte) (Delivery, error) {
	return c.post(ctx, "push-branch", command{Repository: fullName, Branch: branch, Subject: subject}, files)
}

// Repositories lists the repositories by name.
func (c Client) Repositories(ctx context.Context) ([]Repository, error) {
	var list []Repository
	if err := c.do(ctx, http.MethodGet, "repositories", nil, &list); err != nil {
		return nil, err
	}
	return list, nil
}

func (c Client) post(ctx context.Context, action string, body command, files map[string][]byte) (Delivery, error) {
	if files != nil {
		body.Files = map[string]*string{}
	}
	for path, content := range files {
		body.Files[path] = nil
		if content != nil {
			text := string(content)
			if !utf8.ValidString(text) {
				return Delivery{}, fmt.Errorf("sending %s: file %q is not text in UTF-8", action, path)
			}
			body.Files[path] = &text
		}
	}
	content, err := json.Marshal(body)
	if err != nil {
		return Delivery{}, fmt.Errorf("sending %s: %w", action, err)
	}
	var d Delivery
	if err := c.do(ctx, http.MethodPost, action, content, &d); err != nil {
		return Delivery{}, err
	}
	return d, nil
}

func (c Client) do(ctx context.Context, method, action string, body []byte, answer any) error {
	request, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(c.BaseURL, "/")+"/_demo/"+action, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("sending %s to the forge: %w", action, err)
	}
	request.Header.Set("Content-Type", "application/json")
	client := c.HTTP
	if client == nil {
		client = http.DefaultClient
	}
	response, err := client.Do(request)
	if err != nil {
		return fmt.Errorf("sending %s to the forge: %w", action, err)
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		return fmt.Errorf("reading the forge's answer to %s: %w", action, err)
	}
	if response.StatusCode != http.StatusOK {
		var refusal struct {
			Message string `json:"message"`
		}
		if json.Unmarshal(content, &refusal) != nil || refusal.Message == "" {
			refusal.Message = "the forge answers " + response.Status
		}
		return &Error{Status: response.StatusCode, Message: refusal.Message}
	}
	if err := json.Unmarshal(content, answer); err != nil {
		return fmt.Errorf("reading the forge's answer to %s: %w", action, err)
	}
	return nil
}
