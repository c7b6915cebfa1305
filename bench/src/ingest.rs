//! Taking a list in: a csv of URLs and captions becomes parts.

use crate::report::{Figure, Unit, say};
use crate::{Args, Part, Result, machine};
use ream_dataset::{IngestOptions, ingest};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::time::Instant;

const ROWS: u64 = 1_000_000;
const FULL_ROWS: u64 = 10_000_000;
const AT_LEAST_ROWS_PER_S: f64 = 500_000.0;
/// With `--full` ten times as many rows; flat memory stays below the same bound.
const PEAK_AT_MOST_MIB: f64 = 64.0;

/// What one process measured.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Sample {
    seconds: f64,
    list_mib: f64,
    peak_mib: f64,
}

/// Takes the same list in, each time in a new process.
pub(crate) fn run(args: &Args) -> Result<Vec<Figure>> {
    let rows = if args.full { FULL_ROWS } else { ROWS };
    let mut samples: Vec<Sample> = Vec::new();
    for run in 1..=args.runs() {
        say(&format!("ingest: {rows} rows, round {run} of {}", args.runs()));
        samples.push(args.run_part(Part::Ingest, rows)?);
    }
    let each = |of: &dyn Fn(&Sample) -> f64| samples.iter().map(of).collect::<Vec<_>>();
    Ok(vec![
        Figure::new(format!("ingest {rows}"), Unit::RowsPerSecond, each(&|s| rows as f64 / s.seconds))
            .at_least(AT_LEAST_ROWS_PER_S),
        Figure::new("ingest: list", Unit::MebibytesPerSecond, each(&|s| s.list_mib / s.seconds)),
        Figure::new("ingest: peak memory", Unit::Mebibytes, each(&|s| s.peak_mib)).at_most(PEAK_AT_MOST_MIB),
    ])
}

/// One list; the part's `chunks` are its rows.
pub(crate) fn part(args: &Args) -> Result<Sample> {
    let rows = args.chunks(ROWS);
    let dir = args.temp_dir()?;
    let list = dir.path().join("list.csv");
    let bytes = write_list(&list, rows)?;
    let started = Instant::now();
    let ingested = ingest(&list, &dir.path().join("parts"), &IngestOptions::default(), |_, _| {})?;
    let seconds = started.elapsed().as_secs_f64();
    if (ingested.accepted, ingested.rejected) != (rows, 0) {
        return Err(format!("{rows} rows became {ingested:?}").into());
    }
    Ok(Sample { seconds, list_mib: bytes as f64 / 1024.0 / 1024.0, peak_mib: machine::peak_memory_mib()? })
}

/// Rows as crawls of the web have them: URLs of about 80 bytes, captions of about 50, one in eight with a comma.
fn write_list(path: &Path, rows: u64) -> Result<u64> {
    let mut list = BufWriter::new(File::create(path)?);
    writeln!(list, "url,caption")?;
    for row in 0..rows {
        let random = row.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let (host, file) = (random >> 48, random & 0xFFFF_FFFF);
        let quote = if row.is_multiple_of(8) { "\"" } else { "" };
        let comma = if row.is_multiple_of(8) { "," } else { "" };
        writeln!(
            list,
            "https://img-{host}.shop.example/media/catalog/{:04}/product_{file:08x}_large.jpg?v={},\
             {quote}Picture number {row}{comma} a product on a white table{quote}",
            row % 1999,
            row % 7
        )?;
    }
    list.flush()?;
    Ok(list.get_ref().metadata()?.len())
}
