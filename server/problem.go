package server

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/gin-gonic/gin"

	"catalyst.dev/catalyst/gitops"
)

// Problem is the body of an error: RFC 9457, application/problem+json.
type Problem struct {
	// Type is always "about:blank": Status says what kind of error it is.
	Type string `json:"type"`
	// Title is the status's text.
	Title string `json:"title"`
	// Status is the HTTP status.
	Status int `json:"status"`
	// Detail says what is wrong, for people.
	Detail string `json:"detail"`
	// ID finds an internal error in the server's log.
	ID string `json:"id,omitempty"`
}

// Error makes a problem returnable by a handler.
func (p *Problem) Error() string { return p.Detail }

func problem(status int, detail string) *Problem {
	return &Problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: detail}
}

// problemOf is the one place that decides what an error is to the client. An error that it does not know is internal:
// the client sees an ID, the log the error.
func problemOf(err error) *Problem {
	var p *Problem
	switch {
	case errors.As(err, &p):
		return p
	case errors.Is(err, gitops.ErrNotFound):
		return problem(http.StatusNotFound, "there is no such object in the environments repository")
	case errors.Is(err, gitops.ErrInvalid):
		return problem(http.StatusUnprocessableEntity, err.Error())
	case errors.Is(err, gitops.ErrConflict):
		return problem(http.StatusConflict, err.Error())
	case errors.Is(err, context.DeadlineExceeded):
		return problem(http.StatusGatewayTimeout, "the answer took too long")
	}
	p = problem(http.StatusInternalServerError, "internal error")
	p.ID = rand.Text()
	return p
}

// fail answers with the error's problem document, and logs what the client is not told.
func (s *Server) fail(c *gin.Context, err error) {
	p := problemOf(err)
	if p.Status >= http.StatusInternalServerError && err != error(p) {
		s.config.Logger.ErrorContext(c.Request.Context(), "request failed", "route", c.FullPath(), "id", p.ID, "error", err)
	}
	body, err := json.Marshal(p)
	if err != nil {
		panic(err) // strings and numbers always encode
	}
	c.Abort()
	c.Data(p.Status, "application/problem+json", body)
}
