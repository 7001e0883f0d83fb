package forgetest

import (
	"context"
	"fmt"
	"slices"
)

// PullOptions say how a pull request is opened.
type PullOptions struct {
	// Fork opens it from a fork. The repository then has its commits at refs/pull/N/head alone: the branch leaves it, or,
	// with Files, never was there.
	Fork   bool
	Draft  bool
	Labels []string
	// Files are committed to the branch first, with Subject (or else the title); nil content deletes a file.
	Files   map[string][]byte
	Subject string
}

// Open opens a pull request against main at the branch's head, and writes refs/pull/N/head.
func (s *Server) Open(ctx context.Context, fullName, branch, title string, o PullOptions) (Delivery, error) {
	var d Delivery
	err := s.mutate(func(st *state) error {
		repo, err := st.repository(fullName)
		if err != nil {
			return err
		}
		if err := repo.free(branch, o.Fork); err != nil {
			return err
		}
		p := &pull{Number: len(repo.Pulls) + 1, State: "open", Draft: o.Draft, Fork: o.Fork, Branch: branch, Title: title,
			Labels: slices.Clone(o.Labels)}
		c := branchChange{branch: branch, subject: o.Subject, files: o.Files}
		if c.subject == "" {
			c.subject = title
		}
		start := s.startOwn
		if o.Fork {
			start = s.startFork
		}
		if err := start(ctx, st, opening{fullName: fullName, pull: p, change: c}); err != nil {
			return err
		}
		repo.Pulls = append(repo.Pulls, p)
		p.touch()
		d, err = s.pullDelivery(ctx, fullName, repo, pullEvent{action: "opened", pull: p})
		return err
	})
	if err != nil {
		return Delivery{}, fmt.Errorf("opening a pull request from branch %q of %s: %w", branch, fullName, err)
	}
	return d, nil
}

// free reports as an error that a pull request from the branch is open already, or may never be.
func (r *repository) free(branch string, fork bool) error {
	if branch == mainBranch && !fork {
		return invalid("a pull request from %s to %s holds nothing", mainBranch, mainBranch)
	}
	for _, p := range r.Pulls {
		if p.State == "open" && p.Branch == branch && p.Fork == fork {
			return invalid("pull request %d is open from branch %q already", p.Number, branch)
		}
	}
	return nil
}

// opening is a pull request that has no reference yet, and what is to be committed to its branch first.
type opening struct {
	fullName string
	pull     *pull
	change   branchChange
}

// startOwn commits the files, if any, and writes the pull request's reference.
func (s *Server) startOwn(ctx context.Context, st *state, o opening) error {
	if o.change.files != nil {
		if _, err := s.commit(ctx, st, o.fullName, o.change); err != nil {
			return err
		}
	}
	return s.follow(ctx, o.fullName, o.pull)
}

// follow lets the pull request's reference point to its branch's commit.
func (s *Server) follow(ctx context.Context, fullName string, p *pull) error {
	g := s.git(fullName)
	sha, found, err := g.resolve(ctx, "refs/heads/"+p.Branch)
	if err != nil {
		return err
	}
	if !found {
		return invalid("branch %q does not exist", p.Branch)
	}
	return g.point(ctx, p.ref(), sha)
}

// startFork writes the reference of a pull request from a fork. The files, if any, are committed to nothing else; without
// them the branch is the fork's, so it is taken away from the repository.
func (s *Server) startFork(ctx context.Context, st *state, o opening) error {
	g, p := s.git(o.fullName), o.pull
	if o.change.files == nil {
		if err := s.follow(ctx, o.fullName, p); err != nil {
			return err
		}
		if st.Repositories[o.fullName].free(p.Branch, false) != nil { // main, or a pull request's from the repository itself
			return nil
		}
		_, err := g.run(ctx, nil, "update-ref", "-d", "refs/heads/"+p.Branch)
		return err
	}
	if err := g.checkBranch(ctx, p.Branch); err != nil {
		return err
	}
	parent, _, err := g.resolve(ctx, "refs/heads/"+mainBranch)
	if err != nil {
		return err
	}
	sha, err := g.commit(ctx, change{parent: parent, subject: o.change.subject, files: o.change.files})
	if err != nil {
		return err
	}
	return g.point(ctx, p.ref(), sha)
}

// Push commits to an open pull request's branch.
func (s *Server) Push(ctx context.Context, fullName string, number int, subject string, files map[string][]byte) (Delivery, error) {
	return s.update(ctx, fullName, number, func(st *state, p *pull) (pullEvent, error) {
		if p.State != "open" {
			return pullEvent{}, invalid("it is closed")
		}
		g := s.git(fullName)
		before, _, err := g.resolve(ctx, p.ref())
		if err != nil {
			return pullEvent{}, err
		}
		e := pullEvent{action: "synchronize", before: before}
		if !p.Fork {
			e.after, err = s.commit(ctx, st, fullName, branchChange{branch: p.Branch, subject: subject, files: files})
			return e, err
		}
		if p.ForkDeleted {
			return pullEvent{}, invalid("its fork is deleted")
		}
		if e.after, err = g.commit(ctx, change{parent: before, subject: subject, files: files}); err != nil {
			return pullEvent{}, err
		}
		return e, g.point(ctx, p.ref(), e.after)
	})
}

