package server

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
)

// observe logs and counts each request. The path goes into the log as an attribute, which the log's encoder quotes.
func (s *Server) observe(c *gin.Context) {
	start := time.Now()
	c.Next()
	took, status := time.Since(start), c.Writer.Status()
	route := c.FullPath()
	if route == "" {
		route = "none"
	}
	s.metrics.request(c.Request.Method, route, status, took)
	level := slog.LevelDebug
	switch {
	case status >= http.StatusInternalServerError:
		level = slog.LevelError
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		level = slog.LevelInfo
	}
	s.config.Logger.LogAttrs(c.Request.Context(), level, "request",
		slog.String("method", c.Request.Method), slog.String("path", c.Request.URL.Path), slog.String("route", route),
		slog.Int("status", status), slog.Duration("took", took), slog.String("remote", c.Request.RemoteAddr))
}

// recover answers for a handler that panicked, so that one request harms no other.
func (s *Server) recover(c *gin.Context) {
	defer func() {
		switch p := recover(); p {
		case nil:
		case http.ErrAbortHandler:
			panic(p)
		default:
			s.fail(c, fmt.Errorf("panic: %v\n%s", p, debug.Stack()))
		}
	}()
	c.Next()
}

func securityHeaders(c *gin.Context) {
	h := c.Writer.Header()
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
}

// checkHost refuses requests of a demo that name another host than this machine: a web page whose name was made to
// resolve to 127.0.0.1 would otherwise be let in by the browser.
func (s *Server) checkHost(c *gin.Context) {
	if !s.config.Demo || isThisMachine(c.Request.Host) {
		return
	}
	s.fail(c, problem(http.StatusForbidden, "the demo answers to localhost, 127.0.0.1 and [::1] only"))
}

func isThisMachine(hostport string) bool {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = strings.Trim(hostport, "[]")
	}
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}

// checkToken compares digests, so that neither the token's text nor its length shows in the time it takes.
func (s *Server) checkToken(c *gin.Context) {
	if s.config.APIToken == "" { // New and Run allow this on loopback in a demo only
		return
	}
	scheme, token, _ := strings.Cut(c.GetHeader("Authorization"), " ")
	got, want := sha256.Sum256([]byte(token)), sha256.Sum256([]byte(s.config.APIToken))
	if strings.EqualFold(scheme, "Bearer") && subtle.ConstantTimeCompare(got[:], want[:]) == 1 {
		return
	}
	c.Header("WWW-Authenticate", "Bearer")
	s.fail(c, problem(http.StatusUnauthorized, "this needs the header Authorization: Bearer with the API token"))
}
