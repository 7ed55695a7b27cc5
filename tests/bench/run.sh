#!/usr/bin/env bash
# One table of figures, all measured in this run on this machine: Footpath beside
# what is installed of bare axum, node, workerd and wasmtime serve. Needs wrk, curl
# and a release build (make bench). Ratios say more than figures: a machine that is
# busy is slow for all.
set -euo pipefail
cd "$(dirname "$0")/../.."

target="${CARGO_TARGET_DIR:-$PWD/target}"
footpath="$target/release/footpath"
modules="$PWD/.peers/node_modules"
seconds="${BENCH_SECONDS:-5}"
routes="${BENCH_ROUTES:-1000}"
token=bench-root-token-0123456789
work="$(mktemp -d)"
pids=()
stop_all() {
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
    wait 2>/dev/null || true
    pids=()
}
trap 'stop_all; rm -rf "$work"' EXIT

[ -x "$footpath" ] || { echo "bench: build first: make release" >&2; exit 1; }
command -v wrk >/dev/null || { echo "bench: wrk is not installed: apt-get install wrk" >&2; exit 1; }

row() { printf '| %-46s | %-30s | %-18s |\n' "$1" "$2" "${3:-}"; }

# Waits until a URL answers.
await() {
    for _ in $(seq 600); do
        curl -fs -o /dev/null "$1" && return
        sleep 0.05
    done
    echo "bench: nothing answers at $1" >&2
    exit 1
}

# Starts a program that prints where it listens; sets `url` and `pid`.
start() {
    "$@" >"$work/out" 2>"$work/err" &
    pid=$!
    pids+=("$pid")
    for _ in $(seq 3000); do
        grep -q listening "$work/out" && break
        sleep 0.01
    done
    url="$(sed -n 's/^listening on //p' "$work/out")"
}

# Starts Footpath on a folder of scripts.
serve() {
    start env FOOTPATH_TOKEN="$token" "$footpath" serve "$1" --data "$2" --http 127.0.0.1:0
}

# Prints a row with requests per second and p99 of a URL, beside our own rate.
ours=
load() {
    wrk -t1 -c32 -d1 "$2" >/dev/null
    wrk -t1 -c32 -d"$seconds" --latency "$2" >"$work/wrk"
    local rate figure
    rate="$(awk '/Requests\/sec/ {print $2}' "$work/wrk")"
    figure="$(awk '/99%/ {p99=$2} /Non-2xx/ {bad=" (" $5 " failed)"} END {printf "p99 %s%s", p99, bad}' "$work/wrk")"
    ours="${ours:-$rate}"
    row "$1" "$(printf '%.0f/s, %s' "$rate" "$figure")" "$(awk -v a="$ours" -v b="$rate" 'BEGIN {printf "%.2f", a / b}')"
}

# The median and the 99th percentile of lines of seconds, in ms.
percentiles() {
    sort -n | awk '{v[NR]=$1 * 1000} END {printf "p50 %.1f ms, p99 %.1f ms", v[int((NR+1)/2)], v[int(NR*0.99)]}'
}

hello() {
    mkdir -p "$work/hello/1"
    echo 'return { hello: "world" };' >"$work/hello/1/hello.ts"
    printf '// @mode worker\nreturn { hello: "world" };\n' >"$work/hello/1/worker.ts"
    serve "$work/hello" "$work/data"
    await "$url/hello"
    await "$url/worker"
    load "footpath, fresh instance per request" "$url/hello"
    load "footpath, worker mode" "$url/worker"
}

# Writes a new text by API and calls the route: the second answer must be new.
publishing() {
    local n body
    for n in $(seq 100); do
        body="{\"path\":\"published.ts\",\"content\":\"return { n: $n };\"}"
        curl -fs -w '%{stderr}%{time_total}\n' -H "Authorization: Bearer $token" \
            -H 'content-type: application/json' -d "$body" -o /dev/null "$url/api/v1/exec/scripts/write" \
            --next -fs -w '%{stderr}%{time_total}\n' -o "$work/answer" "$url/published" 2>"$work/times"
        [ "$(cat "$work/answer")" = "{\"n\":$n}" ] || { echo "bench: the new version does not answer" >&2; exit 1; }
        awk '{sum += $1} END {print sum}' "$work/times"
    done >"$work/publish"
    row "publish by API until it answers, 100 times" "$(percentiles <"$work/publish")"
}

