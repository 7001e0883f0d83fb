package server

import (
	"net/http"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// handler answers a request, or returns the error that problemOf turns into the answer.
type handler func(c *gin.Context) error

// routes registers everything. The way of a request:
//
//	observe (log, metrics) → recover → security headers → host (demo) → token → handler
//
// A route asks for the token unless it is registered in the public block.
func (s *Server) routes() {
	gin.SetMode(gin.ReleaseMode)
	s.engine = gin.New()
	s.engine.HandleMethodNotAllowed = true
	s.engine.RedirectTrailingSlash = false
	s.engine.ForwardedByClientIP = false
	s.engine.Use(s.observe, s.recover, securityHeaders, s.checkHost)
	s.engine.NoRoute(s.handle(func(*gin.Context) error { return problem(http.StatusNotFound, "there is nothing at this path") }))
	s.engine.NoMethod(s.handle(func(*gin.Context) error {
		return problem(http.StatusMethodNotAllowed, "this path does not take this method")
	}))

	public := s.engine.Group("/")
	public.GET("/healthz", s.handle(s.health))
	public.GET("/readyz", s.handle(s.ready))
	public.GET("/openapi.json", s.handle(s.description))
	public.POST("/webhooks/github", s.handle(s.githubWebhook)) // signed

	private := s.engine.Group("/", s.checkToken)
	private.GET("/metrics", gin.WrapH(promhttp.HandlerFor(s.config.Metrics, promhttp.HandlerOpts{})))
	api := private.Group("/api/v1")
	api.GET("/teams", s.handle(s.listTeams))
	api.GET("/teams/:team", s.handle(s.getTeam))
	api.GET("/projects", s.handle(s.listProjects))
	api.GET("/projects/:team/:project", s.handle(s.getProject))
	api.GET("/environments", s.handle(s.listEnvironments))
	environment := api.Group("/environments/:team/:project/:environment")
	environment.GET("", s.handle(s.getEnvironment))
	environment.GET("/manifests", s.handle(s.getManifests))
	environment.GET("/history", s.handle(s.getHistory))
}

func (s *Server) handle(h handler) gin.HandlerFunc {
	return func(c *gin.Context) {
		if err := h(c); err != nil {
			s.fail(c, err)
		}
	}
}
