#!/bin/sh
# Fails when the generated files are not what their sources make of them: the types in api/, the verdicts of render/compose. Generates into a copy, so that it neither needs
# nor touches the state of the checkout.
set -eu
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
tar -c --exclude=./data --exclude=./bin --exclude=./.git . | tar -x -C "$copy"
make -s -C "$copy" generate
{ diff -r api "$copy/api" && diff -r docs "$copy/docs"; } || { echo "generated files are out of date: run make generate" >&2; exit 1; }
