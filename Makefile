# Catalyst. `make run` starts it with a demo; `make test` passes the tests. Both set up what they need.

GO      ?= go
BIN     := bin/catalyst
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -s -w -X main.version=$(VERSION)
TOOLS   := $(GO) tool -modfile=test/tools/go.mod

.PHONY: run test e2e stack check bench generate build setup unit fuzz

## run: build, and serve the demo on 127.0.0.1:8080 with everything under data/
run: build
	$(BIN) serve --demo --data data --listen 127.0.0.1:8080

build: setup
	CGO_ENABLED=0 $(GO) build -ldflags '$(LDFLAGS)' -o $(BIN) ./cmd/catalyst

## test: the checks, then every test
test: setup check unit

unit:
	$(GO) test -timeout 30m ./...

## race: the packages that share state between goroutines, under the race detector (not render/worker: its limit on address
## space leaves no room for the detector's)
race:
	$(GO) test -race -timeout 30m ./gitops/... ./server/... ./secrets/...

## e2e: this program against the real kube-apiserver
e2e: setup stack
	$(GO) test -tags e2e -timeout 30m -count 1 ./test/e2e/

## stack: the real programs that tests and benchmarks run against, built once per version into a cache (a first build takes 20 minutes)
stack:
	$(GO) run ./test/stack/build

## check: format, vet, lint, generated files, import rules
check: setup
	@out=$$(gofmt -l $$(git ls-files '*.go')); if [ -n "$$out" ]; then echo "gofmt these files:"; echo "$$out"; exit 1; fi
	$(GO) vet -tags e2e ./...
	$(TOOLS) golangci-lint run ./...
	./test/generated.sh
	$(GO) test ./test/ -run 'Imports'

## generate: deepcopy functions and CRDs from the types in api/, the table in docs/compose.md from render/compose
generate:
	$(TOOLS) controller-gen object paths=./api/...
	$(TOOLS) controller-gen crd:allowDangerousTypes=false paths=./api/... output:crd:dir=api/crds
	$(GO) test ./render/compose -run Documentation -count 1 -update >/dev/null

## fuzz: a minute of random Compose files, with the corpus as seeds where it is
fuzz: setup
	$(GO) test -run '^$$' -fuzz FuzzRender -fuzztime 1m -fuzzminimizetime 10x ./render/compose

## bench: the benchmarks, each beside what a script does with the command-line tools in the same run
bench: setup
	$(GO) run ./test/stack/build helm kustomize kompose kubeseal
	$(GO) test -run '^$$' -bench . -benchtime 1s -count 1 ./render/... ./secrets/... ./gitops/... ./test/...

## setup: what the build and the tests need of the system (Debian packages, when root)
setup:
	@./test/setup.sh
