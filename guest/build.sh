#!/usr/bin/env bash
# Builds the engine from its sources, or proves that guest/engine.wasm is what
# they make.
#
#   guest/build.sh build    writes guest/engine.wasm and guest/engine.sources
#   guest/build.sh check    compares both with the sources; changes nothing
#
# guest/engine.sources lists the SHA-256 of every source file and of the engine,
# and the tools that built it. The check compares those hashes on any machine.
# Where the same tools are installed it also builds the engine again and compares
# it byte for byte; other tools make other bytes from the same sources, so then
# it says what differs, and fails if FOOTPATH_NO_SKIP is set.
set -euo pipefail
cd "$(dirname "$0")/.."

target="${CARGO_TARGET_DIR:-$PWD/target}"
target="$(realpath -m "$target")"
packages="clang-19 llvm-19 libclang-19-dev libclang-rt-19-dev-wasm32 wasi-libc npm"

fail() { echo "guest: $*" >&2; exit 1; }

# What is missing, in words; nothing when all is there.
missing() {
    local tool
    for tool in clang-19 llvm-ar-19 npm; do
        command -v "$tool" >/dev/null || { echo "$tool is not installed"; return; }
    done
    [ -e /usr/include/wasm32-wasi/stdio.h ] || { echo "wasi-libc is not installed"; return; }
    [ -e "$(clang-19 --print-resource-dir)/lib/wasi/libclang_rt.builtins-wasm32.a" ] ||
        { echo "libclang-rt-19-dev-wasm32 is not installed"; return; }
    [ -e "$(rustc --print sysroot)/lib/rustlib/wasm32-wasip2" ] || echo "the Rust target wasm32-wasip2 is not installed"
}

how_to_install() {
    echo "apt-get install $packages && rustup target add wasm32-wasip2"
}

# The versions that decide which bytes come out.
versions() {
    rustc --version
    clang-19 --version | head -n 1
    dpkg-query -W -f '${Package} ${Version}\n' wasi-libc 2>/dev/null || echo "wasi-libc of unknown version"
}

sources() {
    git ls-files --cached --others --exclude-standard -- guest wit |
        grep -v -e '^guest/engine\.' | LC_ALL=C sort | while read -r file; do
        [ ! -e "$file" ] || sha256sum "$file"
    done
}

# Builds the engine into a file.
compile() {
    local output="$1" linked="$target/guest/wasm32-wasip2/release/footpath_engine.wasm"
    local system="--target=wasm32-wasi -isystem /usr/include/wasm32-wasi"
    # Paths of this machine must not end up in the engine.
    local remap="--remap-path-prefix=$PWD=/footpath --remap-path-prefix=$target=/target"
    remap="$remap --remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=/cargo"
    (cd guest && npm ci --silent --no-audit --no-fund --ignore-scripts)
    (
        cd guest
        export RQUICKJS_SYS_NO_WASI_SDK=1
        export CC_wasm32_wasip2=clang-19 AR_wasm32_wasip2=llvm-ar-19
        export CFLAGS_wasm32_wasip2="--sysroot=/ $system -O3 -ffile-prefix-map=$target=/target"
        export BINDGEN_EXTRA_CLANG_ARGS_wasm32_wasip2="$system"
        export LIBCLANG_PATH=/usr/lib/llvm-19/lib
        export RUSTFLAGS="-Clink-arg=--skip-wit-component -Clink-arg=-zstack-size=1048576 $remap"
        CARGO_TARGET_DIR="$target/guest" cargo build --release --locked --target wasm32-wasip2
    )
    CARGO_TARGET_DIR="$target" cargo build --locked --bin footpath
    "$target/debug/footpath" engine pack "$linked" -o "$output"
}

build() {
    local lack
    lack="$(missing)"
    [ -z "$lack" ] || fail "$lack: $(how_to_install)"
    compile guest/engine.wasm
    {
        echo "# What guest/engine.wasm was made from and with. Written by make guest."
        versions | sed 's/^/# /'
        sources
        sha256sum guest/engine.wasm
    } >guest/engine.sources
    echo "guest/engine.wasm: $(stat -c %s guest/engine.wasm) bytes, $(sha256sum <guest/engine.wasm | cut -c 1-16)"
}

check() {
    local differs lack
    [ -e guest/engine.sources ] || fail "guest/engine.sources is missing: run make guest"
    differs="$(diff <(grep -v '^#' guest/engine.sources) <(sources; sha256sum guest/engine.wasm) || true)"
    [ -z "$differs" ] || fail "guest/engine.wasm is not what the sources make: run make guest"$'\n'"$differs"
    echo "guest: the hashes of the sources and of the engine are those of the last make guest"
    lack="$(missing)"
    if [ -z "$lack" ]; then
        lack="$(diff <(grep '^#' guest/engine.sources | tail -n +2 | sed 's/^# //') <(versions) || true)"
        [ -z "$lack" ] || lack="it was built with other tools"$'\n'"$lack"
    fi
    if [ -n "$lack" ]; then
        echo "SKIPPED guest: the engine was not built again, since $lack"
        [ -z "${FOOTPATH_NO_SKIP:-}" ] || fail "FOOTPATH_NO_SKIP forbids to skip that; $(how_to_install)"
        return
    fi
    built="$(mktemp)"
    trap 'rm -f "$built"' EXIT
    compile "$built"
    cmp "$built" guest/engine.wasm || fail "the sources make another engine than guest/engine.wasm: run make guest"
    echo "guest: built again, byte for byte the same"
}

case "${1:-}" in
build) build ;;
check) check ;;
*) fail "say build or check" ;;
esac
