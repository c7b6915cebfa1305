//! What origins said, remembered within limits of time and memory.

use super::Verdict;
use lru::LruCache;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::OnceCell;
use tokio::time::Instant;

/// A robots.txt is used for at most a day (RFC 9309 section 2.4).
pub(super) const MAX_AGE: Duration = Duration::from_secs(24 * 3600);
const MAX_ORIGINS: usize = 20_000;
const MAX_BYTES: usize = 16 * 1024 * 1024;
/// Names and bookkeeping of an entry.
const ENTRY_BYTES: usize = 300;

pub(super) struct Known {
    pub(super) verdict: Verdict,
    pub(super) until: Instant,
}

pub(super) type Cell = Arc<OnceCell<Known>>;

pub(super) struct Cache {
    table: Mutex<Table>,
}

struct Table {
    origins: LruCache<String, Entry>,
    bytes: usize,
}

struct Entry {
    cell: Cell,
    bytes: usize,
}

impl Default for Cache {
    fn default() -> Self {
        Self { table: Mutex::new(Table { origins: LruCache::unbounded(), bytes: 0 }) }
    }
}

impl Cache {
    /// What is known of the origin, or the place where it will be.
    pub(super) fn cell(&self, origin: &str) -> Cell {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = table.origins.get(origin)
            && entry.cell.get().is_none_or(|known| Instant::now() < known.until)
        {
            return Arc::clone(&entry.cell);
        }
        let cell = Cell::default();
        table.put(origin, Entry { cell: Arc::clone(&cell), bytes: ENTRY_BYTES });
        cell
    }

    /// Counts the memory of what has just become known.
    pub(super) fn weigh(&self, origin: &str, cell: &Cell) {
        let bytes = match cell.get().map(|known| &known.verdict) {
            Some(Verdict::Rules(rules)) => rules.memory_bytes().saturating_add(ENTRY_BYTES),
            _ => ENTRY_BYTES,
        };
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        // Forgotten or asked anew meanwhile: then it is not the table's.
        let ours = table.origins.peek(origin).is_some_and(|entry| Arc::ptr_eq(&entry.cell, cell));
        if ours {
            table.put(origin, Entry { cell: Arc::clone(cell), bytes });
        }
    }
}

impl Table {
    fn put(&mut self, origin: &str, entry: Entry) {
        self.bytes += entry.bytes;
        if let Some(replaced) = self.origins.put(origin.to_owned(), entry) {
            self.bytes -= replaced.bytes;
        }
        // The one just put is the last to go, and no single one is larger than all may be.
        while self.origins.len() > MAX_ORIGINS || (self.bytes > MAX_BYTES && self.origins.len() > 1) {
            let Some((_, oldest)) = self.origins.pop_lru() else { break };
            self.bytes -= oldest.bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::robots::rules::Rules;

    fn known(rules: &Rules) -> Known {
        Known { verdict: Verdict::Rules(rules.clone()), until: Instant::now() + MAX_AGE }
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_is_forgotten_after_a_day() {
        let cache = Cache::default();
        assert!(cache.cell("a").set(known(&Rules::default())).is_ok());
        tokio::time::advance(MAX_AGE - Duration::from_secs(1)).await;
        assert!(cache.cell("a").get().is_some());
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(cache.cell("a").get().is_none());
    }

    #[tokio::test]
    async fn memory_is_bounded_by_number_and_by_size() {
        let cache = Cache::default();
        for n in 0..MAX_ORIGINS + 5 {
            cache.cell(&n.to_string());
        }
        assert_eq!(cache.table.lock().unwrap().origins.len(), MAX_ORIGINS);
        let rules = format!("user-agent: *\n{}", "disallow: /a/long/path/of/a/large/file\n".repeat(10_000));
        let rules = Rules::parse(rules.as_bytes(), "bot");
        for n in 0..50 {
            let (origin, cell) = (format!("large {n}"), cache.cell(&format!("large {n}")));
            assert!(cell.set(known(&rules)).is_ok());
            for _ in 0..3 {
                cache.weigh(&origin, &cell);
            }
            assert!(cache.table.lock().unwrap().bytes <= MAX_BYTES);
        }
        let table = cache.table.lock().unwrap();
        assert_eq!(table.bytes, table.origins.iter().map(|(_, entry)| entry.bytes).sum::<usize>());
    }
}
