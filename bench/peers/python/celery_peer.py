"""Celery on Redis: so many processes (prefork); a batch is how many tasks each fetches ahead."""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import redis
from common import ACT, BATCH, TASKS, WORKERS, payloads, tell

LOOK_EVERY_S = 0.01


def left(server):
    """Tasks in the queue, and tasks that are not acknowledged."""
    return server.llen("celery") + server.hlen("unacked")


def work():
    server = redis.Redis.from_url(os.environ["REDIS_URL"])
    with tempfile.TemporaryDirectory() as folder:
        worker = subprocess.Popen(
            [sys.executable, "-m", "celery", "-A", "celery_tasks", "worker", "--pool", "prefork"]
            + ["--concurrency", str(WORKERS), "--prefetch-multiplier", str(BATCH), "--loglevel", "ERROR"]
            + ["--without-gossip", "--without-mingle", "--without-heartbeat"],
            env={**os.environ, "FIRST_IN": folder},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            while left(server) > 0:
                if worker.poll() is not None:
                    sys.exit(f"the worker ended with {worker.returncode}")
                time.sleep(LOOK_EVERY_S)
            last = time.time()
            tell(min(float(path.read_text()) for path in Path(folder).iterdir()), last)
        finally:
            worker.terminate()
            worker.wait()


if ACT == "load":
    from celery_tasks import app, chunk

    with app.pool.acquire(block=True) as connection, app.amqp.Producer(connection) as producer:
        for some in payloads():
            for payload in some:
                chunk.apply_async(kwargs=payload, producer=producer)
    found = left(redis.Redis.from_url(os.environ["REDIS_URL"]))
    if found != TASKS:
        sys.exit(f"{found} tasks in the queue instead of {TASKS}")
else:
    work()
