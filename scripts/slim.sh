#!/usr/bin/env bash
# The agent for OpenWrt and other small devices, linked for size (docs/adr/0011-the-slim-agent.md).
# scripts/slim.sh [TARGET]; what it builds lies in the target directory under TARGET/agent-slim/.
set -euo pipefail
cd "$(dirname "$0")/.."

target=${1:-x86_64-unknown-linux-gnu}
# What is the same in many places becomes a function; on 64-bit ARM that is so without being asked.
flags=(-Cllvm-args=--enable-machine-outliner=always)
case $target in
x86_64-unknown-linux-gnu)
    # By the linker that comes with rustc. Nobody unwinds where a panic aborts, so what unwinding needs is left out.
    for option in -z,pack-relative-relocs --icf=all -O2 --no-eh-frame-hdr "-T,$PWD/scripts/slim.ld"; do
        flags+=("-Clink-arg=-Wl,$option")
    done
    ;;
*)
    echo "slim.sh: $target was never tried: its linker gets no options, the file will be larger" >&2
    ;;
esac

list=$(printf '"%s",' "${flags[@]}")
# Whatever links the tests fast is not for this.
name=${target^^}
unset RUSTFLAGS CARGO_ENCODED_RUSTFLAGS "CARGO_TARGET_${name//-/_}_RUSTFLAGS"
exec cargo build -p phusong-agent --profile agent-slim --no-default-features --features small --target "$target" \
    --config "target.$target.rustflags=[${list%,}]"
