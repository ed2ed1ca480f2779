#!/usr/bin/env bash
# `make demo`: a commune on one machine. The collector with its embedded broker and store; the simulated commune of
# Thanh Định, a day of it at once and then as in life; and a real agent that joins by a code and measures this machine's
# own network. Prints the addresses and what to look at. Ctrl-C ends everything in order and says where the data lies.
# Everything listens on loopback alone and writes to a directory of its own: nothing of the system is touched.
#   DEMO_PORTS="8480 8883 1883"   of HTTP, of MQTT with TLS and of MQTT in the clear; else these or free ones
#   DEMO_DIR=DIR                  that directory, which must not exist; else one in /tmp
#   DEMO_HOURS=24                 how much past, at least 3
#   DEMO_SECONDS=60               ends by itself so long after it is ready
#   DEMO_BUILD=no                 takes what is built already
set -euo pipefail
cd "$(dirname "$0")/.."
PATH=$PATH:/usr/sbin:/sbin
target=${CARGO_TARGET_DIR:-$PWD/target}
probe=may-nay
hamlet=05578-18
hours=${DEMO_HOURS:-24}
world=(--seed 1 --cellular --scene --follow --hours "$hours")

step() { printf '\n== %s\n' "$*"; }

# The profile of development builds in a third of the time of a release, and takes a day of a commune in seconds.
if [[ ${DEMO_BUILD:-yes} != no ]]; then
    step "Biên dịch: trang web, collector, agent, simulator / Building them (some minutes the first time)"
    make --no-print-directory web
    for package in phusong-collector phusong-agent phusong-simulator; do
        cargo build -p "$package"
    done
fi

dir=${DEMO_DIR:-$(mktemp -d -t phusong-demo.XXXXXX)}
mkdir -p "$dir"
if [[ -n $(ls -A "$dir") ]]; then
    echo "DEMO_DIR=$dir is not empty" >&2
    exit 1
fi
chmod 0700 "$dir"
mkdir -p "$dir"/{bin,collector,world}
# Copies: a build beside the demo does not change what runs.
cp "$target"/debug/phusong-{collector,agent,simulator} "$dir/bin/"
collector=("$dir/bin/phusong-collector" --config "$dir/collector.toml")
agent=("$dir/bin/phusong-agent" --config "$dir/agent.toml")

opens() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
# port WANTED: it, or a free one.
port() {
    local port=$1
    while opens "$port"; do
        port=$((20000 + RANDOM % 20000))
    done
    echo "$port"
}
if [[ -n ${DEMO_PORTS:-} ]]; then
    read -r http_port tls_port plain_port <<<"$DEMO_PORTS"
else
    http_port=$(port 8480)
    tls_port=$(port 8883)
    plain_port=$(port 1883)
fi

