#!/bin/sh
# A probe in a shell: one round of pings to one target, sent as one JSON batch (docs/wire.md). POSIX sh, ping,
# mosquitto_pub, nothing else. Run it from cron, every five minutes:
#
#   */5 * * * * BROKER=mqtt.example.vn SITE=thanh-dinh PROBE=tram-y-te PASSWORD=... CA=/etc/phusong/ca.crt shell-probe.sh
#
# It may ignore acknowledgements: without an epoch of its own, the collector makes a sample's id from its content, and
# what a broker loses is lost. A probe that must lose nothing is phusong-agent.
#
#   BROKER    host of the broker                      PORT      8883, or 1883 without CA
#   SITE      the site that the probe is registered at TARGET    what to ping; the default route's gateway
#   PROBE     the probe's id                          NAME      the target's name in reports; gateway
#   LOGIN     login at the broker; PROBE              TAG       gateway domestic foreign public-service loudspeaker
#   PASSWORD  its password                            COUNT     echoes; 5
#   CA        certificate of the broker's authority   SYNCED    whether the clock is set by NTP: true or false
#
# Other users of the device can see the password in the list of processes while mosquitto_pub runs.
set -eu

: "${BROKER:?host of the broker}" "${SITE:?site of the probe}" "${PROBE:?id of the probe}" "${PASSWORD:?password}"
CA=${CA:-}
# Not USER: cron and login shells set that one to somebody else.
LOGIN=${LOGIN:-$PROBE}
COUNT=${COUNT:-5}
NAME=${NAME:-gateway}
TAG=${TAG:-gateway}
if [ -z "${TARGET:-}" ]; then
    TARGET=$(ip route show default | sed -n 's/^default via \([^ ]*\).*/\1/p' | head -n 1)
fi

if [ -z "${SYNCED:-}" ]; then
    case $(timedatectl show -p NTPSynchronized --value 2>/dev/null || true) in yes) SYNCED=true ;; *) SYNCED=false ;; esac
fi

# GNU date has milliseconds; without them seconds are good enough.
now=$(date +%s%3N 2>/dev/null || true)
case $now in '' | *[!0-9]*) now=$(date +%s)000 ;; esac

if [ -z "$TARGET" ]; then
    outcome='"failure":{"of":"latency","kind":"unreachable","detail":"no default route"}'
    TARGET=none
else
    answer=$(LC_ALL=C ping -c "$COUNT" -W 2 "$TARGET" 2>&1) || true
    # "64 bytes from 192.0.2.1: icmp_seq=1 ttl=64 time=0.123 ms" -> microseconds, with a comma between two.
    rtts=$(printf '%s\n' "$answer" | awk '
        match($0, /time[=<][0-9.]+/) { list = list sep int(substr($0, RSTART + 5, RLENGTH - 5) * 1000 + 0.5); sep = "," }
        END { print list }')
    if [ -n "$rtts" ]; then
        outcome="\"reading\":{\"kind\":\"latency\",\"sent\":$COUNT,\"rtt_us\":[$rtts]}"
    else
        case $answer in
        *nreachable*) kind=unreachable ;;
        *"not known"* | *"name resolution"* | *"bad address"*) kind=dns ;;
        *ermitted*) kind=denied ;;
        *) kind=timeout ;;
        esac
        outcome="\"failure\":{\"of\":\"latency\",\"kind\":\"$kind\",\"sent\":$COUNT}"
    fi
fi

batch="{\"v\":1,\"samples\":[{\"wall_ms\":$now,\"clock\":{\"synced\":$SYNCED},"
batch="$batch\"target\":{\"name\":\"$NAME\",\"host\":\"$TARGET\",\"tags\":[\"$TAG\"]},$outcome}]}"

set -- -h "$BROKER" -p "${PORT:-$([ -n "$CA" ] && echo 8883 || echo 1883)}" -u "$LOGIN" -P "$PASSWORD" -q 1
if [ -n "$CA" ]; then set -- "$@" --cafile "$CA"; fi
exec mosquitto_pub "$@" -t "phusong/v1/$SITE/$PROBE/batch" -m "$batch"
