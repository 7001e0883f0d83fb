package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"

	"catalyst.dev/catalyst/gitops/forge"
	"catalyst.dev/catalyst/gitops/queue"
)

// Config of a server.
type Config struct {
	// WebhookSecrets that sign webhooks; two while one is rotated. Required, and none may be empty.
	WebhookSecrets [][]byte
	// APIToken is the bearer token of the API. Required, unless Demo is set.
	APIToken string
	// Demo lets everybody on this machine in when APIToken is empty: Run then takes a loopback listener only, and
	// requests must name this machine as their host, so that no web page can reach the server under another name.
	Demo bool
	// Intake records a verified webhook and its jobs, durably. It reports false for a delivery seen before. Required.
	Intake func(ctx context.Context, d queue.Delivery, e forge.Event) (accepted bool, err error)
	// Data answers the API. Required, with all its functions.
	Data Data
	// Ready reports why the server cannot work yet; nil means that it always can.
	Ready func(ctx context.Context) error
	// QueueStats for the metrics; nil leaves them out.
	QueueStats func(ctx context.Context) (queue.Stats, error)
	// Metrics is where metrics are registered and read; nil makes a registry.
	Metrics *prometheus.Registry
	// Logger of requests and internal errors; nil discards.
	Logger *slog.Logger
	// WebhookMemory is how many bytes of webhook bodies are held at once, over all requests; what is beyond is answered
	// 503. 128 MiB when zero, and 64 MiB at least.
	WebhookMemory int64
	// HeaderTimeout is how long a request's headers may take to arrive; 5 seconds when zero.
	HeaderTimeout time.Duration
	// BodyTimeout is how long a webhook's body may take to arrive; 10 seconds when zero, as long as GitHub waits.
	BodyTimeout time.Duration
	// Version of the program, for the API's description.
	Version string
}

func (c Config) validate() error {
	var errs []error
	if len(c.WebhookSecrets) == 0 || slices.ContainsFunc(c.WebhookSecrets, func(s []byte) bool { return len(s) == 0 }) {
		errs = append(errs, errors.New("a webhook secret is required, and none may be empty: anybody could send events otherwise"))
	}
	if c.APIToken == "" && !c.Demo {
		errs = append(errs, errors.New("an API token is required unless the server runs as a demo"))
	}
	if c.Intake == nil || !c.Data.complete() {
		errs = append(errs, errors.New("intake and all data functions are required"))
	}
	if least := int64(64 << 20); c.WebhookMemory != 0 && c.WebhookMemory < least {
		errs = append(errs, fmt.Errorf("the memory for webhooks must be %d bytes at least, not %d", least, c.WebhookMemory))
	}
	return errors.Join(errs...)
}

func (c *Config) setDefaults() {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Metrics == nil {
		c.Metrics = prometheus.NewRegistry()
	}
	if c.WebhookMemory == 0 {
		c.WebhookMemory = 128 << 20
	}
	if c.HeaderTimeout == 0 {
		c.HeaderTimeout = 5 * time.Second
	}
	if c.BodyTimeout == 0 {
		c.BodyTimeout = 10 * time.Second
	}
}

// Server serves Catalyst over HTTP.
type Server struct {
	config  Config
	engine  *gin.Engine
	metrics *metrics
	bodies  *bodies
	openapi []byte
}

// New makes a server. It starts nothing.
func New(config Config) (*Server, error) {
	if err := config.validate(); err != nil {
		return nil, fmt.Errorf("configuring the server: %w", err)
	}
	config.setDefaults()
	s := &Server{config: config, bodies: newBodies(config.WebhookMemory)}
	var err error
	if s.metrics, err = newMetrics(config, s.bodies); err != nil {
		return nil, err
	}
	if s.openapi, err = openAPI(config.Version); err != nil {
		return nil, err
	}
	s.routes()
	return s, nil
}

// Handler serves all routes.
func (s *Server) Handler() http.Handler { return s.engine }

// Run serves on the listener until ctx ends, then lets requests finish for up to 10 seconds. It closes the listener.
func (s *Server) Run(ctx context.Context, listener net.Listener) error {
	if s.config.APIToken == "" && !isLoopback(listener.Addr()) {
		return errors.Join(fmt.Errorf("serving on %s: without an API token only a loopback address such as 127.0.0.1:8080 is allowed",
			listener.Addr()), listener.Close())
	}
	const drain = 10 * time.Second
	h := &http.Server{
		Handler:           s.engine,
		ReadHeaderTimeout: s.config.HeaderTimeout,
		ReadTimeout:       time.Minute,
		WriteTimeout:      time.Minute,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(s.config.Logger.Handler(), slog.LevelDebug),
	}
	served := make(chan error, 1)
	go func() { served <- h.Serve(listener) }()
	select {
	case err := <-served:
		return fmt.Errorf("serving on %s: %w", listener.Addr(), err)
	case <-ctx.Done():
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), drain)
	defer cancel()
	if err := h.Shutdown(stop); err != nil {
		return errors.Join(fmt.Errorf("stopping the server: %w", err), h.Close())
	}
	return nil
}

func isLoopback(addr net.Addr) bool {
	tcp, ok := addr.(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback() || addr.Network() == "unix"
}
