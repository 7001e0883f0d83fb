package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/sirupsen/logrus"
	"github.com/spf13/cobra"

	"catalyst.dev/catalyst/render"
	"catalyst.dev/catalyst/render/worker"
)

// version is set by the linker.
var version = "dev"

// streams are the process's standard streams.
type streams struct {
	In  io.Reader
	Out io.Writer
	Err io.Writer
}

// program is what every verb shares.
type program struct {
	streams
	getenv func(string) string
}

// hinted is an error with a next step for the person at the terminal.
type hinted struct {
	error
	hint string
}

func (h hinted) Unwrap() error { return h.error }

// run is the program: it returns the exit code.
func run(ctx context.Context, args []string, s streams, getenv func(string) string) int {
	if worker.IsWorker(args) {
		return worker.Main(ctx, s.In, s.Out, render.Render)
	}
	// compose-go writes its warnings to a logger of the process; ours are in the report.
	logrus.SetOutput(io.Discard)
	root := newRoot(&program{streams: s, getenv: getenv})
	root.SetArgs(args)
	root.SetIn(s.In)
	root.SetOut(s.Out)
	root.SetErr(s.Err)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	fmt.Fprintf(s.Err, "catalyst: %v\n", err)
	var h hinted
	if errors.As(err, &h) {
		fmt.Fprintf(s.Err, "hint: %s\n", h.hint)
	}
	return 1
}

func newRoot(p *program) *cobra.Command {
	root := &cobra.Command{
		Use:   "catalyst",
		Short: "Pull requests become running environments; Git is the only thing that deploys",
		Long: `Catalyst renders each Environment's template to plain Kubernetes manifests and SealedSecrets and commits them to an
environments Git repository, which Argo CD syncs.`,
		SilenceUsage:  true,
		SilenceErrors: true,
		Version:       version,
	}
	root.AddCommand(newServe(p), newRender(p), newDiff(p), newEnvironment(p), newDemo(p), newVersion(p))
	return root
}

func newVersion(p *program) *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the version",
		Example: "  catalyst version",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintln(p.Out, version)
			return err
		},
	}
}