// Close closes a pull request. When merged, main gets a merge commit; conflicts are an error.
func (s *Server) Close(ctx context.Context, fullName string, number int, merged bool) (Delivery, error) {
	return s.update(ctx, fullName, number, func(st *state, p *pull) (pullEvent, error) {
		if p.State != "open" {
			return pullEvent{}, invalid("it is closed already")
		}
		g := s.git(fullName)
		base, _, err := g.resolve(ctx, "refs/heads/"+mainBranch)
		if err != nil {
			return pullEvent{}, err
		}
		p.State, p.Merged, p.Base = "closed", merged, base
		if !merged {
			return pullEvent{action: "closed"}, nil
		}
		head, _, err := g.resolve(ctx, p.ref())
		if err != nil {
			return pullEvent{}, err
		}
		sha, err := g.merge(ctx, base, head, fmt.Sprintf("Merge pull request #%d from %s", p.Number, p.Branch))
		if err != nil {
			return pullEvent{}, err
		}
		return pullEvent{action: "closed"}, g.point(ctx, "refs/heads/"+mainBranch, sha)
	})
}

// Reopen opens a closed pull request again, at its branch's head of now. A merged one stays closed, as does one whose
// branch has another open by now.
func (s *Server) Reopen(ctx context.Context, fullName string, number int) (Delivery, error) {
	return s.update(ctx, fullName, number, func(st *state, p *pull) (pullEvent, error) {
		if p.State == "open" || p.Merged {
			return pullEvent{}, invalid("it is open or merged")
		}
		if err := st.Repositories[fullName].free(p.Branch, p.Fork); err != nil {
			return pullEvent{}, err
		}
		p.State, p.Base = "open", ""
		if p.Fork {
			return pullEvent{action: "reopened"}, nil
		}
		return pullEvent{action: "reopened"}, s.follow(ctx, fullName, p)
	})
}

// Label puts a label on a pull request, or takes it off.
func (s *Server) Label(ctx context.Context, fullName string, number int, label string, on bool) (Delivery, error) {
	return s.update(ctx, fullName, number, func(_ *state, p *pull) (pullEvent, error) {
		has := slices.Contains(p.Labels, label)
		if label == "" || has == on {
			return pullEvent{}, invalid("label %q is empty, or there already, or not there", label)
		}
		if on {
			p.Labels = append(p.Labels, label)
			return pullEvent{action: "labeled", label: label}, nil
		}
		p.Labels = slices.DeleteFunc(p.Labels, func(l string) bool { return l == label })
		return pullEvent{action: "unlabeled", label: label}, nil
	})
}

// SetDraft turns a pull request into a draft, or makes a draft ready for review.
func (s *Server) SetDraft(ctx context.Context, fullName string, number int, draft bool) (Delivery, error) {
	return s.update(ctx, fullName, number, func(_ *state, p *pull) (pullEvent, error) {
		if p.Draft == draft {
			return pullEvent{}, invalid("draft is %t already", draft)
		}
		p.Draft = draft
		if draft {
			return pullEvent{action: "converted_to_draft"}, nil
		}
		return pullEvent{action: "ready_for_review"}, nil
	})
}

// DeleteFork lets the fork that a pull request came from be deleted: its head repository is null from now on. GitHub
// tells nobody.
func (s *Server) DeleteFork(_ context.Context, fullName string, number int) error {
	return s.mutate(func(st *state) error {
		_, p, err := st.pull(fullName, number)
		if err != nil {
			return err
		}
		if !p.Fork {
			return invalid("pull request %s#%d is not from a fork", fullName, number)
		}
		p.ForkDeleted = true
		return nil
	})
}

// PushBranch commits to a branch, which is created from main if it is missing, and tells of it as a push. An open pull
// request from the branch moves along; GitHub would tell of that too, here its part is Push's.
func (s *Server) PushBranch(ctx context.Context, fullName, branch, subject string, files map[string][]byte) (Delivery, error) {
	var d Delivery
	err := s.mutate(func(st *state) error {
		ref := "refs/heads/" + branch
		repo, err := st.repository(fullName)
		if err != nil {
			return err
		}
		before, found, err := s.git(fullName).resolve(ctx, ref)
		if err != nil {
			return err
		}
		if !found {
			before = noCommit
		}
		after, err := s.commit(ctx, st, fullName, branchChange{branch: branch, subject: subject, files: files})
		if err != nil {
			return err
		}
		d, err = s.sign("push", pushPayload{Ref: ref, Before: before, After: after, Created: !found,
			Repository: s.repositoryPayload(fullName, repo.ID, false), Pusher: pusher(), Sender: octocat()})
		return err
	})
	if err != nil {
		return Delivery{}, fmt.Errorf("pushing to branch %q of %s: %w", branch, fullName, err)
	}
	return d, nil
}

// update changes one pull request and tells of it.
func (s *Server) update(ctx context.Context, fullName string, number int, f func(*state, *pull) (pullEvent, error)) (Delivery, error) {
	var d Delivery
	err := s.mutate(func(st *state) error {
		repo, p, err := st.pull(fullName, number)
		if err != nil {
			return err
		}
		e, err := f(st, p)
		if err != nil {
			return err
		}
		p.touch()
		e.pull = p
		d, err = s.pullDelivery(ctx, fullName, repo, e)
		return err
	})
	if err != nil {
		return Delivery{}, fmt.Errorf("changing pull request %s#%d: %w", fullName, number, err)
	}
	return d, nil
}
