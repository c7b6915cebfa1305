//! What handlers take out of a request. Whatever is the matter with it becomes a problem document that names the place.

use crate::access::Caller;
use crate::answer::Refusal;
use crate::app::App;
use axum::extract::{FromRequest, FromRequestParts, RawPathParams, Request};
use axum::http::request::Parts;
use bytes::BytesMut;
use futures::StreamExt as _;
use http::{HeaderMap, header};
use ream::{ChunkId, Error, JobId, Once, TokenId};
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};
use tokio::sync::OwnedSemaphorePermit;

pub(crate) mod fields;
mod objects;

/// What a body may have without being counted: nearly all have less.
const SMALL_BODY_BYTES: usize = 16 << 10;

/// A number of the path, as the route names it.
pub(crate) trait PathId: Sized {
    /// As in `/v1/jobs/{job_id}`.
    const NAME: &'static str;
    /// From the number.
    fn of(number: i64) -> Self;
}

macro_rules! path_ids {
    ($($id:ident = $name:literal),+) => {
        $(impl PathId for $id {
            const NAME: &'static str = $name;
            fn of(number: i64) -> Self {
                Self::new(number)
            }
        })+
    };
}

path_ids!(JobId = "job_id", ChunkId = "chunk_id", TokenId = "token_id");

/// The id that the path names.
pub(crate) struct Id<T>(pub(crate) T);

impl<T: PathId> FromRequestParts<App> for Id<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Refusal> {
        let params = RawPathParams::from_request_parts(parts, app).await;
        let params = params.map_err(|error| Refusal::new("bad_request", error.to_string()))?;
        let text = params.iter().find(|(name, _)| *name == T::NAME).map_or("", |(_, text)| text);
        Ok(Self(T::of(fields::id(T::NAME, text)?)))
    }
}

/// The query, field by field; a field that is not known is refused.
pub(crate) struct Query<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequestParts<App> for Query<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Refusal> {
        let query = parts.uri.query().unwrap_or_default();
        let read = serde_urlencoded::from_str(query);
        read.map(Self).map_err(|error| bad_query(&error.to_string()).into())
    }
}

/// What is the matter with a query, by the words of its reader.
fn bad_query(said: &str) -> Error {
    let quoted = |prefix: &str| Some(said.strip_prefix(prefix)?.split('`').nth(1)?.to_owned());
    if let Some(field) = quoted("duplicate field ") {
        return Error::invalid(field, "given twice", "given once");
    }
    if let Some(field) = quoted("unknown field ") {
        let allowed = said.split_once(", expected ").map_or("none", |(_, allowed)| allowed);
        return Error::invalid(field, "unknown", allowed);
    }
    if let Some(field) = quoted("missing field ") {
        return Error::invalid(field, "missing", "given once");
    }
    Error::invalid("query", "not as expected", said)
}

/// A body of JSON; an empty one is `{}`.
pub(crate) struct Json<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<App> for Json<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, app: &App) -> Result<Self, Refusal> {
        let (parts, body) = request.into_parts();
        let body = read_json(&parts.headers, body, app).await?;
        parse(&body.bytes).map(Self)
    }
}

/// A body of JSON that creates something, with the key under which it may be sent again.
pub(crate) struct Asked<T> {
    pub(crate) body: T,
    pub(crate) once: Option<Once>,
}

impl<T: DeserializeOwned> FromRequest<App> for Asked<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, app: &App) -> Result<Self, Refusal> {
        let (mut parts, body) = request.into_parts();
        let caller = Caller::from_request_parts(&mut parts, app).await?;
        let Held { bytes, .. } = &read_json(&parts.headers, body, app).await?;
        let body = parse(bytes)?;
        let Some(key) = parts.headers.get(ream_wire::IDEMPOTENCY_KEY) else {
            return Ok(Self { body, once: None });
        };
        let key = key.to_str().map_err(|_| {
            Error::invalid(ream_wire::IDEMPOTENCY_KEY, "not visible ASCII", "1 to 255 visible characters")
        })?;
        let mut digest = Sha256::new();
        for part in [parts.method.as_str().as_bytes(), parts.uri.path().as_bytes(), bytes] {
            digest.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_le_bytes());
            digest.update(part);
        }
        let once = Once::new(caller.name(), key, ream_dataset::hex(&digest.finalize()))?;
        Ok(Self { body, once: Some(once) })
    }
}

