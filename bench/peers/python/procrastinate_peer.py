"""procrastinate: one worker process with so many jobs at a time, on asyncio and psycopg 3."""

import asyncio
import logging
import os
import time

import procrastinate
from common import ACT, WORKERS, payloads, tell

logging.disable(logging.WARNING)
app = procrastinate.App(
    connector=procrastinate.PsycopgConnector(
        conninfo=os.environ["DATABASE_URL"], min_size=WORKERS + 2, max_size=WORKERS + 2
    )
)
first = None


@app.task(name="chunk")
async def chunk(job_id, chunk_id, first_image, last_image):
    global first
    first = first or time.time()


async def main():
    async with app.open_async():
        if ACT == "load":
            await app.schema_manager.apply_schema_async()
            for some in payloads():
                await chunk.batch_defer_async(*some)
        else:
            # Ends when nothing is left to do.
            await app.run_worker_async(
                concurrency=WORKERS, wait=False, listen_notify=False, install_signal_handlers=False
            )
            tell(first)


asyncio.run(main())
