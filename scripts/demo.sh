#!/usr/bin/env bash
# `make demo`: a broker, the collector and a real agent that measures this machine's own network (its gateway, its
# resolver, itself); what arrives is shown live. Ctrl-C ends all three in order and says where the data lies.
# Everything listens on loopback alone, on free ports, in a directory of its own: nothing of the system is touched.
#   DEMO_SECONDS=30   ends by itself after that time
set -euo pipefail
cd "$(dirname "$0")/.."
PATH=$PATH:/usr/sbin:/sbin
target=${CARGO_TARGET_DIR:-$PWD/target}

echo "Building the agent and the collector (a few minutes the first time)..."
cargo build -p phusong-agent
cargo build -p phusong-collector

dir=$(mktemp -d -t phusong-demo.XXXXXX)
chmod 0700 "$dir"
mkdir -p "$dir"/{mosquitto,bin}
# Copies: a build beside the demo does not change what runs.
cp "$target/debug/phusong-agent" "$target/debug/phusong-collector" "$dir/bin/"
agent=("$dir/bin/phusong-agent" --config "$dir/agent.toml")
collector=("$dir/bin/phusong-collector" --config "$dir/collector.toml")

free_port() {
    local port
    while port=$((20000 + RANDOM % 20000)); do
        (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || break
    done
    echo "$port"
}
mqtt_port=$(free_port)
http_port=$(free_port)

# The deployed broker configuration without its TLS listener: nothing leaves this machine.
sed -e '/^listener 8883/,/^tls_version/d' -e "s/^listener 1883 /listener $mqtt_port /" \
    -e "s#/etc/phusong/#$dir/mosquitto/#" deploy/mosquitto/phusong.conf >"$dir/mosquitto/mosquitto.conf"
[[ $(id -u) != 0 ]] || echo "user root" >>"$dir/mosquitto/mosquitto.conf"
cp deploy/mosquitto/acl "$dir/mosquitto/mosquitto.acl"
secret=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
(umask 077 && echo "collector:$secret" >"$dir/mosquitto/mosquitto.passwd")
mosquitto_passwd -U "$dir/mosquitto/mosquitto.passwd"

cat >"$dir/collector.toml" <<END
data_dir = "$dir/collector"
[mqtt]
url = "mqtt://127.0.0.1:$mqtt_port"
username = "collector"
password = "$secret"
[http]
listen = "127.0.0.1:$http_port"
END

mkdir -p "$dir/collector"
added=$("${collector[@]}" probe add demo --site here --passwd-file "$dir/mosquitto/mosquitto.passwd" --json)
password=$(sed -n 's/.*"password":"\([^"]*\)".*/\1/p' <<<"$added")

cat >"$dir/agent.toml" <<END
site = "here"
probe = "demo"
data_dir = "$dir/agent"

# Much faster than in the field, so that there is something to see.
[spool]
sync_interval_ms = 500
[publish]
first_connect_jitter_ms = 0
gather_ms = 500
[schedule]
summary_ms = 10000
health_ms = 30000

[[broker]]
url = "mqtt://127.0.0.1:$mqtt_port"
password = "$password"

[[target]]
name = "gateway"
kind = "icmp"
host = "gateway"
tags = ["gateway"]
period_ms = 3000
count = 3
[[target]]
name = "resolver"
kind = "icmp"
host = "resolver"
tags = ["domestic"]
period_ms = 3000
count = 3
[[target]]
name = "resolver-tcp"
kind = "tcp"
host = "resolver"
port = 53
tags = ["domestic"]
period_ms = 3000
[[target]]
name = "self"
kind = "icmp"
host = "127.0.0.1"
period_ms = 3000
count = 3
END

pids=()
ended=
end() {
    [[ -z $ended ]] || return
    ended=yes
    trap '' INT TERM
    echo
    echo "Ending: agent, collector, broker..."
    # The agent first: what it has not sent yet is kept in its spool.
    for ((i = ${#pids[@]} - 1; i >= 0; i--)); do
        kill -TERM "${pids[i]}" 2>/dev/null || true
        for ((n = 0; n < 150; n++)); do
            kill -0 "${pids[i]}" 2>/dev/null || break
            sleep 0.1
        done
        kill -KILL "${pids[i]}" 2>/dev/null || true
        wait "${pids[i]}" 2>/dev/null || true
    done
    echo "The data lies in $dir: collector/phusong.db, agent/spool/, logs. Look again with"
    echo "    ${collector[*]} observations list --limit 50"
    echo "    ${agent[*]} spool status"
    echo "or remove it: rm -r $dir"
}
trap end EXIT
trap 'exit 0' INT
trap 'exit 143' TERM

# A session of its own, so that Ctrl-C reaches this script and nothing else.
launch() {
    local name=$1
    shift
    setsid "$@" >>"$dir/$name.log" 2>&1 </dev/null &
    pids+=($!)
}

# until WHAT LOG COMMAND..: waits at most 20 s.
until_true() {
    local what=$1 log=$2
    shift 2
    for ((n = 0; n < 200; n++)); do
        ! "$@" 2>/dev/null || return 0
        sleep 0.1
    done
    echo "$what did not start; $dir/$log.log says:" >&2
    tail -n 20 "$dir/$log.log" >&2
    exit 1
}
opens() { (exec 3<>"/dev/tcp/127.0.0.1/$1"); }
ready() {
    exec 3<>"/dev/tcp/127.0.0.1/$http_port" || return 1
    printf 'GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' >&3
    local first
    read -r first <&3
    exec 3>&-
    [[ $first == *" 200 "* ]]
}

launch mosquitto mosquitto -c "$dir/mosquitto/mosquitto.conf"
until_true "Mosquitto" mosquitto opens "$mqtt_port"
launch collector "${collector[@]}" run
until_true "The collector" collector ready
launch agent "${agent[@]}" run

echo "Running: Mosquitto on port $mqtt_port, the collector (http://127.0.0.1:$http_port/metrics), an agent."
echo "Every 10 s a summary of each target; what fails is shown at once. Ctrl-C ends it."
echo
if [[ -n ${DEMO_SECONDS:-} ]]; then
    timeout --foreground "$DEMO_SECONDS" "${collector[@]}" observations tail || [[ $? == 124 ]]
else
    "${collector[@]}" observations tail || true
fi
