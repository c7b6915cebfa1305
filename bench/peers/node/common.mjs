// What both peers on Node.js share: arguments, the payload, and the clock.

export const [, , act, ...numbers] = process.argv;
export const [tasks, workers, batch] = numbers.map(Number);
export const url = process.env.DATABASE_URL;

const STEP = 1000;

/** Calls `add` with some payloads after another: a chunk each, by its ids. */
export async function load(add) {
  for (let from = 0; from < tasks; from += STEP) {
    const length = Math.min(STEP, tasks - from);
    await add(
      Array.from({ length }, (_, n) => {
        const chunk = from + n;
        return { job_id: 1, chunk_id: chunk, first_image: chunk * 500, last_image: chunk * 500 + 499 };
      }),
    );
  }
}

let first;

/** To be called at each task; the first time counts. */
export function begun() {
  first ??= Date.now();
}

/** Tells the beginning and the end, in seconds since 1970. */
export function tell(last = Date.now()) {
  console.log(JSON.stringify({ first: (first ?? last) / 1000, last: last / 1000 }));
}
