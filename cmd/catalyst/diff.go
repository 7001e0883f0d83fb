package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"regexp"
	"slices"

	"github.com/rogpeppe/go-internal/diff"
	"github.com/spf13/cobra"

	"catalyst.dev/catalyst/gitops"
	"catalyst.dev/catalyst/gitops/gitssh"
	"catalyst.dev/catalyst/gitops/repository"
)

func newDiff(p *program) *cobra.Command {
	var flags renderFlags
	var url, branch string
	cmd := &cobra.Command{
		Use:   "diff -f project.yaml -f environment.yaml --source NAME=DIR --environments-repo URL",
		Short: "Show what a render would change in the environments repository",
		Long: `Render as "catalyst render" does and compare with what is committed. Sealed values are shown as such: whether one changed can
only be told by who holds the server's key. CATALYST_GIT_TOKEN, or CATALYST_GITHUB_TOKEN, reads a private repository.`,
		Example: "  catalyst diff -f project.yaml -f environment.yaml --source web=. --environments-repo git@github.com:acme/environments",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if url == "" {
				return hinted{errors.New("there is no environments repository to compare with"), "name it: --environments-repo URL"}
			}
			return p.diff(cmd.Context(), flags, repository.Options{URL: url, Branch: branch, SSH: gitssh.Personal(),
				Auth: repository.Auth{Password: cmp.Or(p.getenv("CATALYST_GIT_TOKEN"), p.getenv("CATALYST_GITHUB_TOKEN"))}})
		},
	}
	flags.register(cmd)
	cmd.Flags().StringVar(&url, "environments-repo", p.getenv("CATALYST_ENVIRONMENTS_REPO"), "URL of the environments repository")
	cmd.Flags().StringVar(&branch, "branch", "main", "branch of the environments repository")
	return cmd
}

func (p *program) diff(ctx context.Context, flags renderFlags, o repository.Options) error {
	files, _, err := p.render(ctx, flags)
	if err != nil {
		return err
	}
	docs, err := readDocuments(flags.files)
	if err != nil {
		return err
	}
	repo, err := repository.Open(ctx, o)
	if err != nil {
		return err
	}
	committed, err := repo.Snapshot().Files(ctx, gitops.EnvironmentDir(docs.Environment.Key()))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	names := maps.Clone(files)
	maps.Copy(names, committed)
	var out bytes.Buffer
	for _, name := range slices.Sorted(maps.Keys(names)) {
		out.Write(diff.Diff("committed/"+name, masked(committed[name]), "rendered/"+name, masked(files[name])))
	}
	if out.Len() == 0 {
		_, err = fmt.Fprintln(p.Err, "catalyst: nothing changes")
		return err
	}
	_, err = p.Out.Write(out.Bytes())
	return err
}

var (
	// sealedValue is a line of ciphertext, or of what depends on the server's key.
	sealedValue = regexp.MustCompile(`(?m)^(\s+[-._a-zA-Z0-9]+: )A[QYg][A-Za-z0-9+/=]{300,}$|^(\s+catalyst\.dev/render-digest: ).*$`)
	// sealAnnotations stand in what the server committed only.
	sealAnnotations = regexp.MustCompile(`(?m)^  annotations:\n(?:    catalyst\.dev/seal-[a-z]+: .*\n)+`)
)

func masked(data []byte) []byte {
	return sealAnnotations.ReplaceAll(sealedValue.ReplaceAll(data, []byte("${1}${2}(sealed)")), nil)
}