/// A body in memory.
#[derive(Default)]
struct Held {
    bytes: BytesMut,
    /// For what is beyond [`SMALL_BODY_BYTES`].
    room: Option<OwnedSemaphorePermit>,
}

impl Held {
    /// # Errors
    /// Unavailable: all bodies together have more than the server holds.
    fn add(&mut self, piece: &[u8], app: &App) -> Result<(), Refusal> {
        let beyond = |bytes: usize| bytes.saturating_sub(SMALL_BODY_BYTES);
        let more = beyond(self.bytes.len() + piece.len()) - beyond(self.bytes.len());
        if more > 0 {
            let more = u32::try_from(more).unwrap_or(u32::MAX);
            let room = app.bodies.clone().try_acquire_many_owned(more);
            let room = room.map_err(|_| {
                Refusal::new("unavailable", "many large requests come at once; send this one again later")
            })?;
            match &mut self.room {
                Some(present) => present.merge(room),
                None => self.room = Some(room),
            }
        }
        self.bytes.extend_from_slice(piece);
        Ok(())
    }
}

async fn read_json(headers: &HeaderMap, body: axum::body::Body, app: &App) -> Result<Held, Refusal> {
    let limits = &app.config.limits;
    let body = tokio::time::timeout(limits.body_timeout, read(headers, body, app)).await;
    let late = |_| {
        let detail = format!("the body did not come within {} s", limits.body_timeout.as_secs());
        Refusal::new("timeout", detail)
    };
    let body = body.map_err(late)??;
    if !body.bytes.is_empty() && !is_json(headers) {
        let found = headers.get(header::CONTENT_TYPE).map_or("none", |kind| kind.to_str().unwrap_or("?"));
        let detail = format!("the content type is {found:?}, allowed is application/json");
        return Err(Refusal::new("unsupported_media_type", detail));
    }
    Ok(body)
}

/// `application/json`, with or without parameters, or a kind of it.
fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"))
}

async fn read(headers: &HeaderMap, body: axum::body::Body, app: &App) -> Result<Held, Refusal> {
    let most = app.config.limits.max_body_bytes;
    let too_large = || Refusal::new("too_large", format!("the body has more than {most} bytes"));
    let declared =
        headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if declared.is_some_and(|length| length > most as u64) {
        return Err(too_large());
    }
    let mut pieces = body.into_data_stream();
    let mut held = Held::default();
    while let Some(piece) = pieces.next().await {
        let piece =
            piece.map_err(|error| Refusal::new("bad_request", format!("the body broke off: {error}")))?;
        if held.bytes.len() + piece.len() > most {
            return Err(too_large());
        }
        held.add(&piece, app)?;
    }
    Ok(held)
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Refusal> {
    let bytes = if bytes.is_empty() { b"{}" } else { bytes };
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(objects::Strict(&mut json)).map_err(|error| {
        let field = error.path().to_string();
        let inner = error.into_inner();
        match inner.classify() {
            // The text is JSON, and says something else than what is asked for.
            serde_json::error::Category::Data => {
                let (value, allowed) = not_as_expected(&inner);
                Refusal::from(Error::invalid(
                    if field == "." { "body".to_owned() } else { field },
                    value,
                    allowed,
                ))
            }
            _ => bad_json(&inner),
        }
    })?;
    json.end().map_err(|error| bad_json(&error))?;
    Ok(value)
}

fn bad_json(error: &serde_json::Error) -> Refusal {
    Refusal::new("bad_json", format!("the body is no JSON: {error}"))
}

/// What serde says, as what came and what is allowed.
fn not_as_expected(error: &serde_json::Error) -> (String, String) {
    let said = error.to_string();
    let said = said.rsplit_once(" at line ").map_or(said.as_str(), |(said, _)| said);
    // Our own errors have it ready.
    if let Some((value, allowed)) = said.split_once(", allowed is ")
        && let Some((_, value)) = value.split_once("` is ")
    {
        return (value.to_owned(), allowed.to_owned());
    }
    match said.split_once(", expected ") {
        Some((value, allowed)) => (value.to_owned(), allowed.to_owned()),
        None => ("not as expected".to_owned(), said.to_owned()),
    }
}
