package forge

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/google/go-github/v60/github"
)

const (
	// pageSize is the most that GitHub lists at once.
	pageSize = 100
	// maxPages bounds how many open pull requests of one repository are read: 10,000.
	maxPages = 100
	// maxRemembered pages are kept with their ETags.
	maxRemembered = 4096
)

// listPage is one page of a list of pull requests as last read.
type listPage struct {
	etag  string
	pulls []PullRequest
	next  int
}

// OpenPullRequests lists the open pull requests of a repository. A page that did not change since it was read is not sent
// again by the forge, and costs nothing of the rate limit. Merged is not known of a list's entries.
func (g *GitHub) OpenPullRequests(ctx context.Context, fullName string) ([]PullRequest, error) {
	owner, name, err := split(fullName)
	if err != nil {
		return nil, err
	}
	if ctx, err = g.authorized(ctx, fullName); err != nil {
		return nil, err
	}
	var all []PullRequest
	for number := 1; number != 0; {
		if number > maxPages {
			return nil, fmt.Errorf("listing the pull requests of %s: more than %d are open", fullName, maxPages*pageSize)
		}
		path := fmt.Sprintf("repos/%s/%s/pulls?state=open&sort=created&direction=asc&per_page=%d&page=%d", owner, name, pageSize, number)
		page, err := g.listPage(ctx, path)
		if err != nil {
			return nil, fmt.Errorf("listing the pull requests of %s: %w", fullName, err)
		}
		all = append(all, page.pulls...)
		if number >= page.next {
			break
		}
		number = page.next
	}
	return all, nil
}

func (g *GitHub) listPage(ctx context.Context, path string) (listPage, error) {
	request, err := g.client.NewRequest(http.MethodGet, path, nil)
	if err != nil {
		return listPage{}, err
	}
	known, remembered := g.pages.Get(path)
	if remembered {
		request.Header.Set("If-None-Match", known.etag)
	}
	var list []*github.PullRequest
	response, err := g.client.Do(ctx, request, &list)
	var answer *github.ErrorResponse
	if remembered && errors.As(err, &answer) && answer.Response != nil && answer.Response.StatusCode == http.StatusNotModified {
		return known, nil
	}
	if err != nil {
		return listPage{}, g.explain(err)
	}
	page := listPage{etag: response.Header.Get("ETag"), next: response.NextPage}
	for _, pr := range list {
		page.pulls = append(page.pulls, convert(pr))
	}
	if page.etag != "" {
		g.pages.Add(path, page)
	}
	return page, nil
}