pids=()
ended=
end() {
    [[ -z $ended ]] || return 0
    ended=yes
    trap '' INT TERM
    printf '\nĐang dừng / Ending: agent, simulator, collector...\n'
    # The last one first: what an agent has not sent yet is kept in its spool.
    local at n
    for ((at = ${#pids[@]} - 1; at >= 0; at--)); do
        kill -TERM "${pids[at]}" 2>/dev/null || true
        for ((n = 0; n < 150; n++)); do
            kill -0 "${pids[at]}" 2>/dev/null || break
            sleep 0.1
        done
        kill -KILL "${pids[at]}" 2>/dev/null || true
        wait "${pids[at]}" 2>/dev/null || true
    done
    echo "Dữ liệu nằm ở / The data lies in $dir: collector/, agent/, world/, truth.json, *.log. Look again with"
    echo "    ${collector[*]} observations list --limit 50"
    echo "    ${agent[*]} spool status"
    echo "Xoá / Remove it: rm -r $dir"
}
trap end EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# A session of its own, so that Ctrl-C reaches this script and nothing else.
launch() {
    local name=$1
    shift
    setsid "$@" >>"$dir/$name.log" 2>&1 </dev/null &
    pids+=($!)
}
runs() { kill -0 "${pids[$1]}" 2>/dev/null; }

# get PATH: the answer's body; fails on anything but 200.
get() {
    exec 3<>"/dev/tcp/127.0.0.1/$http_port" || return 1
    printf 'GET %s HTTP/1.0\r\nHost: localhost\r\n\r\n' "$1" >&3
    local first line
    IFS= read -r first <&3 || return 1
    while IFS= read -r line <&3 && [[ $line != $'\r' ]]; do :; done
    cat <&3
    exec 3>&-
    [[ $first == *" 200 "* ]]
}
# patiently SECONDS WHAT LOG COMMAND..: waits until it is true.
patiently() {
    local seconds=$1 what=$2 log=$3
    shift 3
    local end=$((SECONDS + seconds))
    until "$@" >/dev/null 2>&1; do
        if ((SECONDS >= end)); then
            echo "$what: not within $seconds s; $dir/$log.log says:" >&2
            tail -n 20 "$dir/$log.log" >&2
            exit 1
        fi
        sleep 0.2
    done
}

step "Collector: địa bàn, thiết bị đo / areas and probes"
cat >"$dir/collector.toml" <<END
data_dir = "$dir/collector"
[broker]
listen = "127.0.0.1:$tls_port"
plain_listen = "127.0.0.1:$plain_port"
hosts = ["127.0.0.1"]
[http]
listen = "127.0.0.1:$http_port"
END
"$dir/bin/phusong-simulator" setup --out "$dir/world" "${world[@]}"
"${collector[@]}" areas import "$dir/world/areas.geojson"
"${collector[@]}" probe add --from "$dir/world/registrations.json" --passwords-out "$dir/world/passwords.csv"
launch collector "${collector[@]}" run
patiently 30 "The collector is ready" collector get /readyz

step "Xã mô phỏng: $hours giờ vừa qua / the simulated commune: its last $hours hours"
launch simulator "$dir/bin/phusong-simulator" run --broker "mqtt://127.0.0.1:$plain_port" "${world[@]}" \
    --passwords "$dir/world/passwords.csv" --truth "$dir/truth.json"
simulator=$((${#pids[@]} - 1))
# What the simulator says of the past, on one line that changes.
said=
shown=
until [[ $said == *"all of it arrived"* ]]; do
    if ! runs "$simulator"; then
        tail -n 20 "$dir/simulator.log" >&2
        exit 1
    fi
    said=$(grep -a '^past' "$dir/simulator.log" | tail -n 1 || true)
    if [[ $said != "$shown" ]]; then
        shown=$said
        if [[ -t 1 ]]; then printf '\r\033[K   %s' "$said"; else echo "   $said"; fi
    fi
    sleep 0.2
done
[[ ! -t 1 ]] || echo

# The truth file's scene: `of_scene dead name`.
of_scene() {
    awk -v of="\"$1\":" -v field="\"$2\":" '$1 == of { inside = 1 } inside && $1 == field {
        sub(/^[^:]*: "/, ""); sub(/",?$/, ""); print; exit }' "$dir/truth.json"
}
dead=$(of_scene dead hamlet)
is_derived() { get "/api/v1/hamlets/$dead" | grep -q '"hamlet":{.*"grade":"dead".*"windows"'; }
printf '   Đang tính / deriving...'
patiently 180 "Deriving" collector is_derived
echo " xong / done"

step "Một thiết bị thật: máy này / a real probe: this machine"
"${collector[@]}" probe add "$probe" --hamlet "$hamlet" | tee "$dir/join.txt"
code=$(grep -ao 'phusong1:[A-Za-z0-9_-]*' "$dir/join.txt" | head -n 1)
before=$(date +%s%N)
"${agent[@]}" join "$code" --data-dir "$dir/agent"
join_ms=$((($(date +%s%N) - before) / 1000000))
# What a probe measures in a hamlet is on the internet and bound to its link; here it is this machine and its way out,
# loopback too, and much more often than in the field, so that there is something to see.
gateway=$(ip route show default 2>/dev/null | head -n 1)
resolver=$(grep -sm 1 '^nameserver' /etc/resolv.conf || true)
sed -i '/^\[\[\(uplink\|target\)\]\]/,$d' "$dir/agent.toml"
{
    printf '[spool]\nsync_interval_ms = 500\n[publish]\ngather_ms = 500\n'
    printf '[schedule]\nsummary_ms = 10000\nhealth_ms = 30000\n'
    if [[ -n $gateway ]]; then
        printf '[[target]]\nname = "gateway"\nkind = "icmp"\nhost = "gateway"\ntags = ["gateway"]\nperiod_ms = 3000\ncount = 3\n'
    fi
    if [[ -n $resolver ]]; then
        printf '[[target]]\nname = "resolver"\nkind = "icmp"\nhost = "resolver"\ntags = ["domestic"]\nperiod_ms = 3000\ncount = 3\n'
        printf '[[target]]\nname = "resolver-dns"\nkind = "dns"\nhost = "resolver"\ntags = ["domestic"]\nperiod_ms = 3000\n'
    fi
    printf '[[target]]\nname = "self"\nkind = "icmp"\nhost = "127.0.0.1"\nperiod_ms = 3000\ncount = 3\n'
    printf '[[target]]\nname = "collector-tcp"\nkind = "tcp"\nhost = "127.0.0.1"\nport = %s\nperiod_ms = 3000\n' "$http_port"
    printf '[[target]]\nname = "collector-http"\nkind = "http"\nhost = "http://127.0.0.1:%s/healthz"\nperiod_ms = 3000\n' "$http_port"
} >>"$dir/agent.toml"
[[ -n $gateway ]] || echo "Máy này không có cổng mạng / This machine has no gateway: it is not measured."
[[ -n $resolver ]] || echo "Máy này không có máy chủ DNS / This machine has no resolver: it is not measured."
launch agent "${agent[@]}" run

base=http://127.0.0.1:$http_port
cat <<END

== Sẵn sàng / Ready

   Bản đồ / map    $base/            English: $base/#lang=en
   API             $base/api/v1/hamlets            docs/api.md
   Metrics         $base/metrics   $base/metrics/coverage

   Nhìn vào / look at (click a hamlet: why is it red?)
     $(of_scene dead name): đỏ, không có kết nối / red, dead. Its radio site lost its line 40 min ago
     $(of_scene weak name): vàng, yếu / amber, weak. Its cell is crowded: one echo in seven is lost
     $(of_scene blind name): tím sọc, mất số liệu / hatched, blind. Power cut 50 min ago: we cannot measure, nobody is accused
     $(of_scene unmeasured name): trắng, chưa đo / white, unmeasured. No probe was ever put up there
     $(of_scene gap name): xanh / green again. Its network had a gap of 55 min, look at "24 giờ qua / last 24 hours"
     Keo En: có thiết bị $probe, là máy này / has the probe $probe, which is this machine

   $dir/truth.json: what really happens / điều thật sự xảy ra.  Ctrl-C: dừng / ends it
END
printf '{"http":%s,"join_ms":%s,"probe":"%s"}\n' "$http_port" "$join_ms" "$probe" >"$dir/ready.new"
mv "$dir/ready.new" "$dir/ready.json"

until=$((SECONDS + ${DEMO_SECONDS:-2000000000}))
while ((SECONDS < until)); do
    for at in "${!pids[@]}"; do
        if ! runs "$at"; then
            echo "Một tiến trình đã dừng / A process has ended; look at $dir/*.log" >&2
            exit 1
        fi
    done
    # `wait` and not `sleep` alone: Ctrl-C is heard at once.
    sleep 1 &
    wait $! || true
done
