#!/usr/bin/env bash
# Builds what runs inside of a VM or is preloaded into its VMM.
#   guest/build.sh OUT_DIR   leaves there wrenn-guest-agent, libwrenn_uffd_shim.so and wrenn-tsc
# Needs cargo and gcc; honours CARGO and CARGO_TARGET_DIR.
set -euo pipefail
[ $# -eq 1 ] || { echo "usage: $0 OUT_DIR" >&2; exit 2; }
mkdir -p "$1"
out=$(cd "$1" && pwd)
cd "$(dirname "$0")"
cargo=${CARGO:-cargo}
target=${CARGO_TARGET_DIR:-target}

# The agent must run on any root file system, so it brings its C library along; a preloaded library
# must not. Two sets of flags mean two target folders.
RUSTFLAGS="-C target-feature=+crt-static" CARGO_TARGET_DIR="$target/static" \
    "$cargo" build --release --locked --target x86_64-unknown-linux-gnu -p wrenn-guest-agent
CARGO_TARGET_DIR="$target/dynamic" "$cargo" build --release --locked \
    -p wrenn-uffd-shim -p wrenn-tsc

# Installed aside and renamed: a running VMM may have the old shim mapped.
install -m 0755 "$target/static/x86_64-unknown-linux-gnu/release/wrenn-guest-agent" "$out/.agent.new"
install -m 0755 "$target/dynamic/release/libwrenn_uffd_shim.so" "$out/.shim.new"
install -m 0755 "$target/dynamic/release/wrenn-tsc" "$out/.tsc.new"
mv "$out/.agent.new" "$out/wrenn-guest-agent"
mv "$out/.shim.new" "$out/libwrenn_uffd_shim.so"
mv "$out/.tsc.new" "$out/wrenn-tsc"
