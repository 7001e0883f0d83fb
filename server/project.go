package server

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"catalyst.dev/catalyst/gitops"
)

func (s *Server) listProjects(c *gin.Context) error {
	p, err := pageOf(c)
	if err != nil {
		return err
	}
	projects, err := s.projects(c)
	if err != nil {
		return err
	}
	team, q := c.Query("team"), c.Query("q")
	answer, err := list(p, keys(projects), func(key string) (Project, bool, error) {
		project := projects[key]
		return project, (team == "" || project.Team == team) && contains(key, q), nil
	})
	if err != nil {
		return err
	}
	if answer.Broken, err = s.broken(c.Request.Context(), c.Query("team"), "projects/"); err != nil {
		return err
	}
	c.JSON(http.StatusOK, answer)
	return nil
}

func (s *Server) getProject(c *gin.Context) error {
	projects, err := s.projects(c)
	if err != nil {
		return err
	}
	project, ok := projects[c.Param("team")+"/"+c.Param("project")]
	if !ok {
		if err := s.unusable(c.Request.Context(), "projects/"+c.Param("team")+"/"+c.Param("project")+".yaml"); err != nil {
			return err
		}
		return gitops.ErrNotFound
	}
	c.JSON(http.StatusOK, project)
	return nil
}

func (s *Server) projects(c *gin.Context) (map[string]Project, error) {
	all, err := s.config.Data.Projects(c.Request.Context())
	if err != nil {
		return nil, err
	}
	projects := make(map[string]Project, len(all))
	for _, p := range all {
		key := p.Namespace + "/" + p.Name
		projects[key] = Project{Key: key, Team: p.Namespace, Name: p.Name, Spec: p.Spec}
	}
	return projects, nil
}
