package forgetest

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// noCommit is how Git writes "no commit" where a commit is due.
const noCommit = "0000000000000000000000000000000000000000"

// git runs Git on one bare repository. No configuration of the machine or of its user takes part.
type git struct {
	dir string // the repository
	env []string
}

func newGit(home, dir string) git {
	const date = "1700000000 +0000" // fixed, so that the same changes have the same commits
	return git{dir: dir, env: []string{"HOME=" + home, "GIT_CONFIG_NOSYSTEM=1", "LC_ALL=C",
		"GIT_AUTHOR_NAME=octocat", "GIT_AUTHOR_EMAIL=octocat@users.noreply.github.com", "GIT_AUTHOR_DATE=" + date,
		"GIT_COMMITTER_NAME=octocat", "GIT_COMMITTER_EMAIL=octocat@users.noreply.github.com", "GIT_COMMITTER_DATE=" + date}}
}

// run returns what the command prints.
func (g git) run(ctx context.Context, stdin []byte, args ...string) (string, error) {
	out, _, err := g.exec(ctx, stdin, args...)
	return out, err
}

// exec also returns what the command says on standard error.
func (g git) exec(ctx context.Context, stdin []byte, args ...string) (out, said string, err error) {
	command := exec.CommandContext(ctx, "git", append([]string{"--git-dir=" + g.dir}, args...)...)
	command.Env = g.env
	command.Stdin = bytes.NewReader(stdin)
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	if err = command.Run(); err != nil {
		err = fmt.Errorf("running git %s: %w: %s", args[0], err, strings.TrimSpace(stderr.String()))
	}
	return stdout.String(), strings.TrimSpace(stderr.String()), err
}

// line is run for commands that print one word.
func (g git) line(ctx context.Context, stdin []byte, args ...string) (string, error) {
	out, err := g.run(ctx, stdin, args...)
	return strings.TrimSpace(out), err
}

// init makes the repository. It serves what Catalyst fetches: single commits, without blobs where it needs none.
func (g git) init(ctx context.Context) error {
	if err := os.MkdirAll(g.dir, 0o755); err != nil {
		return fmt.Errorf("creating the repository: %w", err)
	}
	for _, args := range [][]string{
		{"init", "--quiet", "--bare", "--initial-branch=main", "--template="},
		{"config", "uploadpack.allowAnySHA1InWant", "true"},
		{"config", "uploadpack.allowFilter", "true"},
	} {
		if _, err := g.run(ctx, nil, args...); err != nil {
			return err
		}
	}
	return nil
}

// resolve reads a full reference; found is false where there is none.
func (g git) resolve(ctx context.Context, ref string) (sha string, found bool, err error) {
	out, err := g.run(ctx, nil, "for-each-ref", "--format=%(refname) %(objectname)", ref)
	if err != nil {
		return "", false, err
	}
	for l := range strings.Lines(out) { // the pattern also matches references below ref
		if name, sha, _ := strings.Cut(strings.TrimSpace(l), " "); name == ref {
			return sha, true, nil
		}
	}
	return "", false, nil
}

// checkBranch reports as an error what Git does not take as a branch's name.
func (g git) checkBranch(ctx context.Context, branch string) error {
	if strings.HasPrefix(branch, "-") || strings.ContainsRune(branch, 0) {
		return invalid("branch %q is not a branch name", branch)
	}
	if _, err := g.run(ctx, nil, "check-ref-format", "refs/heads/"+branch); err != nil {
		return invalid("branch %q is not a branch name", branch)
	}
	return nil
}

// change is what a commit changes.
type change struct {
	parent  string // empty for a first commit
	subject string
	files   map[string][]byte // by path; nil deletes
}

// commit writes a commit. No reference points to it yet.
func (g git) commit(ctx context.Context, c change) (string, error) {
	tree, err := g.tree(ctx, c)
	if err != nil {
		return "", err
	}
	args := []string{"commit-tree", tree}
	if c.parent != "" {
		args = append(args, "-p", c.parent)
	}
	return g.line(ctx, []byte(c.subject+"\n"), args...)
}

// tree writes the parent's tree with the files laid over it.
func (g git) tree(ctx context.Context, c change) (string, error) {
	temp, err := os.MkdirTemp(g.dir, "index-")
	if err != nil {
		return "", fmt.Errorf("creating the index: %w", err)
	}
	defer func() { _ = os.RemoveAll(temp) }() // a left-over is harmless
	g.env = append(slices.Clone(g.env), "GIT_INDEX_FILE="+filepath.Join(temp, "index"))
	base := "--empty"
	if c.parent != "" {
		base = c.parent
	}
	if _, err := g.run(ctx, nil, "read-tree", base); err != nil {
		return "", err
	}
	var entries bytes.Buffer
	for _, path := range slices.Sorted(maps.Keys(c.files)) {
		if strings.ContainsRune(path, 0) {
			return "", invalid("path %q holds a NUL", path)
		}
		if c.files[path] == nil {
			fmt.Fprintf(&entries, "0 %s\t%s\x00", noCommit, path)
			continue
		}
		blob, err := g.line(ctx, c.files[path], "hash-object", "-w", "--stdin")
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&entries, "100644 %s\t%s\x00", blob, path)
	}
	_, said, err := g.exec(ctx, entries.Bytes(), "update-index", "-z", "--index-info")
	if err != nil {
		return "", err
	}
	if said != "" { // Git leaves paths such as .git/config out, and reports success
		return "", invalid("the files have paths that Git refuses: %s", said)
	}
	return g.line(ctx, nil, "write-tree")
}

// merge writes the merge commit of head into base.
func (g git) merge(ctx context.Context, base, head, subject string) (string, error) {
	tree, err := g.line(ctx, nil, "merge-tree", "--write-tree", base, head)
	if err != nil {
		return "", invalid("the pull request does not merge cleanly: %v", err)
	}
	return g.line(ctx, []byte(subject+"\n"), "commit-tree", tree, "-p", base, "-p", head)
}

// point lets a reference point to a commit.
func (g git) point(ctx context.Context, ref, sha string) error {
	_, err := g.run(ctx, nil, "update-ref", ref, sha)
	return err
}

// file is a changed file in GitHub's words.
type file struct {
	Filename         string `json:"filename"`
	Status           string `json:"status"`
	PreviousFilename string `json:"previous_filename,omitempty"`
}

// changed lists what head changes since it left base.
func (g git) changed(ctx context.Context, base, head string) ([]file, error) {
	out, err := g.run(ctx, nil, "diff", "--name-status", "-z", "-M", base+"..."+head, "--")
	if err != nil {
		return nil, err
	}
	words := map[byte]string{'A': "added", 'D': "removed", 'M': "modified", 'T': "changed", 'R': "renamed"}
	files := []file{}
	fields := strings.Split(strings.TrimSuffix(out, "\x00"), "\x00")
	for len(fields) >= 2 {
		f := file{Status: words[fields[0][0]], Filename: fields[1]}
		fields = fields[2:]
		if f.Status == "renamed" && len(fields) > 0 {
			f.PreviousFilename, f.Filename, fields = f.Filename, fields[0], fields[1:]
		}
		files = append(files, f)
	}
	return files, nil
}
