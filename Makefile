# make help says what there is.

GOLANGCI_VERSION := v2.15.0
GOLANGCI := .bin/golangci-lint-$(GOLANGCI_VERSION)

# How long `make fuzz` spends on each target.
FUZZTIME ?= 60s
# What `make bench` is told, such as BENCHFLAGS='-rounds 5 -json figures.json' (-help says what there is).
BENCHFLAGS ?=
# Which seeds `make soak` goes through, and how many.
SOAK_FIRST ?= 1
SOAK_SEEDS ?= 200000
# What `make bench-go` runs: a regular expression, and how often.
BENCH ?= .
BENCHCOUNT ?= 1

.DEFAULT_GOAL := help

.PHONY: help
help: ## Say what there is
	@echo "make ..."
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  \1|\2/' | column -t -s '|' 2>/dev/null \
		|| grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST)

.PHONY: test
test: ## Install or find what the tests need, and run all of them with the race detector
	@bash scripts/test

.PHONY: check
check: ## Run what CI runs: format, vet, lint, generated code, go.mod, tests
	@bash .ci/run

.PHONY: tools
tools: ## Install or find what the tests need: redis-server, Node.js and its packages, Chromium, nginx
	@bash scripts/tools

.PHONY: lint
lint: $(GOLANGCI) ## Run the linters (.golangci.yml)
	@$(GOLANGCI) run ./...

# The first install takes one to two minutes.
$(GOLANGCI):
	@echo "installing golangci-lint $(GOLANGCI_VERSION)"
	@mkdir -p .bin
	@GOBIN=$(CURDIR)/.bin go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)
	@mv .bin/golangci-lint $@

.PHONY: fmt
fmt: ## Format the Go code
	@gofmt -s -w .

.PHONY: generate
generate: ## Generate the code of the wire injectors
	@go tool wire gen ./...

.PHONY: bench
bench: ## Compare the transport with its peers, on a Redis of its own (BENCHFLAGS=-help says more)
	@cd bench && go run ./transport $(BENCHFLAGS)

.PHONY: bench-go
bench-go: ## Run the benchmarks of the packages (BENCH=regexp, BENCHCOUNT=n)
	@go test -run '^$$' -bench '$(BENCH)' -benchmem -count $(BENCHCOUNT) ./...

.PHONY: bench-websocket
bench-websocket: ## Compare the WebSocket libraries
	@cd bench && go run ./websocket

.PHONY: bench-socketio
bench-socketio: ## Compare the Socket.IO server with Node.js': memory, broadcasts (BENCHFLAGS=-help says more)
	@cd bench && go run ./socketio $(BENCHFLAGS)

.PHONY: bench-recovery
bench-recovery: ## Compare what it costs when many clients come back with Node.js (BENCHFLAGS=-help says more)
	@cd bench && go run ./recovery $(BENCHFLAGS)

.PHONY: fuzz
fuzz: ## Run each fuzz target for FUZZTIME (60s)
	@bash scripts/fuzz $(FUZZTIME)

.PHONY: soak
soak: ## Let clusters in memory live through SOAK_SEEDS (200000) plans from SOAK_FIRST (1) on
	@GOGC=1000 go test -count 1 -timeout 0 -v -run '^TestCluster$$' ./internal/testkit/simulator -first $(SOAK_FIRST) -seeds $(SOAK_SEEDS)

.PHONY: cover
cover: ## Say how much of domain and app the tests of domain and app cover
	@go test -coverpkg ./domain/...,./app -coverprofile coverage.out ./domain/... ./app
	@go tool cover -func coverage.out | tail -n 1

.PHONY: clean
clean: ## Remove installed tools, Node.js packages and measurements
	@rm -rf .bin coverage.out internal/testkit/nodejs/node_modules internal/testkit/nodejs/.install.lock
