package forgetest

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"slices"
)

// listedPull is a pull request as a list shows it: without what GitHub works out for one alone.
type listedPull struct {
	pullPayload
	Merged *bool `json:"merged,omitempty"` // never set: hides the embedded field, which lists lack
}

// getPulls lists pull requests, newest first unless asked otherwise. An answer that the client has is not sent again.
func (s *Server) getPulls(w http.ResponseWriter, r *http.Request) {
	answer, err := s.listPulls(r, w.Header())
	var body bytes.Buffer
	if err == nil {
		err = json.NewEncoder(&body).Encode(answer)
	}
	if err != nil {
		respond(w, nil, err)
		return
	}
	sum := sha256.Sum256(body.Bytes())
	tag := `W/"` + hex.EncodeToString(sum[:]) + `"`
	w.Header().Set("ETag", tag)
	if r.Header.Get("If-None-Match") == tag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	_, _ = w.Write(body.Bytes()) // the client has gone
}

func (s *Server) listPulls(r *http.Request, header http.Header) ([]listedPull, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	name := r.PathValue("owner") + "/" + r.PathValue("repo")
	repo, err := s.state.repository(name)
	if err != nil {
		return nil, err
	}
	state := r.URL.Query().Get("state")
	if state == "" {
		state = "open"
	}
	selected := slices.DeleteFunc(slices.Clone(repo.Pulls), func(p *pull) bool { return state != "all" && p.State != state })
	if r.URL.Query().Get("direction") != "asc" {
		slices.Reverse(selected)
	}
	list := []listedPull{}
	for _, p := range page(r, header, selected) {
		shown, err := s.pullPayload(r.Context(), name, repo, p)
		if err != nil {
			return nil, err
		}
		list = append(list, listedPull{pullPayload: shown})
	}
	return list, nil
}
