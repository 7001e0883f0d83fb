package test

import (
	"context"
	"net/http"
	"regexp"
	"slices"
	"strings"
)

// environments are the environments that Git holds, with their commits.
func (c *crash) environments() map[string]string {
	got := map[string]string{}
	for _, name := range strings.Fields(c.git.Git("environments", "ls-tree", "-d", "--name-only", "main", "environments/acme/shop/")) {
		got[name[strings.LastIndex(name, "/")+1:]] = ""
	}
	// The platform's domain is there always: without a match git fails.
	found := c.git.Git("environments", "grep", "-E", "commitSha:|domain:", "main", "--", "environments", "catalyst.yaml")
	commit := regexp.MustCompile(`main:environments/acme/shop/([^/]+)/environment\.yaml:\s*commitSha: ([0-9a-f]+)`)
	for _, m := range commit.FindAllStringSubmatch(found, -1) {
		got[m[1]] = m[2]
	}
	return got
}

// idle reports whether the server has nothing left to do.
func (c *crash) idle(ctx context.Context) bool {
	code, metrics := c.get(ctx, "/metrics")
	jobs := regexp.MustCompile(`(?m)^catalyst_queue_jobs\{.*\} (\d+)$`).FindAllStringSubmatch(metrics, -1)
	return code == http.StatusOK && len(jobs) > 0 && !slices.ContainsFunc(jobs, func(m []string) bool { return m[1] != "0" })
}

// checkHistory checks every commit, and returns how many there are.
func (c *crash) checkHistory() int {
	c.t.Helper()
	format := "%H|%P|%(trailers:key=Catalyst-Environment,valueonly,separator=%x2C)|%(trailers:key=Catalyst-Action,valueonly,separator=%x2C)|%(trailers:key=Argocd-reference-commit-sha,valueonly,separator=%x2C)"
	var tips []string
	done, folder := map[string]string{}, map[string]string{}
	for i, line := range strings.Split(strings.TrimSpace(c.git.Git("environments", "log", "--reverse", "--format="+format, "main")), "\n") {
		field := strings.Split(line, "|")
		commit, parents, environment, action, source := field[0], field[1], field[2], field[3], field[4]
		if i > 0 && parents != tips[i-1] {
			c.t.Errorf("commit %s has the parents %q, want %q", commit, parents, tips[i-1])
		}
		tips = append(tips, commit)
		if environment == "" {
			if i > 0 && action != "init" {
				c.t.Errorf("commit %s is about no environment", commit)
			}
			continue
		}
		did := environment + " " + source // a commit of the application is deployed once, and an environment deleted once
		if done[did] != "" {
			c.t.Errorf("commit %s does what commit %s did: %s %s", commit, done[did], action, did)
		}
		done[did] = commit
		tree := c.git.Git("environments", "ls-tree", commit, "environments/"+environment)
		if before, seen := folder[environment]; seen && before == tree {
			c.t.Errorf("commit %s (%s) changes nothing of %s", commit, action, environment)
		}
		folder[environment] = tree
	}
	c.checkTips(tips)
	c.checkSecrets()
	c.git.Git("environments", "fsck", "--strict", "--no-dangling")
	return len(tips)
}

// checkTips checks that the branch only ever moved forward, along the commits it has now.
func (c *crash) checkTips(commits []string) {
	c.t.Helper()
	at := -1
	moves := strings.Fields(c.git.Git("environments", "reflog", "show", "--format=%H", "main"))
	slices.Reverse(moves)
	for _, tip := range moves {
		next := slices.Index(commits, tip)
		if next <= at {
			c.t.Errorf("the branch moved to %s, which is no commit after its tip", tip)
		}
		at = next
	}
	if at != len(commits)-1 {
		c.t.Errorf("the branch moved to commit %d of %d last", at+1, len(commits))
	}
}

// checkSecrets checks that no commit holds a plain Secret, and that there is a sealed one.
func (c *crash) checkSecrets() {
	c.t.Helper()
	all := c.git.Git("environments", "log", "-p", "--format=%B", "main")
	if plain := regexp.MustCompile(`(?m)^\+\s*kind: Secret$|` + crashCanary).FindString(all); plain != "" {
		c.t.Errorf("Git holds %q", plain)
	}
	if !strings.Contains(all, "+kind: SealedSecret") {
		c.t.Error("no secret was sealed")
	}
}
