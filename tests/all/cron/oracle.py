"""Answers each line `expression TAB zone TAB seconds` with the next times in
seconds since 1970, or with `refused`."""

import sys
from datetime import datetime, timezone
from zoneinfo import ZoneInfo


def by_cronsim(expression, zone, after):
    from cronsim import CronSim, CronSimError

    start = datetime.fromtimestamp(after, timezone.utc).astimezone(ZoneInfo(zone))
    try:
        times = CronSim(expression, start)
    except CronSimError:
        return None
    return (time.timestamp() for time in times)


def by_croniter(expression, zone, after):
    from croniter import croniter, CroniterError

    try:
        times = croniter(expression, datetime.fromtimestamp(after, timezone.utc), ret_type=float)
        first = times.get_next()
    except CroniterError:
        return None

    def all_times():
        yield first
        while True:
            yield times.get_next()

    return all_times()


oracle = {"cronsim": by_cronsim, "croniter": by_croniter}[sys.argv[1]]
count = int(sys.argv[2])
for line in sys.stdin:
    expression, zone, after = line.rstrip("\n").split("\t")
    times = oracle(expression, zone, int(after))
    if times is None:
        print("refused")
        continue
    found = []
    try:
        for _ in range(count):
            found.append(str(int(next(times))))
    except Exception:  # No date within the oracle's own horizon.
        pass
    print(" ".join(found))
