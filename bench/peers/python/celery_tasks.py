"""The task of the Celery peer: acknowledged when it is done, as a lease is; results are not kept."""

import os
import time
from pathlib import Path

from celery import Celery

app = Celery("peer", broker=os.environ["REDIS_URL"])
app.conf.update(
    task_acks_late=True,
    task_ignore_result=True,
    worker_send_task_events=False,
    broker_connection_retry_on_startup=True,
    worker_hijack_root_logger=False,
)
seen = False


@app.task(name="chunk")
def chunk(job_id, chunk_id, first_image, last_image):
    global seen
    if not seen:
        seen = True
        Path(os.environ["FIRST_IN"], str(os.getpid())).write_text(str(time.time()))
