package server

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"catalyst.dev/catalyst/gitops"
)

func (s *Server) listTeams(c *gin.Context) error {
	p, err := pageOf(c)
	if err != nil {
		return err
	}
	teams, err := s.teams(c)
	if err != nil {
		return err
	}
	answer, err := list(p, keys(teams), func(key string) (Team, bool, error) {
		return teams[key], contains(key, c.Query("q")), nil
	})
	if err != nil {
		return err
	}
	if answer.Broken, err = s.broken(c.Request.Context(), "", "teams/"); err != nil {
		return err
	}
	c.JSON(http.StatusOK, answer)
	return nil
}

func (s *Server) getTeam(c *gin.Context) error {
	teams, err := s.teams(c)
	if err != nil {
		return err
	}
	team, ok := teams[c.Param("team")]
	if !ok {
		if err := s.unusable(c.Request.Context(), "teams/"+c.Param("team")+".yaml"); err != nil {
			return err
		}
		return gitops.ErrNotFound
	}
	c.JSON(http.StatusOK, team)
	return nil
}

func (s *Server) teams(c *gin.Context) (map[string]Team, error) {
	all, err := s.config.Data.Teams(c.Request.Context())
	if err != nil {
		return nil, err
	}
	teams := make(map[string]Team, len(all))
	for _, t := range all {
		teams[t.Name] = Team{Name: t.Name, Spec: t.Spec}
	}
	return teams, nil
}

func keys[T any](m map[string]T) []string {
	keys := make([]string, 0, len(m))
	for k := range m { // list sorts
		keys = append(keys, k)
	}
	return keys
}
