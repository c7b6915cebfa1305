//! The last steps of a chunk, on a thread of its own: hash, store, account.

use crate::image::{ImageError, Prepared};
use ream::{ClaimedChunk, Outcome};
use ream_dataset::ledger::{ledger_name, write_ledger};
use ream_dataset::{ImageStatus, LedgerRow, ListRow, OutputFormat, Staging, StoredImage, hex, open_sink};
use sha2::{Digest, Sha256};
use std::path::Path;
use std::time::Instant;
use tokio::sync::mpsc;

/// One image after its fetch.
pub(crate) struct FetchedRow {
    pub(crate) number: u64,
    pub(crate) row: ListRow,
    pub(crate) result: Result<Prepared, ImageError>,
}

/// Stores what comes, in the order it comes, under the attempt's staging folder; ends when the channel does. An
/// `expected` other than what came means that the sender was stopped: nothing is sealed then.
///
/// # Errors
/// What makes work on the chunk impossible, such as a full disk, in words.
pub(crate) fn pack(
    dataset: &Path,
    format: OutputFormat,
    claimed: &ClaimedChunk,
    expected: u64,
    images: mpsc::Receiver<FetchedRow>,
) -> Result<Outcome, String> {
    let staging =
        Staging::create(dataset, claimed.chunk.id, claimed.chunk.attempt).map_err(|e| e.to_string())?;
    let packed = pack_into(&staging, dataset, format, claimed, expected, images);
    if packed.is_err() {
        // Only here is it sure that nothing writes into the folder any more. What is left goes with the next sweep.
        let _ = staging.discard();
    }
    packed
}

fn pack_into(
    staging: &Staging,
    dataset: &Path,
    format: OutputFormat,
    claimed: &ClaimedChunk,
    expected: u64,
    mut images: mpsc::Receiver<FetchedRow>,
) -> Result<Outcome, String> {
    let started = Instant::now();
    let chunk = &claimed.chunk;
    let mut sink =
        open_sink(format, &staging.path(), chunk.chunk_index).map_err(|e| cannot_store(dataset, &e))?;
    let mut ledger = Vec::new();
    let mut outcome = Outcome::default();
    while let Some(image) = images.blocking_recv() {
        let mut account = account(&image);
        match &image.result {
            Ok(prepared) => {
                let sha256 = hex(&Sha256::digest(&prepared.bytes));
                let metadata = serde_json::json!({
                    "image": image.number,
                    "url": image.row.url,
                    "caption": image.row.caption,
                    "width": prepared.stored.width,
                    "height": prepared.stored.height,
                    "format": prepared.stored.format.extension(),
                    "sha256": sha256,
                });
                let stored = StoredImage {
                    number: image.number,
                    bytes: &prepared.bytes,
                    extension: prepared.stored.format.extension(),
                    caption: image.row.caption.as_deref(),
                    metadata: &metadata,
                };
                account.file = Some(sink.append(&stored).map_err(|e| cannot_store(dataset, &e))?);
                account.sha256 = Some(sha256);
                outcome.images_ok += 1;
                outcome.bytes += prepared.bytes.len() as u64;
            }
            Err(error) => *outcome.images_failed.entry(error.class).or_default() += 1,
        }
        ledger.push(account);
    }
    if ledger.len() as u64 != expected {
        return Err(format!("stopped after {} of {expected} images", ledger.len()));
    }
    let mut names = sink.finish().map_err(|e| cannot_store(dataset, &e))?;
    let ledger_name = ledger_name(chunk.chunk_index);
    write_ledger(&staging.path().join(&ledger_name), &ledger).map_err(|e| e.to_string())?;
    names.push(ledger_name);
    outcome.outputs = staging.seal(&names).map_err(|e| e.to_string())?;
    outcome.duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    Ok(outcome)
}

fn account(image: &FetchedRow) -> LedgerRow {
    let mut row = LedgerRow {
        image: image.number,
        url: image.row.url.clone(),
        caption: image.row.caption.clone(),
        status: ImageStatus::Ok,
        error_class: None,
        error_message: None,
        http_status: None,
        bytes: None,
        width: None,
        height: None,
        format: None,
        sha256: None,
        file: None,
        fetch_ms: None,
        source_file: image.row.source_file.clone(),
        source_line: image.row.source_line,
    };
    match &image.result {
        Ok(prepared) => {
            row.http_status = Some(prepared.http_status);
            row.bytes = Some(prepared.bytes.len() as u64);
            row.width = prepared.stored.width;
            row.height = prepared.stored.height;
            row.format = Some(prepared.stored.format.extension().to_owned());
            row.fetch_ms = Some(prepared.fetch_ms);
        }
        Err(error) => {
            row.status = ImageStatus::Failed;
            row.error_class = Some(error.class);
            row.error_message = Some(error.message.clone());
            row.http_status = error.http_status;
            row.fetch_ms = Some(error.fetch_ms);
        }
    }
    row
}

fn cannot_store(dataset: &Path, error: &std::io::Error) -> String {
    format!("cannot write output under {}: {error}", dataset.display())
}
