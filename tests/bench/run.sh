#!/usr/bin/env bash
# One table of figures, all measured in this run on this machine: Footpath beside
# node and workerd, where they are installed. Needs wrk, curl and a release build.
# Ratios say more than the figures: a machine that is busy is slow for all.
set -euo pipefail
cd "$(dirname "$0")/../.."

target="${CARGO_TARGET_DIR:-$PWD/target}"
footpath="$target/release/footpath"
seconds="${BENCH_SECONDS:-5}"
routes="${BENCH_ROUTES:-1000}"
work="$(mktemp -d)"
pids=()
cleanup() {
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
    wait 2>/dev/null || true
    rm -rf "$work"
}
trap cleanup EXIT

[ -x "$footpath" ] || { echo "bench: build first: make release" >&2; exit 1; }
command -v wrk >/dev/null || { echo "bench: wrk is not installed: apt-get install wrk" >&2; exit 1; }

row() { printf '| %-44s | %-28s |\n' "$1" "$2"; }

# Waits until a URL answers.
await() {
    for _ in $(seq 300); do
        curl -fs -o /dev/null "$1" && return
        sleep 0.05
    done
    echo "bench: nothing answers at $1" >&2
    exit 1
}

# Starts Footpath on a folder of scripts; sets `url` and `pid`.
serve() {
    FOOTPATH_TOKEN=bench-root-token-0123456789 "$footpath" serve "$1" --data "$2" --http 127.0.0.1:0 >"$work/out" 2>"$work/err" &
    pid=$!
    pids+=("$pid")
    for _ in $(seq 2000); do
        grep -q listening "$work/out" && break
        sleep 0.01
    done
    url="$(sed -n 's/^listening on //p' "$work/out")"
}

# Requests per second and p99 of a URL.
load() {
    wrk -t1 -c32 -d1 "$1" >/dev/null
    wrk -t1 -c32 -d"$seconds" --latency "$1" |
        awk '/Requests\/sec/ {rate=$2} /99%/ {p99=$2} /Non-2xx/ {bad=" (" $5 " failed)"} END {printf "%d/s, p99 %s%s", rate, p99, bad}'
}

# The median and the 99th percentile of lines of numbers, in ms.
percentiles() { sort -n | awk '{v[NR]=$1} END {printf "p50 %.1f ms, p99 %.1f ms", v[int((NR+1)/2)], v[int(NR*0.99)]}'; }

row "what" "figure"
row "---" "---"

mkdir -p "$work/hello/1"
echo 'return { hello: "world" };' >"$work/hello/1/hello.ts"
printf '// @mode worker\nreturn { hello: "world" };\n' >"$work/hello/1/worker.ts"
serve "$work/hello" "$work/data"
await "$url/hello"
await "$url/worker"
row "footpath, fresh instance per request" "$(load "$url/hello")"
row "footpath, worker mode" "$(load "$url/worker")"

publish() {
    curl -fs -o /dev/null -w '%{time_total}\n' -H "Authorization: Bearer bench-root-token-0123456789" \
        -H 'content-type: application/json' -d "{\"path\":\"published.ts\",\"content\":\"return { n: $1 };\"}" \
        "$url/api/v1/exec/scripts/write"
}
for n in $(seq 100); do publish "$n"; done | awk '{print $1 * 1000}' >"$work/publish"
row "publish by API until it answers, 100 times" "$(percentiles <"$work/publish")"
kill "$pid" && wait "$pid" 2>/dev/null || true

if command -v node >/dev/null; then
    cat >"$work/node.js" <<'JS'
require("http").createServer((req, res) => {
  res.setHeader("content-type", "application/json");
  res.end(JSON.stringify({ hello: "world" }));
}).listen(18971, "127.0.0.1");
JS
    node "$work/node.js" &
    pids+=($!)
    await http://127.0.0.1:18971/
    row "node $(node --version), one process" "$(load http://127.0.0.1:18971/)"
    kill "${pids[-1]}"
fi

workerd="$PWD/.peers/node_modules/.bin/workerd"
if [ -x "$workerd" ]; then
    echo 'export default { fetch() { return Response.json({ hello: "world" }); } };' >"$work/worker.js"
    cat >"$work/workerd.capnp" <<'CAPNP'
using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "main", worker = (modules = [(name = "worker", esModule = embed "worker.js")], compatibilityDate = "2025-01-01"))],
  sockets = [(name = "http", address = "127.0.0.1:18972", http = (), service = "main")]);
CAPNP
    "$workerd" serve "$work/workerd.capnp" >/dev/null 2>&1 &
    pids+=($!)
    await http://127.0.0.1:18972/
    row "workerd, one shared isolate" "$(load http://127.0.0.1:18972/)"
    kill "${pids[-1]}"
fi

mkdir -p "$work/many/1"
for n in $(seq "$routes"); do echo "return { route: $n };" >"$work/many/1/r$n.ts"; done
started="$(date +%s%N)"
serve "$work/many" "$work/many-data"
until grep -q 'published what was new' "$work/err"; do sleep 0.05; done
row "start, $routes routes, nothing cached" "$((($(date +%s%N) - started) / 1000000)) ms until all published"
kill "$pid" && wait "$pid" 2>/dev/null || true
started="$(date +%s%N)"
serve "$work/many" "$work/many-data"
await "$url/r1"
row "start, $routes routes, cached" "$((($(date +%s%N) - started) / 1000000)) ms until ready"
row "resident memory then" "$(awk '/VmRSS/ {print int($2 / 1024) " MiB"}' "/proc/$pid/status")"
for n in $(seq 2 200); do curl -fs -o /dev/null -w '%{time_total}\n' "$url/r$n"; done | awk '{print $1 * 1000}' >"$work/first"
row "first call of a route not loaded, 199 routes" "$(percentiles <"$work/first")"
row "resident memory with 200 routes loaded" "$(awk '/VmRSS/ {print int($2 / 1024) " MiB"}' "/proc/$pid/status")"

"$footpath" compile "$work/hello/1/hello.ts" -o "$work/shared.wasm" >/dev/null
"$footpath" compile --portable "$work/hello/1/hello.ts" -o "$work/portable.wasm" >/dev/null
row "component, shared and portable form" "$(stat -c %s "$work/shared.wasm") and $(stat -c %s "$work/portable.wasm") bytes"
