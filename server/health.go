package server

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
)

//go:embed openapi.json
var openAPIDocument []byte

// Status is the answer of the health routes.
type Status struct {
	// Status is "ok".
	Status string `json:"status"`
}

func (s *Server) health(c *gin.Context) error {
	c.JSON(http.StatusOK, Status{Status: "ok"})
	return nil
}

// ready does not tell the reason: anybody may ask.
func (s *Server) ready(c *gin.Context) error {
	const longest = 5 * time.Second
	ctx, cancel := context.WithTimeout(c.Request.Context(), longest)
	defer cancel()
	if s.config.Ready != nil {
		if err := s.config.Ready(ctx); err != nil {
			return fmt.Errorf("not ready: %w: %w", problem(http.StatusServiceUnavailable, "not ready"), err)
		}
	}
	return s.health(c)
}

func (s *Server) description(c *gin.Context) error {
	c.Data(http.StatusOK, "application/json", s.openapi)
	return nil
}

// openAPI is the embedded description with this program's version.
func openAPI(version string) ([]byte, error) {
	var doc map[string]any
	if err := json.Unmarshal(openAPIDocument, &doc); err != nil {
		return nil, fmt.Errorf("reading openapi.json: %w", err)
	}
	if info, ok := doc["info"].(map[string]any); ok && version != "" {
		info["version"] = version
	}
	return json.Marshal(doc)
}
