//! What a good engineer would write by hand: scripts for pgbench, one statement and one round trip per transaction,
//! with fencing by the attempt and the same rows as the service, but for the counters.

/// One script: claims a batch, commits, completes it, commits.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Script {
    pub(crate) job_id: i64,
    pub(crate) batch: u32,
    /// Whether both acts write the activity log.
    pub(crate) log: bool,
}

const TASK: &str = "'bench-worker-' || :client_id";

impl Script {
    /// Its text for `pgbench -f`, with this outcome for each chunk.
    pub(crate) fn text(self, outcome: &str) -> String {
        let claim = self.claim();
        let complete = if self.batch == 1 { self.complete_one(outcome) } else { self.complete(outcome) };
        format!("{claim}\n{complete}\n")
    }

    fn claim(self) -> String {
        let Self { job_id, batch, log } = self;
        // A single chunk needs no arrays.
        let answer = if batch == 1 {
            "SELECT id, attempt FROM started"
        } else {
            "SELECT array_agg(id) AS ids, array_agg(attempt) AS attempts FROM started"
        };
        let logged = if log {
            format!(", logged AS ({})", self.log_from("started", "claimed", "pending", "processing"))
        } else {
            String::new()
        };
        format!(
            "WITH head AS MATERIALIZED (\
               SELECT id FROM job_chunks WHERE job_id = {job_id} AND status = 'pending' AND redispatch_at IS NULL \
               ORDER BY 10 - priority, chunk_index LIMIT {batch} FOR NO KEY UPDATE SKIP LOCKED), \
             started AS (\
               UPDATE job_chunks c SET status = 'processing', task_id = {TASK}, attempt = attempt + 1, \
               lease_expires_at = now() + interval '15 s', timeout_at = now() + interval '1 h', \
               last_move = 'started', started_at = now(), updated_at = now() \
               FROM head WHERE c.id = head.id RETURNING c.id, c.attempt){logged} \
             {answer} \\gset"
        )
    }

    fn complete(self, outcome: &str) -> String {
        self.completion(
            outcome,
            "FROM unnest(:ids::bigint[], :attempts::bigint[]) AS held (id, attempt) \
             WHERE c.id = held.id AND c.attempt = held.attempt",
        )
    }

    fn complete_one(self, outcome: &str) -> String {
        self.completion(outcome, "WHERE c.id = :id AND c.attempt = :attempt")
    }

    fn completion(self, outcome: &str, held: &str) -> String {
        // The expression keeps the planner from looking for chunks by status instead of by id.
        let update = format!(
            "UPDATE job_chunks c SET status = 'completed', outcome = '{outcome}', unpublished = true, \
             lease_expires_at = NULL, timeout_at = NULL, last_move = 'completed_by_holder', finished_at = now(), \
             updated_at = now() {held} AND (c.status || '') = 'processing' \
             AND c.lease_expires_at + interval '0' > now()"
        );
        if !self.log {
            return format!("{update};");
        }
        let log = self.log_from("completed", "completed", "processing", "completed");
        format!("WITH completed AS ({update} RETURNING c.id, c.attempt) {log};")
    }

    fn log_from(self, moved: &str, action: &str, from: &str, to: &str) -> String {
        format!(
            "INSERT INTO activity_log (created_at, actor, action, job_id, chunk_id, from_status, to_status, attempt, \
             task_id, unfenced) SELECT now(), {TASK}, '{action}', {}, id, '{from}', '{to}', attempt, {TASK}, false \
             FROM {moved}",
            self.job_id
        )
    }
}
