#!/usr/bin/env bash
# Figures of the TLS listener and the proxy: rows for run.sh's table. Footpath, Caddy
# and HAProxy pass the same requests on to the same nginx, with the same certificate,
# one after the other in the same run. wrk speaks HTTP/1.1, h2load HTTP/2; for
# handshakes wrk makes a new connection for each request. Usage: tls.sh TARGET_DIR
set -euo pipefail
cd "$(dirname "$0")/../.."

target="$1"
footpath="$target/release/footpath"
clients="$target/release/examples/tls_clients"
seconds="${BENCH_SECONDS:-5}"
rounds="${BENCH_ROUNDS:-3}"
certificates="${BENCH_CERTIFICATES:-10000}"
slow="${BENCH_SLOW:-1000}" reloads="${BENCH_RELOADS:-1000}" sockets="${BENCH_SOCKETS:-1000}" rate="${BENCH_RATE:-2000}"
token=bench-root-token-0123456789
host=bench.example
work="$(mktemp -d)"
pids=()
stop_all() {
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
    wait 2>/dev/null || true
    pids=()
}
trap 'stop_all; rm -rf "$work"' EXIT

row() { printf '| %-46s | %-30s | %-18s |\n' "$1" "$2" "${3:-}"; }
for tool in wrk h2load nginx openssl curl; do
    command -v "$tool" >/dev/null || { row "TLS and the proxy" "skipped: no $tool"; exit 0; }
done

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

# Waits until a port shakes hands.
await_tls() {
    for _ in $(seq 600); do
        curl -ks -o /dev/null --connect-to "$host:$1:127.0.0.1:$1" "https://$host:$1/" && return
        sleep 0.05
    done
    echo "bench: nothing answers at port $1" >&2
    exit 1
}

upstream() {
    origin="$(free_port)"
    cat >"$work/nginx.conf" <<CONF
daemon off; pid $work/nginx.pid; error_log $work/nginx.log; worker_processes 1;
events { worker_connections 4096; }
http {
    access_log off; keepalive_requests 100000000; keepalive_timeout 300;
    client_body_temp_path $work; proxy_temp_path $work; fastcgi_temp_path $work; uwsgi_temp_path $work; scgi_temp_path $work;
    server {
        listen 127.0.0.1:$origin;
        location / { default_type text/plain; return 200 "hello world\n"; }
        # Waits for the whole body, which never comes.
        location /slow { proxy_pass http://127.0.0.1:$origin/; }
    }
}
CONF
    nginx -e "$work/nginx.log" -c "$work/nginx.conf" &
    pids+=($!)
    echo="$(free_port)"
    "$clients" echo "127.0.0.1:$echo" &
    pids+=($!)
}

certificate() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 -subj "/CN=$host" \
        -addext "subjectAltName=DNS:$host" -keyout "$work/key.pem" -out "$work/cert.pem" 2>/dev/null
    cat "$work/cert.pem" "$work/key.pem" >"$work/both.pem"
}

# Starts Footpath with the certificate and the alias; sets `https`, `http` and `pid`.
start_footpath() {
    mkdir -p "$work/scripts/1"
    : >"$work/out"
    FOOTPATH_TOKEN="$token" FOOTPATH_PROXY_ALLOW="127.0.0.1:$origin,127.0.0.1:$echo" FOOTPATH_PROXY_DEFAULT_DOMAIN="$host" \
        FOOTPATH_PROXY_ALIASES="$host=http://127.0.0.1:$origin,echo.example=http://127.0.0.1:$echo" \
        "$footpath" serve "$work/scripts" --data "$1" --http 127.0.0.1:0 --https 127.0.0.1:0 >"$work/out" 2>"$work/err" &
    pid=$!
    pids+=("$pid")
    until [ "$(grep -c listening "$work/out")" = 2 ]; do
        kill -0 "$pid" || { cat "$work/err" >&2; exit 1; }
        sleep 0.01
    done
    http="$(sed -n 's/^listening on http:/http:/p' "$work/out")"
    https="$(sed -n 's/^listening on https:.*://p' "$work/out")"
}

install_certificate() {
    python3 -c 'import json, sys; print(json.dumps({"d": sys.argv[1], "cert": {"cert": open(sys.argv[2]).read(), "key": open(sys.argv[3]).read()}}))' \
        "$host" "$work/cert.pem" "$work/key.pem" >"$work/bundle.json"
    curl -fs -o /dev/null -X PATCH -H "Authorization: Bearer $token" --data-binary @"$work/bundle.json" "$http/api/v1/proxy/cert/bundle"
}

start_caddy() {
    caddy_port="$(free_port)"
    cat >"$work/Caddyfile" <<CONF
{
    admin off
    auto_https off
    default_sni $host
    fallback_sni $host
    servers {
        protocols h1 h2
    }
}
https://$host:$caddy_port {
    tls $work/cert.pem $work/key.pem
    reverse_proxy 127.0.0.1:$origin
}
CONF
    HOME="$work" caddy run --config "$work/Caddyfile" --adapter caddyfile >"$work/caddy.log" 2>&1 &
    pids+=($!)
    await_tls "$caddy_port"
}

