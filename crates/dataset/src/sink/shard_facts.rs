//! What a shard of Ream's layout tells of an image.

use crate::facts::Fact;
use crate::kept::KeptColumn;
use crate::ledger::LedgerRow;

/// Nothing here may differ between two runs that fetched the same bytes.
pub(super) fn shard_facts(row: &LedgerRow, kept: &[KeptColumn]) -> Vec<Fact> {
    let mut facts = vec![
        Fact::integer("image", Some(row.image)),
        Fact::text("url", Some(&row.url)),
        Fact::text("caption", row.caption.as_deref()),
        Fact::integer("width", row.width.map(u64::from)),
        Fact::integer("height", row.height.map(u64::from)),
        Fact::text("format", row.format.as_deref()),
        Fact::text("sha256", row.sha256.as_deref()),
        Fact::integer("original_bytes", row.original_bytes),
        Fact::integer("original_width", row.original_width.map(u64::from)),
        Fact::integer("original_height", row.original_height.map(u64::from)),
        Fact::text("original_format", row.original_format.as_deref()),
        Fact::text("original_sha256", row.original_sha256.as_deref()),
    ];
    facts.extend(Fact::kept(kept, row));
    facts
}
