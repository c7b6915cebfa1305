//! Plans of what the store really runs, as the server itself writes them into its log.

use super::cluster::Database;
use super::scene::Scene;
use super::work;
use crate::Result;
use ream::{JobChunkRepository as _, JobId};

/// What a session is told so that the server logs the plan of each of its statements.
const LOG_PLANS: &str = "-c session_preload_libraries=auto_explain -c auto_explain.log_min_duration=0 \
    -c auto_explain.log_analyze=on -c auto_explain.log_buffers=on -c auto_explain.log_nested_statements=on";

/// A plan as `EXPLAIN (ANALYZE, BUFFERS)` shows it, with its statement in front.
#[derive(Debug)]
pub(super) struct Plan(Vec<String>);

impl Plan {
    /// Whether it reads the table or one of its indexes.
    pub(super) fn reads_chunks(&self) -> bool {
        self.plan().any(|line| line.contains(" on job_chunks"))
    }

    /// Its lines, without the statement, which may have several.
    pub(super) fn plan(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str).skip_while(|line| !line.contains("  (cost="))
    }
}

/// The plans of a glance at the job (progress and statistics), of reading it with its task ids, and of a look for its
/// next chunk.
pub(super) fn plans(scene: &Scene, database: &Database<'_>, job_id: JobId) -> Result<[Vec<Plan>; 3]> {
    let options = LOG_PLANS.replace(' ', "%20").replace('=', "%3D");
    let url = format!("{}?options={options}", database.url());
    let store = work::open(&scene.runtime, &url, 1)?;
    let logged = |before: usize| -> Result<Vec<Plan>> {
        Ok(read(scene.cluster.log()?.get(before..).unwrap_or_default()))
    };
    let before = scene.cluster.log()?.len();
    scene.runtime.block_on(store.glance_at_job(job_id))?;
    let glance = logged(before)?;
    let before = scene.cluster.log()?.len();
    scene.runtime.block_on(store.get_job(job_id))?;
    let get = logged(before)?;
    let before = scene.cluster.log()?.len();
    scene.runtime.block_on(store.next_pending_chunk(job_id))?;
    Ok([glance, get, logged(before)?])
}

/// Entries of the log go on with lines that begin with a tab.
fn read(log: &str) -> Vec<Plan> {
    let mut plans = Vec::new();
    let mut in_plan = false;
    for line in log.lines() {
        match (line.strip_prefix('\t'), plans.last_mut()) {
            (Some(rest), Some(Plan(lines))) if in_plan => lines.push(rest.to_owned()),
            _ => {
                in_plan = line.contains("LOG:  duration:") && line.ends_with("plan:");
                if in_plan {
                    plans.push(Plan(Vec::new()));
                }
            }
        }
    }
    plans
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plans_are_told_from_the_rest_of_a_log() {
        let log = "x LOG:  duration: 0.1 ms  plan:\n\tQuery Text: SELECT 1\n\t  FROM job_chunks\n\tResult  (cost=0)\n\
            x LOG:  other\n\tdetail\nx LOG:  duration: 0.2 ms  plan:\n\tIndex Scan using a on job_chunks  (cost=0)\n";
        let plans = read(log);
        assert_eq!(plans.iter().map(Plan::reads_chunks).collect::<Vec<_>>(), [false, true]);
        assert_eq!(plans[0].plan().collect::<Vec<_>>(), ["Result  (cost=0)"]);
    }
}
