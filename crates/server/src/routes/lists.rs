//! Image lists: sent in for a job, and read again chunk by chunk.

use super::problems::Problems;
use crate::access::Caller;
use crate::answer::{Answer, Refusal};
use crate::app::App;
use crate::datasets::Datasets;
use crate::extract::{Id, Query};
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use futures::StreamExt as _;
use ream::{ChunkId, ConflictCode, CrawlJob, Error, ImageRange, JobId, Validation};
use ream_dataset::{IngestOptions, KeepColumns, ListOptions, ListRow};
use ream_image_jobs::intake::take_in;
use ream_image_jobs::{ScratchFolder, check_owner};
use ream_wire::Page;
use ream_wire::jobs::{Image, ListTaken};
use serde::Deserialize;
use std::path::Path;
use std::time::Instant;
use tokio::io::AsyncWriteExt as _;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// A list that comes more slowly than this, in bytes a second, is given up; it has a minute to begin with.
const SLOWEST_BYTES_PER_S: u64 = 1024;
const SLOW_FOR_S: u64 = 60;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(send)).routes(routes!(images))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct SendQuery {
    /// The list's file name; its extension says what it is: .txt, .csv, .tsv, .jsonl (also .gz and .zst) or .parquet.
    #[param(example = "urls.csv")]
    name: String,
    /// The column with the URL; `url` where nothing is said.
    url_col: Option<String>,
    /// The column with the caption; `caption` where there is one.
    caption_col: Option<String>,
    /// Columns that go through to the output, with commas; `all` for every other one.
    #[param(min_length = 1)]
    keep_cols: Option<String>,
    /// The column with the SHA-256 that the file must have.
    sha256_col: Option<String>,
}

impl SendQuery {
    /// The name and how to read the list.
    fn check(self) -> ream::Result<(String, ListOptions)> {
        let mut v = Validation::default();
        let plain = !self.name.is_empty()
            && self.name.len() <= 255
            && !self.name.starts_with('.')
            && !self.name.chars().any(|c| c.is_control() || matches!(c, '/' | '\\' | ':'));
        v.check(plain, "name", format!("{:?}", self.name), "a file name without folders, such as urls.csv");
        let keep_columns = match self.keep_cols {
            Some(text) => {
                let allowed = "`none`, `all`, or names of columns with commas between";
                let columns = text.parse::<KeepColumns>();
                let columns = columns.map_err(|_| Error::invalid("keep_cols", format!("{text:?}"), allowed));
                v.take(columns).unwrap_or_default()
            }
            None => KeepColumns::default(),
        };
        v.finish()?;
        let options = ListOptions {
            url_column: self.url_col.unwrap_or_else(|| ListOptions::default().url_column),
            caption_column: self.caption_col,
            keep_columns,
            sha256_column: self.sha256_col,
        };
        Ok((self.name, options))
    }
}

/// Send in a job's image list
///
/// The body is the list as it is. It is kept with the job's dataset, and says how many images the job has: rows that make no
/// sense take no number and are told in `rejects.jsonl` there. The same list again changes nothing; another one is a conflict. Then
/// `start` creates the chunks.
#[utoipa::path(post, operation_id = "send_image_list", path = "/v1/jobs/{job_id}/images", tag = "jobs", params(("job_id" = i64, Path), SendQuery),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 201, description = "It was taken in", body = ListTaken), (status = 200, description = "It was there", body = ListTaken), Problems))]
async fn send(
    State(app): State<App>,
    caller: Caller,
    Id(job_id): Id<JobId>,
    Query(query): Query<SendQuery>,
    body: Body,
) -> Answer<Response> {
    let (name, list) = query.check()?;
    let job = app.jobs.get_crawl_job(job_id).await?;
    let dataset = Datasets::of(&job)?;
    check_open(&job)?;
    check_owner(&dataset, Some(&job)).await.map_err(Error::from)?;
    let turn = app.datasets.turn()?;
    let folder = scratch()?;
    let path = folder.path().join(name);
    receive(body, &path, &app).await?;
    let options = IngestOptions { list, chunk_size: job.chunk_size };
    // Goes on when the client is gone: the same list sent again then finds it there.
    let taking = tokio::spawn(async move {
        let _held = (turn, folder);
        let place = Datasets::list_place(&dataset);
        let ingested = take_in(&path, &dataset, options, |_, _| {}).await.map_err(Error::from)?;
        let jobs = app.jobs.acting_as(caller.actor());
        jobs.take_image_list(job_id, place, ingested.accepted).await?;
        Ok::<_, Error>(ingested)
    });
    let ingested = taking.await.map_err(|error| Refusal::new("internal", error.to_string()))??;
    let taken = ListTaken {
        job_id: job_id.get(),
        accepted: ingested.accepted,
        rejected: ingested.rejected,
        sha256: ingested.sha256,
    };
    Ok(super::created::created(taken, &format!("/v1/jobs/{job_id}"), job.image_list.is_some()))
}

/// Told before the list is sent in vain; decided at the end.
fn check_open(job: &CrawlJob) -> ream::Result<()> {
    let chunks = job.counters.total_chunks;
    if chunks > 0 && job.image_list.is_none() {
        let message = format!("job {} has {chunks} chunks already, without a list", job.id);
        return Err(Error::conflict(ConflictCode::AlreadyChunked, message));
    }
    Ok(())
}

