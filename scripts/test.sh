#!/usr/bin/env bash
# Everything `make test` does, in order, to the end even when a step fails; then one line of JSON with what came of it.
# Called by the Makefile, which sets CARGO_TARGET_DIR and PHUSONG_BIN_DIR.
set -uo pipefail
cd "$(dirname "$0")/.."

reports=target/reports
mkdir -p "$reports"
export PHUSONG_SKIPPED=$PWD/$reports/skipped.txt
: >"$PHUSONG_SKIPPED"
log=$(mktemp)
trap 'rm -f "$log"' EXIT

figures=()
ok=true
seed=1

# figure NAME VALUE BOUND OK
figure() {
    figures+=("\"$1\":{\"value\":$2,\"bound\":\"$3\",\"ok\":$4}")
    [[ $4 == true ]] || ok=false
}

# step NAME COMMAND..: runs it, shows it, notes whether it went well.
step() {
    local name=$1 started=$SECONDS good=true
    shift
    echo "== $name: $*" >&2
    "$@" >&2 || good=false
    echo "== $name: $good, $((SECONDS - started)) s" >&2
    figure "$name" "$([[ $good == true ]] && echo 1 || echo 0)" "= 1" "$good"
}

tests() {
    if cargo nextest --version >/dev/null 2>&1; then
        cargo nextest run --workspace --no-fail-fast 2>&1 | tee "$log"
    else
        echo "cargo-nextest is not installed: cargo test instead" >&2
        cargo test --workspace --no-fail-fast 2>&1 | tee "$log"
    fi
}

# The closing lines of nextest ("12 tests run: 11 passed, 1 failed, 0 skipped") or of cargo test, one for each program.
counted() {
    sed 's/\x1b\[[0-9;]*m//g' "$log" | grep -E 'tests? run:|^test result:' |
        grep -oE "[0-9]+ $1" | awk '{ sum += $1 } END { print sum + 0 }'
}

step format cargo fmt --all --check
step lints cargo clippy --workspace --all-targets -- -D warnings
if command -v cargo-deny >/dev/null; then
    step licences cargo deny --offline check licenses bans sources
else
    echo "cargo-deny is not installed: licences were not checked" >>"$PHUSONG_SKIPPED"
fi
step build make --no-print-directory build
step tests tests
passed=$(counted passed)
failed=$(counted failed)
figure tests_passed "$passed" ">= 1" "$([[ $passed -ge 1 ]] && echo true || echo false)"
figure tests_failed "$failed" "= 0" "$([[ $failed -eq 0 ]] && echo true || echo false)"
step page scripts/page.sh
step faults_short cargo run -q -p phusong-tests --bin faults -- --short
step truth_gaps_short cargo run -q -p phusong-tests --bin truth_gaps -- --short
step metrics_short cargo run -q -p phusong-tests --bin bench_metrics -- --short
step fuzz_smoke cargo run -q -p phusong-tests --bin fuzz -- --short
step modem_e2e_short cargo run -q -p phusong-tests --bin modem_e2e -- --short
step phone_e2e_short cargo run -q -p phusong-tests --bin phone_e2e -- --short
step import_short cargo run -q -p phusong-tests --bin bench_import -- --short
step check_dashboards cargo run -q -p phusong-tests --bin check_dashboards
step alerts_short cargo run -q -p phusong-tests --bin alerts_smoke -- --short
step simulator cargo build -q -p phusong-simulator
step demo_smoke_short cargo run -q -p phusong-tests --bin demo_smoke -- --short

skipped=$(sort -u "$PHUSONG_SKIPPED" | sed 's/\\/\\\\/g; s/"/\\"/g; s/.*/"&"/' | paste -sd, -)
commit=$(git rev-parse HEAD 2>/dev/null || true)
all=$(
    IFS=,
    echo "${figures[*]}"
)
# For people and for runners that look for such a line.
echo "$passed passed, $failed failed" >&2
printf '{"ok":%s,"commit":"%s","seed":%s,"n":%s,"figures":{%s},"skipped":[%s]}\n' \
    "$ok" "$commit" "$seed" "$((passed + failed))" "$all" "$skipped" | tee "$reports/test.json"
[[ $ok == true ]]
