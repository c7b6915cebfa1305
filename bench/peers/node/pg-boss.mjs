// pg-boss: loops that fetch a batch and complete it. Its own `work` does the same, but waits between single jobs.

import { PgBoss } from "pg-boss";
import { act, batch, begun, load, tell, url, workers } from "./common.mjs";

const QUEUE = "chunks";

const boss = new PgBoss({
  connectionString: url,
  max: workers,
  supervise: false,
  schedule: false,
});
boss.on("error", (error) => {
  throw error;
});
await boss.start();

async function loop() {
  for (;;) {
    const jobs = await boss.fetch(QUEUE, { batchSize: batch });
    if (jobs.length === 0) {
      return;
    }
    begun();
    await boss.complete(
      QUEUE,
      jobs.map((job) => job.id),
    );
  }
}

if (act === "load") {
  await boss.createQueue(QUEUE);
  await load((payloads) => boss.insert(QUEUE, payloads.map((data) => ({ data }))));
} else {
  await Promise.all(Array.from({ length: workers }, loop));
  tell();
}
await boss.stop({ graceful: false });
process.exit(0);