# Calls of paths that nobody has written, with a real server for models: how much time
# making a route takes besides the model's own, and what junk does to the others.
authoring() {
    local llmock="$PWD/.peers/bin/llmock" model
    [ -x "$llmock" ] || { row "a miss that writes its route" "skipped: make peers"; return; }
    mkdir -p "$work/author/1/api"
    cp tests/all/author/seed.ts "$work/author/1/api/[...slug].ts"
    echo 'return { good: true };' >"$work/author/1/good.ts"
    cp -r "$work/author" "$work/junk"
    echo '{"fixtures":[{"match":{"userMessage":"URL"},"response":{"content":"return { url: req.url };"}}]}' >"$work/fixtures.json"
    # A model computes elsewhere; this one shall not take the cores from our own work.
    start nice "$llmock" -p 0 -f "$work/fixtures.json" --journal-max 0
    model="$(sed -n 's/.*listening on \(http.*\)/\1/p' "$work/out")"
    export FOOTPATH_AI_BASE_URL="$model/v1"
    FOOTPATH_AUTHOR_CALLS_PER_MINUTE=100000 FOOTPATH_AUTHOR_CALLS_PER_MINUTE_PER_CLIENT=100000 \
        FOOTPATH_AUTHOR_ROUTES_PER_HOUR=1000 FOOTPATH_AUTHOR_ROUTES_PER_DAY=1000 \
        serve "$work/author" "$work/author-data"
    await "$url/good"
    python3 tests/bench/author.py making "$url" "$model" >"$work/figures"
    kill "$pid"
    serve "$work/junk" "$work/junk-data"
    await "$url/good"
    python3 tests/bench/author.py junk "$url" "$model" >>"$work/figures"
    while IFS=$'\t' read -r what figure; do row "$what" "$figure"; done <"$work/figures"
    unset FOOTPATH_AI_BASE_URL
    stop_all
}

peers() {
    if [ -x "$target/release/examples/bare_axum" ]; then
        start "$target/release/examples/bare_axum"
        load "bare axum, no script" "$url/hello"
        stop_all
    fi
    if command -v node >/dev/null; then
        start node tests/bench/peers/node.js
        load "node $(node --version), one process" "$url/"
        stop_all
    fi
    if [ -x "$modules/.bin/workerd" ]; then
        "$modules/.bin/workerd" serve tests/bench/peers/workerd.capnp >/dev/null 2>&1 &
        pids+=($!)
        await http://127.0.0.1:18972/
        load "workerd, one shared isolate" http://127.0.0.1:18972/
        stop_all
    fi
    if [ -x "$modules/.bin/componentize-js" ] && command -v wasmtime >/dev/null; then
        componentize || { row "wasmtime serve, componentize-js" "skipped: it makes no component"; return; }
        wasmtime serve --addr 127.0.0.1:18973 -S cli "$work/componentized.wasm" >/dev/null 2>&1 &
        pids+=($!)
        await http://127.0.0.1:18973/
        load "wasmtime serve, componentize-js" http://127.0.0.1:18973/
        stop_all
    fi
}

