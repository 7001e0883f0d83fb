package server

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"slices"

	"github.com/gin-gonic/gin"

	"catalyst.dev/catalyst/api/v1alpha1"
	"catalyst.dev/catalyst/gitops"
)

// listEnvironments reads only the environments of the page, unless it filters by type.
func (s *Server) listEnvironments(c *gin.Context) error {
	p, err := pageOf(c)
	if err != nil {
		return err
	}
	found, err := s.config.Data.Keys(c.Request.Context(), c.Query("team"), c.Query("project"))
	if err != nil {
		return err
	}
	byName := make(map[string]v1alpha1.EnvironmentKey, len(found))
	for _, k := range found {
		if name := k.String(); contains(name, c.Query("q")) {
			byName[name] = k
		}
	}
	files, err := s.broken(c.Request.Context(), c.Query("team"), "projects/", "environments/")
	if err != nil {
		return err
	}
	kind := c.Query("type")
	answer, err := list(p, keys(byName), func(name string) (Environment, bool, error) {
		e, err := s.environment(c.Request.Context(), byName[name])
		if errors.Is(err, gitops.ErrNotFound) { // deleted since
			return Environment{}, false, nil
		}
		if errors.Is(err, gitops.ErrInvalid) { // one broken file must not hide the others
			e, err = invalid(byName[name], err), nil
		}
		if err == nil {
			e.markBroken(byName[name], files)
		}
		return e, kind == "" || e.Spec.Type == kind, err
	})
	if err != nil {
		return err
	}
	answer.Broken = files
	c.JSON(http.StatusOK, answer)
	return nil
}

func (s *Server) environment(ctx context.Context, key v1alpha1.EnvironmentKey) (Environment, error) {
	e, err := s.config.Data.Environment(ctx, key)
	if err != nil {
		return Environment{}, err
	}
	e.complete(key)
	return e, nil
}

// invalid stands for an environment whose file cannot be read.
func invalid(key v1alpha1.EnvironmentKey, err error) Environment {
	var e Environment
	e.complete(key)
	e.Phase = "Failed"
	e.Conditions[0] = Condition{Type: "Rendered", Status: "False", Reason: "InvalidFile", Message: err.Error()}
	return e
}

func (s *Server) getEnvironment(c *gin.Context) error {
	key, err := keyOf(c)
	if err != nil {
		return err
	}
	e, err := s.environment(c.Request.Context(), key)
	if err != nil {
		return err
	}
	files, err := s.config.Data.BrokenOf(c.Request.Context(), key)
	if err != nil {
		return err
	}
	e.markBroken(key, files)
	c.JSON(http.StatusOK, e)
	return nil
}

func (s *Server) getManifests(c *gin.Context) error {
	key, err := keyOf(c)
	if err != nil {
		return err
	}
	files, err := s.config.Data.Manifests(c.Request.Context(), key)
	if err != nil {
		return err
	}
	answer := List[Manifest]{Items: []Manifest{}}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		answer.Items = append(answer.Items, Manifest{Name: name, Content: string(files[name])})
	}
	c.JSON(http.StatusOK, answer)
	return nil
}

func (s *Server) getHistory(c *gin.Context) error {
	key, err := keyOf(c)
	if err != nil {
		return err
	}
	p, err := pageOf(c)
	if err != nil {
		return err
	}
	changes, err := s.config.Data.History(c.Request.Context(), key, p.limit)
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, List[Change]{Items: append([]Change{}, changes...)})
	return nil
}

// keyOf the path; what cannot be a key is not found.
func keyOf(c *gin.Context) (v1alpha1.EnvironmentKey, error) {
	key, ok := v1alpha1.ParseEnvironmentKey(c.Param("team") + "/" + c.Param("project") + "/" + c.Param("environment"))
	if !ok {
		return key, gitops.ErrNotFound
	}
	return key, nil
}
