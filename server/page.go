package server

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"
)

const (
	defaultLimit = 100
	maxLimit     = 500
)

// page is the part of a list that a request asks for: limit items whose keys come after the last one of the page before.
// A list that changes between two pages neither repeats nor skips what stayed.
type page struct {
	limit int
	after string
}

func pageOf(c *gin.Context) (page, error) {
	p := page{limit: defaultLimit}
	if text := c.Query("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > maxLimit {
			return page{}, problem(http.StatusBadRequest, fmt.Sprintf("limit must be a number from 1 to %d", maxLimit))
		}
		p.limit = n
	}
	after, err := base64.RawURLEncoding.DecodeString(c.Query("continue"))
	if err != nil {
		return page{}, problem(http.StatusBadRequest, "continue must be the token that the page before gave")
	}
	p.after = string(after)
	return p, nil
}

// list builds the page from keyed items in any order. item reads one; it reports false for one that is filtered out.
func list[T any](p page, keys []string, item func(key string) (T, bool, error)) (List[T], error) {
	keys = slices.Sorted(slices.Values(keys))
	from, found := slices.BinarySearch(keys, p.after)
	if found {
		from++
	}
	page := List[T]{Items: []T{}}
	last := ""
	for _, key := range keys[from:] {
		t, ok, err := item(key)
		switch {
		case err != nil:
			return List[T]{}, err
		case !ok:
			continue
		case len(page.Items) == p.limit:
			page.Continue = base64.RawURLEncoding.EncodeToString([]byte(last))
			return page, nil
		}
		page.Items, last = append(page.Items, t), key
	}
	return page, nil
}

// contains reports whether text holds the part, whatever its case.
func contains(text, part string) bool { return strings.Contains(text, strings.ToLower(part)) }
