//! A list that becomes a job's images: taken in here, beside the database, or sent to the server that has it.

use crate::commands::crawl::local_list;
use crate::context::{Context, Session};
use crate::failure::{Failure, Result};
use crate::output::text;
use crate::settings::{DatasetSettings, ImageSettings};
use indicatif::ProgressBar;
use ream::{Answered, CrawlJob, NewCrawlJob, Once};
use ream_client::{ListColumns, RemoteRepository};
use ream_dataset::{IngestOptions, KeepColumns, ListOptions, hex};
use ream_image_jobs::intake::{LocalList, take_in};
use ream_image_jobs::list::LIST_DIR;
use ream_image_jobs::{ImageRecipe, Storage, check_owner};
use sha2::{Digest as _, Sha256};
use std::path::PathBuf;

/// A list, and what is to become of it.
pub(super) struct Listed {
    list: PathBuf,
    /// As it was given: a server reads a name below its storage in it.
    out: String,
    options: IngestOptions,
}

impl Listed {
    /// Notes in the new job what is made of its images.
    pub(super) fn new(
        list: PathBuf,
        out: String,
        columns: ListOptions,
        new: &mut NewCrawlJob,
        dataset: &DatasetSettings,
        images: &ImageSettings,
    ) -> Result<Self> {
        let recipe = ImageRecipe::new(dataset.format.value, dataset.layout(), &images.transform()?);
        new.recipe = Some(recipe.to_json());
        new.dataset = Some(out.clone());
        Ok(Self { list, out, options: IngestOptions { list: columns, chunk_size: new.chunk_size } })
    }

    /// Creates the job with its list, wherever that is taken in.
    pub(super) async fn create(
        self,
        new: NewCrawlJob,
        session: &Session,
        cx: &Context<'_>,
    ) -> Result<CrawlJob> {
        let list = local_list(&self.list, cx.out).await?;
        match &session.server {
            Some(server) => self.send(&list, new, session, server, cx).await,
            None => self.take_in(&list, new, session, cx).await,
        }
    }

    /// Whoever is stopped after the list was taken in, or before the job is there, can give the same command again.
    async fn take_in(
        self,
        list: &LocalList,
        mut new: NewCrawlJob,
        session: &Session,
        cx: &Context<'_>,
    ) -> Result<CrawlJob> {
        let dataset = Storage::parse("--out", &self.out)?.canonical();
        new.dataset = Some(dataset.to_string());
        new.validate()?;
        check_owner(&dataset, None).await?;
        let bar = self.bar("reading", cx);
        let reading = bar.clone();
        let taken = take_in(list.path(), &dataset, self.options, move |read, total| {
            reading.set_length(total);
            reading.set_position(read);
        });
        let taken = taken.await;
        bar.finish_and_clear();
        let taken = taken?;
        tell_rejected(taken.rejected, &dataset.place_of(LIST_DIR), cx);
        new.max_images = Some(taken.accepted);
        new.image_list = Some(dataset.place_of(LIST_DIR));
        Ok(session.jobs.create_crawl_job(new).await?)
    }

    /// A job whose list is refused is taken back: nothing half-made is left.
    async fn send(
        self,
        list: &LocalList,
        new: NewCrawlJob,
        session: &Session,
        server: &RemoteRepository,
        cx: &Context<'_>,
    ) -> Result<CrawlJob> {
        let path = list.path();
        let bytes = std::fs::metadata(path).map_err(|error| {
            Failure::usage(format!(
                "cannot read the list `{}`: {error}",
                text::printable(&path.display().to_string())
            ))
        })?;
        if bytes.is_dir() {
            return Err(Failure::usage("a server takes one file as a list, not a folder")
                .hint("put the rows into one file, or name the database itself with `--database`"));
        }
        let Answered { answer: job, repeated } = self.job(new, session).await?;
        let bar = self.bar("sending", cx);
        bar.set_length(bytes.len());
        let sending = bar.clone();
        let columns = columns(&self.options.list);
        let taken = server.send_list(job.id, path, &columns, move |sent| sending.set_position(sent)).await;
        bar.finish_and_clear();
        let taken = match taken {
            Ok(taken) => taken,
            // The server may have taken it in all the same: the same command goes on.
            Err(error) if error.is_unavailable() => {
                let hint =
                    format!("the same command goes on; `ream jobs delete {}` takes the job back", job.id);
                return Err(Failure::from(error).hint(hint));
            }
            // The same command created it before, and more may have come of it since.
            Err(error) if repeated => {
                let hint = format!(
                    "job {} is of this very command; `--out` another dataset for another list",
                    job.id
                );
                return Err(Failure::from(error).hint(hint));
            }
            Err(error) => {
                // What cannot be taken back is told by what went wrong in the first place.
                let _ = session.jobs.delete(job.id).await;
                return Err(error.into());
            }
        };
        let job = session.jobs.get_crawl_job(job.id).await?;
        tell_rejected(taken.rejected, job.image_list.as_deref().unwrap_or_default(), cx);
        Ok(job)
    }

    /// The job that the same command created before, if it was stopped then, or a new one.
    async fn job(&self, new: NewCrawlJob, session: &Session) -> Result<Answered<CrawlJob>> {
        let asked = format!("{:?}", (&self.list, &new));
        let digest = hex(&Sha256::digest(asked));
        let once = Once::new("cli", format!("jobs-create-{digest}"), digest)?;
        match session.jobs.create_crawl_job_once(new.clone(), Some(&once)).await {
            Ok(created) => Ok(created),
            // It was deleted since.
            Err(ream::Error::NotFound { .. }) => Ok(session.jobs.create_crawl_job_once(new, None).await?),
            Err(error) => Err(error.into()),
        }
    }

    fn bar(&self, doing: &str, cx: &Context<'_>) -> ProgressBar {
        cx.out.bytes_bar(format!("{doing} {}", text::printable(&self.list.display().to_string())))
    }
}

fn columns(options: &ListOptions) -> ListColumns {
    ListColumns {
        url: Some(options.url_column.clone()),
        caption: options.caption_column.clone(),
        keep: Some(&options.keep_columns).filter(|keep| **keep != KeepColumns::None).map(ToString::to_string),
        sha256: options.sha256_column.clone(),
    }
}

fn tell_rejected(rejected: u64, place: &str, cx: &Context<'_>) {
    if rejected > 0 {
        cx.out.warning(format_args!(
            "{} of the list rejected: `rejects.jsonl` below `{}` says which and why",
            text::count(rejected, "row"),
            text::printable(place)
        ));
    }
}