/// Swept by whoever comes next, should this process be killed.
fn scratch() -> Answer<ScratchFolder> {
    let folder = ScratchFolder::create(None);
    folder.map_err(|error| Refusal::new("unavailable", format!("there is no room for a list: {error}")))
}

/// Writes the body to a file as it comes: who sends faster than the disk waits.
async fn receive(body: Body, path: &Path, app: &App) -> Answer<()> {
    let limits = &app.config.limits;
    let no_room = |error: std::io::Error| {
        Refusal::new("unavailable", format!("there is no room for the list: {error}"))
    };
    let mut file = tokio::fs::File::create(path).await.map_err(no_room)?;
    let mut pieces = body.into_data_stream();
    let (begun, mut received) = (Instant::now(), 0u64);
    loop {
        let piece = match tokio::time::timeout(limits.body_timeout, pieces.next()).await {
            Ok(None) => break,
            Ok(Some(Ok(piece))) => piece,
            Ok(Some(Err(error))) => {
                return Err(Refusal::new("bad_request", format!("the list broke off: {error}")));
            }
            Err(_) => return Err(Refusal::new("timeout", "the list did not go on")),
        };
        received += piece.len() as u64;
        if received > limits.max_list_bytes {
            let detail = format!("the list has more than {} bytes", limits.max_list_bytes);
            return Err(Refusal::new("too_large", detail));
        }
        let seconds = begun.elapsed().as_secs();
        if seconds > SLOW_FOR_S && received / seconds < SLOWEST_BYTES_PER_S {
            return Err(Refusal::new("timeout", "the list comes too slowly"));
        }
        file.write_all(&piece).await.map_err(no_room)?;
    }
    file.flush().await.map_err(no_room)
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ImagesQuery {
    /// Items of a page, 1 to 1,000; 1,000 where nothing is said.
    #[param(value_type = Option<i64>, minimum = 1, maximum = 1000)]
    limit: Option<String>,
    /// The `next` of the page before.
    cursor: Option<String>,
}

/// The most images of one page.
const MAX_PAGE: u64 = 1000;
/// Before the number of the image that a page follows.
const CURSOR: &str = "after-";

impl ImagesQuery {
    /// The images of the page that is asked for; `None` behind the last.
    fn page(self, of: ImageRange) -> ream::Result<Option<ImageRange>> {
        let mut v = Validation::default();
        let limit = match self.limit {
            None => MAX_PAGE,
            Some(text) => {
                let limit = text.parse::<u64>().ok().filter(|limit| (1..=MAX_PAGE).contains(limit));
                v.check(limit.is_some(), "limit", format!("{text:?}"), format!("1 to {MAX_PAGE}"));
                limit.unwrap_or(MAX_PAGE)
            }
        };
        let after = self.cursor.and_then(|text| {
            let number = text.strip_prefix(CURSOR).and_then(|number| number.parse::<u64>().ok());
            v.check(
                number.is_some(),
                "cursor",
                format!("{text:?}"),
                "the `next` of the page before, as it came",
            );
            number
        });
        v.finish()?;
        let first = after.map_or(of.start(), |after| after.saturating_add(1).max(of.start()));
        if first > of.end() {
            return Ok(None);
        }
        ImageRange::new(first, first.saturating_add(limit - 1).min(of.end())).map(Some)
    }
}

/// The images of a chunk
///
/// In the order of their numbers.
#[utoipa::path(get, operation_id = "get_chunk_images", path = "/v1/chunks/{chunk_id}/images", tag = "chunks", params(("chunk_id" = i64, Path), ImagesQuery),
    responses((status = 200, description = "A page", body = Page<Image>), Problems))]
async fn images(
    State(app): State<App>,
    Id(chunk_id): Id<ChunkId>,
    Query(query): Query<ImagesQuery>,
) -> Answer<axum::Json<Page<Image>>> {
    let chunk = app.chunks.get_chunk_by_id(chunk_id).await?;
    let Some(range) = query.page(chunk.image_range)? else {
        return Ok(axum::Json(Page { items: Vec::new(), next: None }));
    };
    let (job, _) = app.repository.glance_at_job(chunk.job_id).await?;
    let list = app.datasets.list(&job).await?;
    let rows = list.read(range).await.map_err(Error::from)?;
    let kept = &list.record().ingested.kept_columns;
    let image = |(number, row): (u64, ListRow)| Image {
        number,
        url: row.url,
        caption: row.caption,
        sha256: row.expected_sha256,
        source_file: row.source_file,
        source_line: row.source_line,
        columns: kept
            .iter()
            .zip(&row.kept)
            .map(|(column, value)| {
                (
                    column.name.clone(),
                    value.as_ref().map_or(serde_json::Value::Null, ream_dataset::KeptValue::to_json),
                )
            })
            .collect(),
    };
    let items = range.iter().zip(rows).map(image).collect();
    let next = (range.end() < chunk.image_range.end()).then(|| format!("{CURSOR}{}", range.end()));
    Ok(axum::Json(Page { items, next }))
}
