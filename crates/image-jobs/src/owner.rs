//! Which job a dataset is of. Two databases know nothing of each other's jobs, and one place may have several names: what says
//! it lies in the dataset itself, written once by the first job that is worked on there.

use crate::error::{Error, Result};
use crate::storage::Storage;
use ream_core::{CrawlJob, Timestamp};
use serde::{Deserialize, Serialize};
use std::io;

/// What says it.
pub const OWNER_FILE: &str = "_ream/owner.json";

/// It has two numbers.
const MAX_OWNER_BYTES: u64 = 4096;

/// A job among those of all databases: ids alone are the same in each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Owner {
    job_id: i64,
    created_at_ms: i64,
}

impl Owner {
    const fn of(job: &CrawlJob) -> Self {
        Self { job_id: job.id.get(), created_at_ms: job.created_at.unix_ms() }
    }

    async fn read(dataset: &Storage) -> Result<Option<Self>> {
        let Some(bytes) = dataset.read(OWNER_FILE, MAX_OWNER_BYTES).await? else { return Ok(None) };
        let damaged = |error: serde_json::Error| Error::Damaged {
            place: dataset.place_of(OWNER_FILE),
            message: error.to_string(),
        };
        serde_json::from_slice(&bytes).map(Some).map_err(damaged)
    }

    fn told(self, dataset: &Storage) -> Error {
        let created_at = Timestamp::from_unix_ms(self.created_at_ms);
        Error::OfAnotherJob {
            dataset: dataset.to_string(),
            job: format!("job {}, created at {created_at}", self.job_id),
        }
    }
}

/// Checks that a dataset is not another job's. Without a job it may be nobody's only.
///
/// # Errors
/// [`Error::OfAnotherJob`]; [`Error::Damaged`]; the storage's.
pub async fn check_owner(dataset: &Storage, job: Option<&CrawlJob>) -> Result<()> {
    match Owner::read(dataset).await? {
        Some(owner) if job.map(Owner::of) != Some(owner) => Err(owner.told(dataset)),
        _ => Ok(()),
    }
}

/// Makes a dataset this job's, unless it is another's. May be done any number of times, by any number of processes at once.
///
/// # Errors
/// As [`check_owner`].
pub async fn claim_dataset(dataset: &Storage, job: &CrawlJob) -> Result<()> {
    if Owner::read(dataset).await?.is_none() {
        let json = serde_json::to_vec(&Owner::of(job)).map_err(io::Error::from);
        let json = json.map_err(Error::io("write", OWNER_FILE))?;
        dataset.put_new(OWNER_FILE, json.into()).await?;
    }
    // Whoever was first.
    check_owner(dataset, Some(job)).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::places;
    use ream::{CrawlJobService, NewCrawlJob};

    /// The first job of a database of its own.
    async fn first_job() -> CrawlJob {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("ream.db").display());
        let jobs = CrawlJobService::new(ream::open(&url).await.unwrap());
        jobs.create_crawl_job(NewCrawlJob::named("pictures")).await.unwrap()
    }

    #[tokio::test]
    async fn of_the_jobs_of_several_databases_one_has_a_dataset() {
        let mut jobs = vec![first_job().await];
        jobs.push(CrawlJob { created_at: Timestamp::from_unix_ms(1_700_000_000_000), ..jobs[0].clone() });
        for storage in places().each {
            for job in [None, Some(&jobs[0]), Some(&jobs[1])] {
                check_owner(&storage, job).await.unwrap();
            }
            let claims = jobs.iter().cycle().take(6).map(|job| claim_dataset(&storage, job));
            let claimed = futures::future::join_all(claims).await;
            let first = claimed.iter().position(Result::is_ok).unwrap() % 2;
            for (n, claimed) in claimed.into_iter().enumerate() {
                match claimed {
                    Ok(()) => assert_eq!(n % 2, first, "{storage}"),
                    Err(error) => {
                        assert_eq!(n % 2, 1 - first, "{storage}");
                        let told = format!("{storage} belongs to job {}, created at ", jobs[first].id);
                        assert!(error.to_string().starts_with(&told), "{error}");
                        assert_eq!(ream_core::Error::from(error).code(), "wrong_status");
                    }
                }
            }
            claim_dataset(&storage, &jobs[first]).await.unwrap();
            check_owner(&storage, None).await.unwrap_err();
        }
    }
}
