//! Values on the command line that several commands read: ids, pages, numbers in their ranges.

use crate::settings::Parse;
use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use ream::{
    Action, ChunkId, CrawlJobStatus, Cursor, Error, JobChunkStatus, JobId, PageRequest, Role, TokenId,
};

/// Which page of a list.
#[derive(Debug, Clone, Args)]
pub(crate) struct PageArgs {
    /// Rows per page, 1 to 1000 [default: 100]
    #[arg(long, value_name = "ROWS", value_parser = limit, allow_negative_numbers = true)]
    limit: Option<i64>,
    /// Where the page begins: the cursor that the page before told
    #[arg(long, value_name = "CURSOR", value_parser = cursor)]
    cursor: Option<Cursor>,
    /// Every page
    #[arg(long, conflicts_with = "limit")]
    pub(crate) all: bool,
}

impl PageArgs {
    /// The first page to read.
    pub(crate) fn request(&self) -> ream::Result<PageRequest> {
        if self.all {
            return Ok(PageRequest::largest().at(self.cursor));
        }
        PageRequest::new(self.limit.unwrap_or_else(|| PageRequest::DEFAULT_LIMIT.into()), self.cursor)
    }
}

/// The parser of a flag, from that of its setting; the flag has been named already when this is told.
pub(crate) fn flag<T: 'static>(parse: Parse<T>) -> impl Fn(&str) -> Result<T, String> + Clone + 'static {
    move |text| allowed(parse(text))
}

/// For the parser: what the library allows.
fn allowed<T>(read: ream::Result<T>) -> Result<T, String> {
    read.map_err(|error| match error {
        Error::Validation { errors } if !errors.is_empty() => format!("allowed is {}", errors[0].allowed),
        other => other.to_string(),
    })
}

fn whole<T: std::str::FromStr>(text: &str, allowed: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("allowed is {allowed}"))
}

fn limit(text: &str) -> Result<i64, String> {
    let limit = whole(text, &format!("1 to {}", PageRequest::MAX_LIMIT))?;
    allowed(PageRequest::new(limit, None)).map(|_| limit)
}

fn cursor(text: &str) -> Result<Cursor, String> {
    allowed(text.parse())
}

pub(crate) fn token_id(text: &str) -> Result<TokenId, String> {
    whole(text, "a token's number").map(TokenId::new)
}

pub(crate) fn job_id(text: &str) -> Result<JobId, String> {
    whole(text, "a job's number").map(JobId::new)
}

pub(crate) fn chunk_id(text: &str) -> Result<ChunkId, String> {
    whole(text, "a chunk's number, as in the column ID of `ream chunks list`").map(ChunkId::new)
}

pub(crate) fn images(text: &str) -> Result<u64, String> {
    let range = format!("1 to {}", ream::plan::MAX_IMAGES);
    let images = whole(text, &range)?;
    allowed(ream::ChunkPlan::new(images, 1)).map(|_| images)
}

pub(crate) fn rows(text: &str) -> Result<u64, String> {
    let rows: std::num::NonZeroU64 = whole(text, "1 or more")?;
    Ok(rows.get())
}

pub(crate) fn priority(text: &str) -> Result<ream::Priority, String> {
    allowed(crate::settings::JobSettings::parse_priority(text))
}

pub(crate) fn chunk_size(text: &str) -> Result<u64, String> {
    allowed(crate::settings::JobSettings::parse_chunk_size(text))
}

pub(crate) fn interval_ms(text: &str) -> Result<u64, String> {
    allowed(crate::settings::WatchSettings::parse_interval_ms(text))
}

pub(crate) fn chunk_status() -> impl TypedValueParser<Value = JobChunkStatus> {
    let words = JobChunkStatus::ALL.map(JobChunkStatus::as_str);
    PossibleValuesParser::new(words).try_map(|word| word.parse::<JobChunkStatus>())
}

pub(crate) fn job_status() -> impl TypedValueParser<Value = CrawlJobStatus> {
    let words = CrawlJobStatus::ALL.iter().map(|status| status.as_str());
    PossibleValuesParser::new(words).try_map(|word| word.parse::<CrawlJobStatus>())
}

pub(crate) fn role() -> impl TypedValueParser<Value = Role> {
    let words = Role::ALL.iter().map(|role| role.as_str());
    PossibleValuesParser::new(words).try_map(|word| word.parse::<Role>())
}

pub(crate) fn action() -> impl TypedValueParser<Value = Action> {
    let words = Action::ALL.iter().map(|action| action.as_str());
    PossibleValuesParser::new(words).try_map(|word| word.parse::<Action>())
}
