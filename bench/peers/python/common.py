"""What the peers on Python share: arguments, the payload, and the clock."""

import json
import sys
import time

ACT = sys.argv[1] if len(sys.argv) > 1 else ""
TASKS, WORKERS, BATCH = (int(number) for number in (sys.argv[2:5] if len(sys.argv) > 4 else (0, 1, 1)))
STEP = 1000


def payloads():
    """Lists of some payloads each: a chunk by its ids."""
    for start in range(0, TASKS, STEP):
        yield [
            {"job_id": 1, "chunk_id": chunk, "first_image": chunk * 500, "last_image": chunk * 500 + 499}
            for chunk in range(start, min(start + STEP, TASKS))
        ]


def tell(first, last=None):
    """Tells the beginning and the end, in seconds since 1970."""
    last = last or time.time()
    print(json.dumps({"first": first or last, "last": last}), flush=True)
