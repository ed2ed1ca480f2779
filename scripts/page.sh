#!/usr/bin/env bash
# The page: its types, its own rules, and the whole of it in Chromium beside a real collector. Prints one line of JSON
# last and writes it to target/reports/page.json. Called by the Makefile, which sets PHUSONG_BIN_DIR.
set -euo pipefail
cd "$(dirname "$0")/.."

report=target/reports/page.json
mkdir -p target/reports
rm -f "$report"
(cd collector/web && npm run --silent check) >&2
(cd tests/page && npm ci --no-audit --no-fund --loglevel=error) >&2
export PHUSONG_COLLECTOR=${PHUSONG_BIN_DIR:-target/phusong-bin}/phusong-collector
good=true
node --test --test-reporter=spec tests/page/units.test.mjs >&2 || good=false
node --test --test-reporter=spec tests/page/page.test.mjs >&2 || good=false
[[ $good == true ]] || sed -i '1s/^{"ok":true/{"ok":false/' "$report"
cat "$report"
[[ $good == true ]]
