// Command build builds the programs of the stack that it is given, or all, and prints where each is.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"catalyst.dev/catalyst/test/stack"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, names []string) error {
	if len(names) == 0 {
		names = stack.Tools()
	}
	for _, name := range names {
		file, err := stack.Build(ctx, name)
		if err != nil {
			return err
		}
		fmt.Println(file)
	}
	return nil
}
