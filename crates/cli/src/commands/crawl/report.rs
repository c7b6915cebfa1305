//! What is said when a crawl has ended.

use super::collapse::advice;
use crate::failure::Result;
use crate::output::{Output, Paint, fields, text};
use ream::{CrawlJobStatus, ErrorClass};
use ream_fetch::HostReport;
use ream_worker::crawl::CrawlSummary;
use std::collections::BTreeMap;
use std::path::Path;

/// Hosts shown, of the worst and of the slowest each.
const SHOWN_HOSTS: usize = 5;
/// Lost chunks named.
const SHOWN_LOST: usize = 10;
/// A host is slow from this on, in milliseconds per image.
const SLOW_MS: u64 = 1000;
/// When so few of a hundred images are stored, something is wrong beyond single images.
const FEW_STORED_PERCENT: u64 = 10;

pub(crate) fn tell(summary: &CrawlSummary, folder: &Path, out: &Output) -> Result<()> {
    if out.is_json() {
        return out.document(summary);
    }
    let status = out.paint(if summary.is_complete() { Paint::Green } else { Paint::Yellow }, summary.status);
    let mut lines = vec![
        ("status", status),
        ("chunks", format!("{} of {} completed", summary.completed_chunks, summary.total_chunks)),
        ("images", format!("{} of {} stored", summary.images_ok, summary.images)),
        ("bytes", text::bytes(u128::from(summary.bytes))),
    ];
    if !summary.images_failed.is_empty() {
        let classes: Vec<String> =
            summary.images_failed.iter().map(|(class, count)| format!("{count:>6} {class}")).collect();
        lines.push(("failed", format!("{}\n{}", summary.images_failed_total(), classes.join("\n"))));
    }
    if summary.rejected_rows > 0 {
        lines.push(("rejected", format!("{} of the list", text::count(summary.rejected_rows, "row"))));
    }
    lines.extend(hosts(summary));
    if summary.unpublished_chunks > 0 {
        let told = text::count(summary.unpublished_chunks, "completed chunk");
        lines.push(("unpublished", format!("the output of {told} is lost or cannot be moved, see above")));
    }
    if summary.lost_chunks > 0 {
        let told = text::count(summary.lost_chunks, "completed chunk");
        let named: Vec<String> = summary.lost.iter().take(SHOWN_LOST).map(u64::to_string).collect();
        let more = if summary.lost_chunks > named.len() as u64 { ", …" } else { "" };
        let named = named.join(", ");
        lines.push(("lost", format!("the files of {told} are not there any more (by index: {named}{more})")));
    }
    for failure in &summary.failures {
        let (id, index, error) = (failure.chunk_id, failure.chunk_index, text::printable(&failure.error));
        lines.push(("failed chunk", format!("{id} (index {index}): {error}")));
    }
    lines.push(("dataset", text::printable(&folder.display().to_string())));
    fields(out, &lines)?;
    hints(summary, folder, out);
    Ok(())
}

/// The hosts of this run that failed most, and those that were slowest, where there is more than one.
fn hosts(summary: &CrawlSummary) -> Vec<(&'static str, String)> {
    let mut lines = Vec::new();
    let hosts = &summary.hosts;
    let worst: Vec<String> = hosts.worst.iter().take(SHOWN_HOSTS).map(worst_host).collect();
    if !worst.is_empty() {
        lines.push(("worst hosts", worst.join("\n")));
    }
    let is_slow = |host: &&HostReport| ms_per_image(host) >= SLOW_MS;
    let slowest: Vec<String> =
        hosts.slowest.iter().filter(is_slow).take(SHOWN_HOSTS).map(slow_host).collect();
    if !slowest.is_empty() {
        lines.push(("slow hosts", slowest.join("\n")));
    }
    lines
}

fn worst_host(host: &HostReport) -> String {
    let images = host.ok + host.failed_total();
    let classes: Vec<String> = host.failed.iter().map(|(class, count)| format!("{class} {count}")).collect();
    format!(
        "{}: {} of {images} fetches failed ({})",
        text::printable(&host.host),
        host.failed_total(),
        classes.join(", ")
    )
}

fn slow_host(host: &HostReport) -> String {
    let images = host.ok + host.failed_total();
    let seconds = ms_per_image(host) as f64 / 1000.0;
    format!("{}: {seconds:.1} s per image, {}", text::printable(&host.host), text::count(images, "image"))
}

fn ms_per_image(host: &HostReport) -> u64 {
    host.fetch_ms / (host.ok + host.failed_total()).max(1)
}

fn hints(summary: &CrawlSummary, folder: &Path, out: &Output) {
    let failed = summary.images_failed_total();
    if failed > 0 {
        if let Some(class) = main_cause(summary) {
            out.warning(format_args!(
                "{} of {} images stored, most failed with `{class}`: {}",
                summary.images_ok,
                summary.images_ok + failed,
                advice(class)
            ));
        }
        let folder = text::printable(&folder.display().to_string());
        if summary.images_failed.keys().any(|class| class.is_transient()) {
            out.hint(format_args!(
                "what may come back can be fetched again:\n  ream failed {folder} --transient > again.jsonl\n  \
                 ream crawl again.jsonl --out ANOTHER-FOLDER"
            ));
        } else {
            out.hint(format_args!("`ream failed {folder}` lists what failed, and why"));
        }
    }
    if summary.lost_chunks > 0 {
        out.hint("what is completed is not fetched again: crawl the list into another folder");
    }
    if summary.status == CrawlJobStatus::Cancelled {
        out.hint("a cancelled job is not gone on with: crawl the list into another folder");
    } else if summary.failed_chunks > 0 && !summary.stopped {
        out.hint("the same command tries failed chunks again");
    }
}

/// The class of most failures, when hardly anything was stored.
fn main_cause(summary: &CrawlSummary) -> Option<ErrorClass> {
    let failed: &BTreeMap<ErrorClass, u64> = &summary.images_failed;
    let all = summary.images_ok + summary.images_failed_total();
    // What was stored and then taken away tells nothing of servers.
    let taken = summary.lost_chunks + summary.unpublished_chunks > 0;
    let few = !taken && summary.images_ok * 100 <= all * FEW_STORED_PERCENT;
    failed.iter().max_by_key(|(_, count)| **count).filter(|_| few).map(|(class, _)| *class)
}