# The second port does what Footpath does for each request: it keeps a line of it, and
# says to the upstream who asked (the same fields).
start_haproxy() {
    haproxy_port="$(free_port)"
    haproxy_alike_port="$(free_port)"
    cat >"$work/haproxy.cfg" <<CONF
ring lines
    size 4194304
defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s
frontend tls
    bind 127.0.0.1:$haproxy_port ssl crt $work/both.pem alpn h2,http/1.1
    default_backend origin
frontend alike
    bind 127.0.0.1:$haproxy_alike_port ssl crt $work/both.pem alpn h2,http/1.1
    log ring@lines local0
    option httplog
    http-request set-header Forwarded "for=%[src];host=\"%[req.hdr(host)]\";proto=https"
    http-request set-header X-Forwarded-For %[src]
    http-request set-header X-Forwarded-Proto https
    http-request set-header X-Forwarded-Host %[req.hdr(host)]
    http-request set-header X-Real-IP %[src]
    http-request set-header Via "1.1 haproxy"
    default_backend origin
backend origin
    http-reuse always
    server nginx 127.0.0.1:$origin
CONF
    haproxy -q -f "$work/haproxy.cfg" &
    pids+=($!)
    await_tls "$haproxy_port"
}

# Requests per second and p99 in ms of a port, as `RATE P99 FAILED`.
by_wrk() {
    wrk -t1 -c32 -d"$seconds" --latency -H "Host: $host" "${@:2}" "https://127.0.0.1:$1/" >"$work/wrk"
    awk '/Requests\/sec/ {rate = $2} /Non-2xx/ {bad = $NF}
        /99%/ {p99 = $2 + 0; if ($2 ~ /us/) p99 /= 1000; else if ($2 !~ /ms/) p99 *= 1000}
        END {print rate, p99, bad + 0}' "$work/wrk"
}
h1() { by_wrk "$1"; }
handshakes() { by_wrk "$1" -H "Connection: close"; }
h2() {
    h2load -t1 -c8 -m8 -D "$seconds" --warm-up-time=1 --connect-to "127.0.0.1:$1" --log-file "$work/h2log" "https://$host:$1/" >"$work/h2load"
    # h2load counts those before the warm-up too; the log has a line for each request: start, status, microseconds.
    local rate failed p99
    rate="$(awk '/^finished in/ {print $4}' "$work/h2load")"
    failed="$(awk '/^requests:/ {print $10 + $12}' "$work/h2load")"
    p99="$(awk '{print $3}' "$work/h2log" | sort -n | awk '{v[NR] = $1} END {print v[int(NR * 0.99)] / 1000}')"
    rm "$work/h2log"
    echo "$rate $p99 $failed"
}

proxies=(footpath caddy haproxy haproxy_alike)

# The median round of each, in turns, so that other load on the machine meets all of them.
compare() {
    local what="$1" load="$2" round one
    for round in $(seq "$rounds"); do
        for one in "${proxies[@]}"; do
            local -n port="${one}_port"
            [ -n "$port" ] || continue
            "$load" "$port" >>"$work/$load.$one"
        done
    done
    local ours
    ours="$(median "$work/$load.footpath")"
    for one in "${proxies[@]}"; do
        local name="${one/haproxy_alike/haproxy same job}"
        [ -s "$work/$load.$one" ] || { row "$what, $name" "skipped: not installed"; continue; }
        median "$work/$load.$one" | {
            read -r rate p99 failed
            [ "$failed" = 0 ] && failed="" || failed=" ($failed failed)"
            row "$what, $name" "$(printf '%.0f/s, p99 %.1f ms%s' "$rate" "$p99" "$failed")" \
                "$(awk -v a="${ours%% *}" -v b="$rate" 'BEGIN {printf "%.2f", a / b}')"
        }
    done
}
median() { sort -n "$1" | awk '{v[NR] = $0} END {print v[int((NR + 1) / 2)]}'; }

passing() {
    start_footpath "$work/data"
    install_certificate
    footpath_port="$https"
    await_tls "$footpath_port"
    caddy_port="" haproxy_port="" haproxy_alike_port=""
    if command -v caddy >/dev/null; then start_caddy; fi
    if command -v haproxy >/dev/null; then start_haproxy; fi
    compare "TLS pass-through, h1" h1
    compare "TLS pass-through, h2" h2
    compare "a handshake for each request" handshakes
}

# New certificates while WebSockets are open and requests go on.
reloading() {
    row "$reloads reloads, $sockets WebSockets, $rate requests/s" \
        "$("$clients" reload "$http" "127.0.0.1:$https" "$token" "$reloads" "$sockets" "$rate")"
}

# Heads and bodies that never end, and whether others have to wait for them.
beside_slow() {
    row "8 good clients, alone and amid $slow slow ones" "$("$clients" slow "127.0.0.1:$https" "$slow" "$seconds")"
}

resident() { awk '/VmRSS/ {print $2}' "/proc/$pid/status"; }

# Starts on the data folder of the many, with as many as there are.
start_many() {
    local started
    started="$(date +%s%N)"
    start_footpath "$work/many"
    took="$((($(date +%s%N) - started) / 1000000)) ms"
    sleep 2
}

many() {
    local empty full
    # The first start of all compiles the engine, which is no figure of this.
    start_many
    kill "$pid" && { wait "$pid" || true; }
    start_many
    empty="$(resident)"
    row "start, no certificate" "$took"
    "$clients" fill "$http" "$token" 1 >/dev/null
    row "a handshake, 1 certificate, 2,000 times" "$("$clients" handshakes "127.0.0.1:$https" 2000 1)"
    "$clients" fill "$http" "$token" "$certificates" >/dev/null
    kill "$pid" && { wait "$pid" || true; }
    start_many
    full="$(resident)"
    row "start, $certificates certificates" "$took"
    row "resident memory per certificate" "$(awk -v a="$empty" -v b="$full" -v n="$certificates" 'BEGIN {printf "%.1f KiB", (b - a) / n}')"
    row "a handshake, $certificates certificates, 2,000 times" "$("$clients" handshakes "127.0.0.1:$https" 2000 "$certificates")"
}

upstream
certificate
passing
reloading
beside_slow
stop_all
upstream
many
