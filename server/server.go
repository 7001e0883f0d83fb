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
	return errors.Join(errs...)
}

// Server serves Catalyst over HTTP.
type Server struct {
	config  Config
	engine  *gin.Engine
	metrics *metrics
	openapi []byte
}

// New makes a server. It starts nothing.
func New(config Config) (*Server, error) {
	if err := config.validate(); err != nil {
		return nil, fmt.Errorf("configuring the server: %w", err)
	}
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	if config.Metrics == nil {
		config.Metrics = prometheus.NewRegistry()
	}
	s := &Server{config: config}
	var err error
	if s.metrics, err = newMetrics(config.Metrics, config.QueueStats); err != nil {
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
		ReadHeaderTimeout: 5 * time.Second,
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
