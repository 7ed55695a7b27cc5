"""Figures of cron on a running server, in two steps. `make` tells how many entries a
second can be made. The caller then kills the server, so that `due` can prove that
each was durable when it was acknowledged, and tell how late 1,000 runs start that
are due at once among 10,000 entries. Usage: cron.py make|due URL TOKEN"""

import http.client
import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

step, url, token = sys.argv[1:4]
ENTRIES, DUE, CLIENTS = 10_000, 1_000, 32
address = urlsplit(url).netloc


def client():
    connection = http.client.HTTPConnection(address)

    def call(method, path, body=None):
        headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
        connection.request(method, path, json.dumps(body) if body else None, headers)
        response = connection.getresponse()
        answer = json.loads(response.read())
        assert response.status < 300, answer
        return answer

    return call



def make():
    # The minute after next, so that all entries are there by then.
    minute = time.gmtime((time.time() // 60 + 2) * 60)
    due = f"{minute.tm_min} {minute.tm_hour} * * *"
    bodies = [
        {"schedule": due if number < DUE else "0 0 29 2 *", "command": "curl /hello"}
        for number in range(ENTRIES)
    ]

    def work(part):
        call = client()
        for body in part:
            call("POST", "/users/me/entries", body)

    started = time.time()
    with ThreadPoolExecutor(CLIENTS) as pool:
        # A failure of any client is one of the whole.
        list(pool.map(work, [bodies[client::CLIENTS] for client in range(CLIENTS)]))
    rate = ENTRIES / (time.time() - started)
    print(f"entries made a second, each durable\t{rate:.0f}/s")


def seconds(text):
    whole, fraction = text.rstrip("Z").split(".")
    return time.mktime(time.strptime(whole, "%Y-%m-%dT%H:%M:%S")) + float(f"0.{fraction}")


def due():
    call = client()
    total = call("GET", "/users/me/entries?limit=1")["total"]
    assert total == ENTRIES, f"of {ENTRIES} acknowledged entries {total} outlived a kill"
    deadline = time.time() + 180
    while True:
        rows, cursor = [], ""
        while cursor is not None:
            page = call("GET", f"/users/me/runs?limit=200{cursor}")
            rows += page["runs"]
            cursor = page["next_cursor"] and f"&cursor={page['next_cursor']}"
        if len(rows) >= DUE and all(row["ended_at"] for row in rows):
            break
        assert time.time() < deadline, f"only {len(rows)} rows"
        time.sleep(1)
    assert len({row["entry_id"] for row in rows}) == len(rows) == DUE, "missed or doubled"
    assert all(row["outcome"] == "ok" for row in rows)
    assert all(row["trigger"] == "schedule" for row in rows), "the server started too late"
    skew = sorted(seconds(row["started_at"]) - seconds(row["scheduled_at"]) for row in rows)
    figures = f"p50 {skew[DUE // 2] * 1000:.0f} ms, p99 {skew[DUE * 99 // 100] * 1000:.0f} ms"
    print(f"start after due, {DUE} of {ENTRIES} entries at once\t{figures}")


{"make": make, "due": due}[step]()
