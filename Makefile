# Phủ Sóng: everything that is built, tested and measured starts here. `make` alone says what there is.
#
# Whatever measures (test, faults, truth-gaps, the smokes, the benches, size, check-dashboards) prints one line of JSON last
# and writes it to target/reports/.

SHELL := /bin/bash
export CARGO_TARGET_DIR ?= $(CURDIR)/target
# The binaries that the house tests start, built one package at a time so that none borrows another's features.
export PHUSONG_BIN_DIR := $(CARGO_TARGET_DIR)/phusong-bin

# mold links the many test programs in a fraction of the time.
ifneq ($(shell command -v mold),)
export CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUSTFLAGS ?= -Clink-arg=-fuse-ld=mold
endif

.PHONY: help setup web page build test faults truth-gaps bench-ingest bench-fold bench-restart bench-metrics bench-import modem-e2e phone-e2e fuzz fuzz-smoke alerts-smoke check-rules dashboards check-dashboards slim size demo demo-smoke clean

help:
	@echo "make setup         install what is missing from Debian (as root; else it says which line to run)"
	@echo "make build         the agent and the collector, for testing"
	@echo "make web           the collector's web page, which make build then embeds"
	@echo "make page          the page in a real browser beside a real collector"
	@echo "make test          format, lints, every test, a short round of faults"
	@echo "make faults        kills, full disks, power cuts: nothing may be lost"
	@echo "make bench-ingest  samples and messages a second, against what the machine can do"
	@echo "make truth-gaps    gaps, blinds and causes of simulated communes against what was true"
	@echo "make bench-fold    what it costs to derive a day again"
	@echo "make bench-restart how soon a collector with a nation's store is ready again (5 GB of disk)"
	@echo "make bench-metrics a scrape of 100,000 series, beside prometheus-mqtt-exporter"
	@echo "make bench-import  a phone's log of a million lines, beside a bare SQLite loop"
	@echo "make modem-e2e     a modem's life behind the real ModemManager and a serial line, to the gap or blind it comes to"
	@echo "make phone-e2e     a phone's code, messages and logs, to the values in the store"
	@echo "make fuzz          ten million executions of every parser, and which branches they took"
	@echo "make fuzz-smoke    the same for a minute, as in make test"
	@echo "make alerts-smoke  a dead hamlet, a killed collector: what a real Prometheus and Alertmanager tell"
	@echo "make check-rules   rules, Alertmanager's and Prometheus' configuration, by their own programs"
	@echo "make dashboards    write the Grafana dashboards anew from their source"
	@echo "make check-dashboards  every query of every dashboard against a real Prometheus"
	@echo "make slim          the agent for OpenWrt and other small devices, below 4 MB"
	@echo "make size          size and memory of the agent's two builds"
	@echo "make demo          a commune on this machine: map, API, metrics, a real probe; see docs/demo.md"
	@echo "make demo-smoke    the demo as somebody sees it, its map by its pixels, its end"
	@echo "make clean         remove what was built"

setup:
	@scripts/setup.sh

# The page: built again when something of it is newer, and embedded by the next build of the collector.
WEB := collector/web
WEB_SOURCES := $(shell find $(WEB)/src $(WEB)/public -type f) $(addprefix $(WEB)/,index.html package.json tsconfig.json vite.config.mjs)

$(WEB)/node_modules/.package-lock.json: $(WEB)/package.json $(WEB)/package-lock.json
	cd $(WEB) && npm ci --no-audit --no-fund --loglevel=error
	@touch $@

$(WEB)/dist/index.html: $(WEB)/node_modules/.package-lock.json $(WEB_SOURCES)
	cd $(WEB) && npm run --silent build -- --logLevel warn
	@touch $@

web: $(WEB)/dist/index.html

page: setup build
	@scripts/page.sh

build: web
	cargo build -p phusong-agent
	cargo build -p phusong-collector
	cargo build -p phusong-witness
	@mkdir -p $(PHUSONG_BIN_DIR)
	@cp --remove-destination $(CARGO_TARGET_DIR)/debug/phusong-agent $(CARGO_TARGET_DIR)/debug/phusong-collector \
		$(CARGO_TARGET_DIR)/debug/libphusong_witness.so $(PHUSONG_BIN_DIR)/

test: setup
	@scripts/test.sh

faults: setup build
	@cargo run -q -p phusong-tests --bin faults

bench-ingest: setup web
	cargo build --release -p phusong-collector
	cargo build --release -p phusong-tests --bin bench_ingest
	@PHUSONG_BIN_DIR=$(CARGO_TARGET_DIR)/release $(CARGO_TARGET_DIR)/release/bench_ingest

truth-gaps: setup
	cargo build --release -p phusong-tests --bin truth_gaps
	@$(CARGO_TARGET_DIR)/release/truth_gaps

bench-fold: setup
	cargo build --release -p phusong-tests --bin bench_fold
	@$(CARGO_TARGET_DIR)/release/bench_fold

bench-restart: setup web
	cargo build --release -p phusong-collector
	cargo build --release -p phusong-tests --bin bench_restart
	@PHUSONG_BIN_DIR=$(CARGO_TARGET_DIR)/release $(CARGO_TARGET_DIR)/release/bench_restart

bench-metrics: setup
	cargo build --release -p phusong-collector
	cargo build --release -p phusong-tests --bin bench_metrics
	@PHUSONG_BIN_DIR=$(CARGO_TARGET_DIR)/release $(CARGO_TARGET_DIR)/release/bench_metrics

fuzz: setup
	@cargo run -q -p phusong-tests --bin fuzz

fuzz-smoke: setup
	@cargo run -q -p phusong-tests --bin fuzz -- --short

bench-import: setup web
	cargo build --release -p phusong-collector
	cargo build --release -p phusong-agent
	cargo build --release -p phusong-tests --bin bench_import
	@PHUSONG_BIN_DIR=$(CARGO_TARGET_DIR)/release $(CARGO_TARGET_DIR)/release/bench_import

modem-e2e: setup build
	@cargo run -q -p phusong-tests --bin modem_e2e

phone-e2e: setup build
	@cargo run -q -p phusong-tests --bin phone_e2e

alerts-smoke: setup build
	@cargo run -q -p phusong-tests --bin alerts_smoke

check-rules: setup
	cd dashboards && promtool check rules rules/phusong.yml && promtool test rules rules/tests/*.yml
	cd dashboards && promtool check config prometheus/prometheus.yml && amtool check-config alertmanager/alertmanager.yml

dashboards:
	cargo run -q -p phusong-dashboards

check-dashboards: setup
	@cargo run -q -p phusong-tests --bin check_dashboards

slim:
	@scripts/slim.sh

size: setup web
	cargo build --release -p phusong-collector
	cargo build -p phusong-tests --bin size
	@PHUSONG_BIN_DIR=$(CARGO_TARGET_DIR)/release $(CARGO_TARGET_DIR)/debug/size

demo:
	@scripts/setup.sh demo
	@scripts/demo.sh

demo-smoke: setup web
	cargo build -p phusong-collector
	cargo build -p phusong-agent
	cargo build -p phusong-simulator
	@cd tests/page && npm ci --silent --no-audit --no-fund
	@cargo run -q -p phusong-tests --bin demo_smoke

clean:
	cargo clean
	rm -rf target/reports $(WEB)/dist $(WEB)/node_modules tests/page/node_modules
