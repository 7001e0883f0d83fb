package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// apiClient asks a running server.
type apiClient struct {
	server, token string
}

func (c *apiClient) register(p *program, cmd *cobra.Command) {
	server := p.getenv("CATALYST_SERVER")
	if server == "" {
		server = "http://127.0.0.1:8080"
	}
	cmd.PersistentFlags().StringVar(&c.server, "server", server, "address of the server; CATALYST_SERVER")
	c.token = p.getenv("CATALYST_API_TOKEN")
}

// get reads an answer of the API into out.
func (c *apiClient) get(ctx context.Context, path string, out any) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(c.server, "/")+path, nil)
	if err != nil {
		return fmt.Errorf("asking %s: %w", c.server, err)
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return hinted{fmt.Errorf("asking the server: %w", err), "is it running? make run starts one; --server names another"}
	}
	defer func() { _ = res.Body.Close() }() // it is read below
	data, err := io.ReadAll(io.LimitReader(res.Body, 64<<20))
	if err != nil {
		return fmt.Errorf("reading the server's answer: %w", err)
	}
	if res.StatusCode != http.StatusOK {
		return problemOf(res, data)
	}
	if err := json.Unmarshal(data, out); err != nil {
		return fmt.Errorf("reading the server's answer: %w", err)
	}
	return nil
}

// problemOf turns a problem document into an error.
func problemOf(res *http.Response, data []byte) error {
	var problem struct {
		Title  string `json:"title"`
		Detail string `json:"detail"`
	}
	if json.Unmarshal(data, &problem) != nil || problem.Title == "" {
		return fmt.Errorf("the server answered %s", res.Status)
	}
	err := fmt.Errorf("the server answered %s: %s", problem.Title, problem.Detail)
	if res.StatusCode == http.StatusUnauthorized {
		return hinted{err, "set CATALYST_API_TOKEN"}
	}
	return err
}
