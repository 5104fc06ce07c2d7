# The index of every command. Each target does all of its own set-up, on a fresh machine too.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
NATIVE := collector/native/otlp.so
LAYER_VENV := build/layer-venv
LAYER_STAMP := $(LAYER_VENV)/.installed
HOST_ARCH := $(shell uname -m | sed 's/aarch64/arm64/')
ARCH ?= $(HOST_ARCH)
FOR ?=
ONLY ?=

# Settings of the machine's user must not reach what is built and tested.
export PYTHONDONTWRITEBYTECODE :=
unexport PYTHONPATH PYTHONHOME VIRTUAL_ENV

.PHONY: help
help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

.PHONY: demo
demo: $(STAMP) $(NATIVE) dist/layer.zip chromium-if-needed ## run everything here and open the dashboard; FOR=60 checks every page and ends by itself
	@$(BIN)/python -m deploy.local.demo $(if $(FOR),--for $(FOR))

.PHONY: test
test: $(STAMP) $(NATIVE) dist/layer.zip chromium nodejs foreign ## every test, fault and load tests at a small size
	@$(BIN)/python -m tests.suite $(if $(ONLY),-k '$(ONLY)')

.PHONY: soak
soak: $(STAMP) $(NATIVE) dist/layer.zip chromium nodejs foreign foreign-extensions ## the same tests at full size; resumable; one JSON line each; ONLY=name selects
	@$(BIN)/python -m tests.soak $(ONLY)

.PHONY: smoke
smoke: $(STAMP) $(NATIVE) dist/layer.zip ## the whole path once; the last line is one JSON object
	@$(BIN)/python -m deploy.local.smoke

.PHONY: bench
bench: $(STAMP) $(NATIVE) dist/layer.zip nodejs chromium ## measurements as JSON lines; ONLY=layer selects a module, ONLY=collector.requests a piece
	@$(BIN)/python -m benchmarks $(ONLY)

.PHONY: cold-start-table
cold-start-table: $(STAMP) dist/layer.zip nodejs ## measure cold starts by runtime and memory in the emulator, into README.md
	@$(BIN)/python -m benchmarks._cold_start_table

.PHONY: lint
lint: $(STAMP) ## ruff and mypy (strict)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

.PHONY: format
format: $(STAMP) ## rewrite the code in the project's format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# dist/layer.zip is that of this machine's architecture.
LAYER := dist/layer$(if $(filter-out $(HOST_ARCH),$(ARCH)),-$(ARCH)).zip

.PHONY: layer
layer: $(LAYER) layer-grpc-note ## build dist/layer.zip; ARCH=arm64 builds dist/layer-arm64.zip on another machine, from Debian's packages

# One layer speaks OTLP by HTTP and by gRPC; the switch of those that come in two sizes is understood.
.PHONY: layer-grpc-note
layer-grpc-note: $(LAYER)
	@$(if $(LAYER_GRPC),echo "layer: $< exports by gRPC as every layer does; LAYER_GRPC changes nothing",true)

.PHONY: layer-image
layer-image: $(LAYER) ## the layer as a container image to copy /opt from: dist/layer-ARCH.image.tar; ARCH=arm64 selects
	@$(LAYER_VENV)/bin/python -m deploy.layer.image dist/layer-$(ARCH).zip

.PHONY: layer-report
layer-report: $(LAYER) ## every file of the layer with its size; ARCH=arm64 selects
	@$(LAYER_VENV)/bin/python -m deploy.layer.report $<

.PHONY: layer-verify
layer-verify: $(LAYER_STAMP) ## build the layer twice and compare the bytes; ARCH=arm64 selects
	@deploy/setup/debian-package objdump binutils
	@for n in 1 2; do \
	    LAYER_ARCH=$(ARCH) $(LAYER_VENV)/bin/pyinstaller --log-level WARN --noconfirm \
	        --workpath build/verify/$$n --distpath build/verify/$$n/dist layer.zip.spec; \
	done
	@cmp build/verify/{1,2}/dist/layer-$(ARCH).zip
	@sha256sum build/verify/{1,2}/dist/layer-$(ARCH).zip

# What goes into the layer, and what puts it together. PyInstaller reads libraries with objdump.
LAYER_SOURCES := $(shell find extension semconv deploy/layer -type f -not -name '*.pyc' 2>/dev/null) layer.zip.spec LICENSE

dist/layer.zip: $(LAYER_STAMP) $(LAYER_SOURCES)
	@deploy/setup/debian-package objdump binutils
	@echo "layer: building dist/layer.zip"
	@PYTHONHASHSEED=0 $(LAYER_VENV)/bin/pyinstaller --log-level WARN --noconfirm layer.zip.spec

dist/layer-%.zip: $(LAYER_STAMP) $(LAYER_SOURCES)
	@deploy/setup/debian-package objdump binutils
	@echo "layer: building $@"
	@LAYER_ARCH=$* PYTHONHASHSEED=0 $(LAYER_VENV)/bin/pyinstaller --log-level WARN --noconfirm layer.zip.spec

.PHONY: lock
lock: ## pin versions anew (deploy/locks/*.txt), without download addresses
	@deploy/locks/compile

.PHONY: clean
clean: ## remove what was built and stored here
	rm -rf build dist $(NATIVE) lambdascope-data .mypy_cache .ruff_cache .pytest_cache .hypothesis

# Set-up --------------------------------------------------------------------------------------------------------------

$(STAMP): deploy/locks/dev.txt deploy/setup/venv
	@PYTHON='$(PYTHON)' deploy/setup/venv $(VENV) deploy/locks/dev.txt

# What decodes OTLP in the collector.
$(NATIVE): $(STAMP) $(wildcard collector/native/*.[ch]) collector/native/__main__.py
	@echo "collector: building $@"
	@$(BIN)/python -m collector.native

# Another Python is another layer. Where none is named, the one that was used before is as good.
ifneq ($(origin PYTHON),file)
.PHONY: always
build/layer-python: always
	@mkdir -p build
	@$(PYTHON) -c 'import sys; print(sys.version, sys.base_prefix)' >$@.now 2>&1 || true
	@if cmp -s $@.now $@; then rm $@.now; else mv $@.now $@; fi
$(LAYER_STAMP): build/layer-python
endif

$(LAYER_STAMP): deploy/locks/layer.txt deploy/setup/venv
	@PYTHON='$(PYTHON)' deploy/setup/venv $(LAYER_VENV) deploy/locks/layer.txt

.PHONY: nodejs
nodejs: build/nodejs/.installed ## the runtime client of Node.js functions in the emulator

build/nodejs/.installed: deploy/locks/nodejs/package-lock.json deploy/setup/nodejs-runtime emulator/nodejs/index.mjs
	@deploy/setup/nodejs-runtime build/nodejs

.PHONY: foreign
foreign: build/foreign/.installed ## what tests run in the emulator that nobody here wrote, from public Go modules

build/foreign/.installed: $(wildcard tests/foreign/go/*) deploy/setup/foreign
	@deploy/setup/foreign build/foreign

.PHONY: foreign-extensions
foreign-extensions: build/foreign-extensions/.installed ## an extension that nobody here wrote, for the soak; takes minutes

build/foreign-extensions/.installed: deploy/setup/foreign-extensions
	@deploy/setup/foreign-extensions build/foreign-extensions

.PHONY: chromium
chromium: ## headless Chromium, which the browser tests drive
	@deploy/setup/debian-package chromium chromium

.PHONY: chromium-if-needed
chromium-if-needed:
	@$(if $(FOR),deploy/setup/debian-package chromium chromium,true)
