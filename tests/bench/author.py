"""Figures of routes that write themselves, on a running server and the model's server
that it asks: what a miss costs besides the model, how many model calls a crowd and a
heap of junk paths lead to, and what good routes notice of the junk. Prints lines of
`what<TAB>figure`. Usage: author.py making|junk URL MODEL_URL

`author.py ask-for-junk URL MODEL_URL` is what `junk` starts as a process of its own:
threads of one would wait for each other's turn at the interpreter, up to 5 ms each time,
and that would be the figure. It prints how many of the paths were answered with 200."""

import http.client
import json
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

url, model = (urlsplit(one).netloc for one in sys.argv[2:4])
MISSES, CALLERS, JUNK = 200, 500, 10_000


def caller(address):
    """Calls on one connection that is kept: seconds and status of each."""
    connection = http.client.HTTPConnection(address, timeout=120)

    def call(path, body=None):
        headers = {"content-type": "application/json"} if body else {}
        started = time.perf_counter()
        connection.request("POST" if body else "GET", path, json.dumps(body) if body else None, headers)
        response = connection.getresponse()
        response.read()
        return time.perf_counter() - started, response.status, response.headers

    return call


def asked():
    return int(caller(model)("/__aimock/journal?limit=1")[2]["x-total-count"])


def ms(seconds, share):
    ordered = sorted(seconds)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1000


def figures(seconds):
    return f"p50 {ms(seconds, 0.5):.1f} ms, p99 {ms(seconds, 0.99):.1f} ms"


def each(call, paths, body=None):
    seconds = []
    for path in paths:
        took, status, _ = call(path, body)
        assert status == 200, f"{path}: {status}"
        seconds.append(took)
    return seconds


def while_going(going, clients=8):
    """Seconds of calls of a good route, by several clients at once."""

    def work(_):
        call, seconds = caller(url), []
        while going():
            seconds += each(call, ["/good"])
            time.sleep(0.002)
        return seconds

    with ThreadPoolExecutor(clients) as pool:
        return [one for part in pool.map(work, range(clients)) for one in part]


def making():
    message = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "URL"}]}
    call, ask = caller(url), caller(model)
    paths = [f"/api/miss-{number}" for number in range(MISSES)]
    each(ask, ["/v1/chat/completions"] * 20, message)
    each(call, [f"/api/warm-up-{number}" for number in range(5)])
    # In turn, so that whatever else the machine does falls on both.
    alone, misses = [], []
    for path in paths:
        alone += each(ask, ["/v1/chat/completions"], message)
        misses += each(call, [path])
    each(call, ["/good", paths[0]] * 100)
    saved, good = [], []
    for _ in range(5 * MISSES):
        saved += each(call, paths[:1])
        good += each(call, ["/good"])
    own = ms(alone, 0.5) / 1000
    print(f"the model alone, {MISSES} times\t{figures(alone)}")
    print(f"a miss that writes its route, less the model\t{figures([one - own for one in misses])}")
    print(f"the second call of such a route\t{figures(saved)}")
    print(f"a route that a person saved\t{figures(good)}")
    before, barrier = asked(), threading.Barrier(CALLERS)

    def crowd(number):
        call = caller(url)
        barrier.wait()
        return call(f"/api/crowd?n={number}")[1]

    with ThreadPoolExecutor(CALLERS) as pool:
        statuses = list(pool.map(crowd, range(CALLERS)))
    answered = sum(status == 200 for status in statuses)
    print(f"{CALLERS} callers of one unknown path\t{asked() - before} model call, {answered} answered")


def junk():
    until = time.perf_counter() + 10
    while_going(lambda: time.perf_counter() < until - 8)
    alone = while_going(lambda: time.perf_counter() < until)
    before = asked()
    # The good clients share two cores with those that ask for junk: what they are to
    # notice is the server's work for it, not the work of making it.
    asking = subprocess.Popen(
        ["nice", sys.executable, __file__, "ask-for-junk", *sys.argv[2:4]], stdout=subprocess.PIPE, text=True
    )
    amid = while_going(lambda: asking.poll() is None)
    assert asking.returncode == 0, asking.returncode
    made = int(asking.stdout.read())
    print(f"{JUNK} junk paths, usual caps\t{asked() - before} model calls, {made} routes")
    print(f"a good route, alone\t{figures(alone)}")
    print(f"a good route, amid the junk\t{figures(amid)}")


def ask_for_junk():
    def part(first):
        call = caller(url)
        return sum(call(f"/api/junk-{number}")[1] == 200 for number in range(first, JUNK, 4))

    with ThreadPoolExecutor(4) as pool:
        print(sum(pool.map(part, range(4))))


{"making": making, "junk": junk, "ask-for-junk": ask_for_junk}[sys.argv[1]]()