# componentize-js has one version of WASI built in.
componentize() {
    local wasi=0.2.10
    mkdir -p "$work/wit/deps"
    for file in wit/deps/*.wit; do sed -E "s/0\.2\.12/$wasi/g" "$file" >"$work/wit/deps/$(basename "$file")"; done
    printf 'package bench:hello;\nworld hello { export wasi:http/incoming-handler@%s; }\n' "$wasi" >"$work/wit/world.wit"
    "$modules/.bin/componentize-js" tests/bench/peers/componentize.js --wit "$work/wit" -n hello -o "$work/componentized.wasm" >/dev/null
}

# Handlers that hit their limits over and over, beside a good route: what the good
# one's slowest calls take, alone and then in their company.
hostile() {
    mkdir -p "$work/hostile/1"
    echo 'return { good: true };' >"$work/hostile/1/good.ts"
    echo 'for (;;) ;' >"$work/hostile/1/loop.ts"
    echo 'for (const a = [];;) a.push(new Uint8Array(1 << 20))' >"$work/hostile/1/memory.ts"
    echo 'return /^(a+)+$/.test("a".repeat(40) + "!")' >"$work/hostile/1/regex.ts"
    echo 'await new Promise(() => {})' >"$work/hostile/1/never.ts"
    local name calling=()
    serve "$work/hostile" "$work/hostile-data"
    for name in good loop memory regex never; do
        until [ "$(curl -s -o /dev/null -w '%{http_code}' "$url/$name")" != 404 ]; do sleep 0.05; done
    done
    load "a good route, alone" "$url/good"
    for name in loop memory regex never; do
        # One client each that never rests, and costs nothing itself: a program that is
        # started for every call would take a core from all others.
        wrk -t1 -c1 -d600 --timeout 60 "$url/$name" >/dev/null &
        calling+=($!)
    done
    load "a good route, beside 4 hostile handlers" "$url/good"
    kill "${calling[@]}" 2>/dev/null || true
    stop_all
}

resident() { awk '/VmRSS/ {print $2}' "/proc/$pid/status"; }

many() {
    local started empty full n
    mkdir -p "$work/many/1" "$work/none/1"
    serve "$work/none" "$work/none-data"
    await "$url/api/v1/exec/health"
    empty="$(resident)"
    stop_all
    for n in $(seq "$routes"); do echo "return { route: $n };" >"$work/many/1/r$n.ts"; done
    started="$(date +%s%N)"
    serve "$work/many" "$work/many-data"
    until grep -q 'published what was new' "$work/err"; do sleep 0.05; done
    row "start, $routes routes, nothing cached" "$((($(date +%s%N) - started) / 1000000)) ms until all published"
    stop_all
    started="$(date +%s%N)"
    serve "$work/many" "$work/many-data"
    await "$url/r1"
    row "start, $routes routes, cached" "$((($(date +%s%N) - started) / 1000000)) ms until ready"
    for n in $(seq 2 200); do curl -fs -o /dev/null -w '%{time_total}\n' "$url/r$n"; done >"$work/first"
    row "first call of a route not loaded, 199 routes" "$(percentiles <"$work/first")"
    for n in $(seq 201 "$routes"); do curl -fs -o /dev/null "$url/r$n"; done
    full="$(resident)"
    row "resident memory per route, $routes routes called" "$(((full - empty) / routes)) KiB ($((empty / 1024)) MiB without)"
    # Handlers are unloaded when they were idle for exec.loaded_idle_ms, a minute.
    sleep 95
    full="$(resident)"
    row "resident memory per idle route, $routes routes" "$(((full - empty) / routes)) KiB"
    stop_all
}

# Entries of cron; it waits for a full minute.
scheduled() {
    serve "$work/hello" "$work/cron-data"
    await "$url/hello"
    python3 tests/bench/cron.py make "$url" "$token" >"$work/cron"
    # What was acknowledged is there after a kill.
    kill -KILL "$pid"
    wait "$pid" 2>/dev/null || true
    serve "$work/hello" "$work/cron-data"
    await "$url/hello"
    python3 tests/bench/cron.py due "$url" "$token" >>"$work/cron"
    while IFS=$'\t' read -r what figure; do row "$what" "$figure"; done <"$work/cron"
    stop_all
}

row what figure "ours / this"
row --- --- ---
hello
publishing
stop_all
peers
many
hostile
authoring
scheduled
tests/bench/tls.sh "$target"
for form in "" --portable; do
    # shellcheck disable=SC2086 # no form is no argument
    "$footpath" compile $form "$work/hello/1/hello.ts" -o "$work/component.wasm" >/dev/null 2>&1
    row "component${form:+, }${form#--}" "$(stat -c %s "$work/component.wasm") bytes"
done
