// graphile-worker: fetches and completes job by job, or, with a batch, by a local queue and batched completions.

import { Logger, makeWorkerUtils, run } from "graphile-worker";
import pg from "pg";
import { act, batch, begun, load, tell, url, workers } from "./common.mjs";

const logger = new Logger(() => () => {});
const LOOK_EVERY_MS = 10;

async function loadAll() {
  const utils = await makeWorkerUtils({ connectionString: url, logger });
  await utils.migrate();
  await load((payloads) => utils.addJobs(payloads.map((payload) => ({ identifier: "chunk", payload }))));
  await utils.release();
}

async function work() {
  const batches =
    batch === 1
      ? {}
      : // As many at a time as so many workers with batches of their own would hold.
        { localQueue: { size: batch * workers }, completeJobBatchDelay: 0, failJobBatchDelay: 0 };
  const runner = await run({
    preset: {
      worker: {
        connectionString: url,
        concurrentJobs: workers,
        maxPoolSize: workers + 2,
        logger,
        ...batches,
      },
    },
    noHandleSignals: true,
    taskList: { chunk: async () => begun() },
  });
  const pool = new pg.Client({ connectionString: url });
  await pool.connect();
  const left = "SELECT EXISTS (SELECT FROM graphile_worker._private_jobs) AS left";
  while ((await pool.query(left)).rows[0].left) {
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  }
  tell();
  await pool.end();
  await runner.stop();
}

await (act === "load" ? loadAll() : work());
process.exit(0);
