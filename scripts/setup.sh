#!/usr/bin/env bash
# Installs from Debian what the build and the tests need and this machine lacks; `setup.sh demo` only what `make demo`
# needs. Without root it prints the exact line and stops. Says nothing when nothing is missing.
set -euo pipefail

# command -> Debian package
needed=(
    cc:build-essential
    git:git
    mold:mold
    ip:iproute2
    node:nodejs
    npm:npm
)
tested=(
    mosquitto:mosquitto
    mosquitto_pub:mosquitto-clients
    nft:nftables
    ping:iputils-ping
    systemd-analyze:systemd
    promtool:prometheus
    prometheus-mqtt-exporter:prometheus-mqtt-exporter
    amtool:prometheus-alertmanager
    chromium:chromium
    zbarimg:zbar-tools
    rsvg-convert:librsvg2-bin
    # Of the LLVM that rust-toolchain.toml's rustc has: it reads what a program counted of its branches.
    llvm-cov-22:llvm-22
    dbus-daemon:dbus
    ModemManager:modemmanager
    gpsd:gpsd
    gpsfake:gpsd-clients
    tmux:tmux
)
# What tests start for themselves must not begin to run on this machine because it was installed for them.
idle=(modemmanager:ModemManager.service gpsd:gpsd.service gpsd:gpsd.socket)
PATH=$PATH:/usr/sbin:/sbin

[[ ${1:-} == demo ]] || needed+=("${tested[@]}")

packages=()
for entry in "${needed[@]}"; do
    command -v "${entry%%:*}" >/dev/null || packages+=("${entry#*:}")
done
# Debian splits this off from python3 itself; check-dashboards makes a virtual environment with it.
[[ ${1:-} == demo ]] || python3 -c 'import ensurepip, venv' 2>/dev/null || packages+=(python3-venv)

if ((${#packages[@]})); then
    line="apt-get install -y --no-install-recommends ${packages[*]}"
    for entry in "${idle[@]}"; do
        [[ -d /run/systemd/system && " ${packages[*]} " == *" ${entry%%:*} "* ]] || continue
        line="systemctl mask --quiet ${entry#*:} && $line"
    done
    if [[ $(id -u) != 0 ]] || ! command -v apt-get >/dev/null; then
        echo "Missing on this machine: ${packages[*]}. On Debian, run:" >&2
        echo "    sudo sh -c 'apt-get update && $line'" >&2
        exit 1
    fi
    echo "installing ${packages[*]}" >&2
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -q >&2
    bash -c "$line" >&2
fi

if ! command -v cargo >/dev/null; then
    echo "Rust is missing: install rustup (https://rustup.rs); rust-toolchain.toml then chooses the version." >&2
    exit 1
fi
