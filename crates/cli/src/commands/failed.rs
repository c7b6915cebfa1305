//! `ream failed`: the images of a crawl that failed, as a list to crawl again.

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use ream::ErrorClass;
use ream_dataset::ledger::{find_ledgers, name_in_list};
use ream_dataset::{KeptColumn, KeptValue, LedgerReader, LedgerRow};
use serde_json::{Map, Value, json};
use std::path::PathBuf;

/// List the images of a crawl that failed, as a list to crawl again
///
/// Reads the ledgers of the dataset's chunks and prints JSON lines: url, caption and kept columns as the list had them,
/// and under `failed` the image number, the class of the error and the message. Nothing is changed.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "\
Examples:
  ream failed photos/ --transient > again.jsonl
  ream crawl again.jsonl --out photos-again/ --keep-cols license
  ream failed photos/ --class http_4xx,robots | jq -r .url")]
pub(crate) struct FailedArgs {
    /// The dataset's folder
    #[arg(value_name = "DIR")]
    dataset: PathBuf,
    /// Only these classes of errors, with commas
    #[arg(long, value_name = "CLASSES", value_delimiter = ',', value_parser = error_class)]
    class: Vec<ErrorClass>,
    /// Only what may come back: time-outs, servers that broke, and the like
    #[arg(long, conflicts_with = "class")]
    transient: bool,
}

impl FailedArgs {
    fn wants(&self, class: ErrorClass) -> bool {
        match (self.transient, self.class.is_empty()) {
            (true, _) => class.is_transient(),
            (false, true) => true,
            (false, false) => self.class.contains(&class),
        }
    }
}

fn error_class(name: &str) -> Result<ErrorClass, String> {
    let found = ErrorClass::ALL.iter().copied().find(|class| class.as_str() == name);
    found.ok_or_else(|| {
        let names: Vec<&str> = ErrorClass::ALL.iter().map(|class| class.as_str()).collect();
        format!("allowed are {}", names.join(", "))
    })
}

pub(super) async fn run(args: FailedArgs, cx: &Context<'_>) -> Result<Exit> {
    let ledgers = find_ledgers(&args.dataset).map_err(|error| Failure::usage(error.to_string()))?;
    if ledgers.is_empty() {
        let told = format!(
            "`{}` has no ledgers: it is no dataset, or no chunk is completed yet",
            args.dataset.display()
        );
        return Err(Failure::usage(told).hint("name the folder that `ream crawl` was given with `--out`"));
    }
    for path in ledgers {
        let ledger = LedgerReader::open(&path).map_err(|error| Failure::io(error.to_string()))?;
        for row in ledger.rows() {
            let row = row.map_err(|error| Failure::io(error.to_string()))?;
            if row.error_class.is_some_and(|class| args.wants(class)) {
                cx.out.document(&again(&row, ledger.kept()))?;
            }
        }
        // Ctrl-C is heard between two ledgers.
        tokio::task::yield_now().await;
    }
    Ok(Exit::Success)
}

/// The row as a line of a list, and why it failed.
fn again(row: &LedgerRow, kept: &[KeptColumn]) -> Map<String, Value> {
    let mut line = Map::new();
    line.insert("url".to_owned(), row.url.as_str().into());
    line.insert("caption".to_owned(), row.caption.as_deref().into());
    for (column, value) in kept.iter().zip(&row.kept) {
        let name = name_in_list(&column.name).to_owned();
        // What the line has already is the URL and the caption under their own names.
        line.entry(name).or_insert_with(|| value.as_ref().map_or(Value::Null, KeptValue::to_json));
    }
    let (class, message) = (row.error_class.map(ErrorClass::as_str), row.error_message.as_deref());
    line.insert("failed".to_owned(), json!({"image": row.image, "class": class, "message": message}));
    line
}
