//! The last steps of a chunk, on a thread of its own: hash, store, account.

use crate::image::{ImageError, Prepared};
use crate::process_error::ProcessError;
use bytes::Bytes;
use ream::{ClaimedChunk, Outcome};
use ream_dataset::{
    ImageStatus, LedgerRow, LedgerWriter, ListRow, OutputOptions, Sink, Staging, StoredImage, hex, open_sink,
};
use ream_transform::ImageInfo;
use sha2::{Digest, Sha256};
use std::path::Path;
use std::time::Instant;
use tokio::sync::mpsc;

/// One image, ready to be stored or failed.
pub(crate) struct PreparedRow {
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
    output: &OutputOptions,
    claimed: &ClaimedChunk,
    expected: u64,
    images: mpsc::Receiver<PreparedRow>,
) -> Result<Outcome, ProcessError> {
    let staging = Staging::create(dataset, claimed.chunk.id, claimed.chunk.attempt)?;
    let packed = pack_into(&staging, dataset, output, claimed, expected, images);
    if packed.is_err() {
        // Only here is it sure that nothing writes into the folder any more. What is left goes with the next sweep.
        let _ = staging.discard();
    }
    packed
}

fn pack_into(
    staging: &Staging,
    dataset: &Path,
    output: &OutputOptions,
    claimed: &ClaimedChunk,
    expected: u64,
    mut images: mpsc::Receiver<PreparedRow>,
) -> Result<Outcome, ProcessError> {
    let started = Instant::now();
    let mut packing = Packing::begin(staging, dataset, output, claimed.chunk.chunk_index)?;
    while let Some(image) = images.blocking_recv() {
        packing.add(image)?;
    }
    if packing.images != expected {
        let message = format!("stopped after {} of {expected} images", packing.images);
        return Err(ProcessError::Chunk(message));
    }
    let (names, mut outcome) = packing.finish()?;
    outcome.outputs = staging.seal(&names)?;
    outcome.duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    Ok(outcome)
}

/// A chunk's output while it is written.
struct Packing<'a> {
    dataset: &'a Path,
    sink: Box<dyn Sink>,
    ledger: LedgerWriter,
    ledger_name: String,
    images: u64,
    outcome: Outcome,
}

impl<'a> Packing<'a> {
    fn begin(
        staging: &Staging,
        dataset: &'a Path,
        output: &OutputOptions,
        chunk_index: u64,
    ) -> Result<Self, ProcessError> {
        let path = staging.path();
        let sink = open_sink(output, &path, chunk_index).map_err(|e| cannot_store(dataset, &e))?;
        let ledger_name = output.ledger_name(chunk_index);
        let ledger = LedgerWriter::create(&path.join(&ledger_name), &output.kept)?;
        Ok(Self { dataset, sink, ledger, ledger_name, images: 0, outcome: Outcome::default() })
    }

    fn add(&mut self, image: PreparedRow) -> Result<(), ProcessError> {
        let mut row = LedgerRow::of_list(image.number, image.row);
        let stored = match &image.result {
            Ok(prepared) => {
                let bytes = prepared.bytes().map_err(|e| cannot_store(self.dataset, &e))?;
                let stored = account_prepared(&mut row, prepared, &bytes);
                self.outcome.images_ok += 1;
                self.outcome.bytes += bytes.len() as u64;
                self.sink.append(&row, Some(stored))
            }
            Err(error) => {
                account_failed(&mut row, error);
                *self.outcome.images_failed.entry(error.class).or_default() += 1;
                self.sink.append(&row, None)
            }
        };
        row.file = stored.map_err(|e| cannot_store(self.dataset, &e))?;
        self.images += 1;
        Ok(self.ledger.push(row)?)
    }

    fn finish(self) -> Result<(Vec<String>, Outcome), ProcessError> {
        let mut names = self.sink.finish().map_err(|e| cannot_store(self.dataset, &e))?;
        self.ledger.finish()?;
        names.push(self.ledger_name);
        Ok((names, self.outcome))
    }
}

/// Gives the image to be stored.
fn account_prepared<'p>(row: &mut LedgerRow, prepared: &'p Prepared, bytes: &'p Bytes) -> StoredImage<'p> {
    let Prepared { stored, original, fetch, transform_ms, .. } = prepared;
    row.http_status = Some(fetch.http_status);
    row.final_url = Some(fetch.final_url.clone());
    row.etag.clone_from(&fetch.etag);
    row.last_modified.clone_from(&fetch.last_modified);
    row.tries = Some(fetch.tries);
    row.fetch_ms = Some(fetch.fetch_ms);
    row.transform_ms = Some(*transform_ms);
    row.original_bytes = Some(original.bytes);
    account_original(row, original.info);
    let sha256 = prepared.sha256.clone().unwrap_or_else(|| hex(&Sha256::digest(bytes)));
    row.original_sha256 = Some(original.sha256.clone().unwrap_or_else(|| sha256.clone()));
    row.sha256 = Some(sha256);
    row.status = ImageStatus::Ok;
    row.bytes = Some(bytes.len() as u64);
    row.width = stored.width;
    row.height = stored.height;
    row.format = Some(stored.format.extension().to_owned());
    StoredImage { bytes, exif: original.exif.as_deref() }
}

fn account_original(row: &mut LedgerRow, info: ImageInfo) {
    row.original_width = info.width;
    row.original_height = info.height;
    row.original_format = Some(info.format.extension().to_owned());
}

fn account_failed(row: &mut LedgerRow, error: &ImageError) {
    row.error_class = Some(error.class);
    row.error_message = Some(error.message.clone());
    row.http_status = error.http_status;
    row.tries = Some(error.tries);
    row.fetch_ms = Some(error.fetch_ms);
    row.original_bytes = error.original_bytes;
    if let Some(info) = error.original_info {
        account_original(row, info);
    }
}

fn cannot_store(dataset: &Path, error: &std::io::Error) -> ProcessError {
    let message = format!("cannot write output under {}: {error}", dataset.display());
    ProcessError::of_files(error, message)
}
