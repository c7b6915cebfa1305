//! The exact-cover check: a job's chunks partition its images, with no gap and no overlap.

use crate::range::ImageRange;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Takes ranges in the order of their first image and notes where they do not join. Constant memory: only the
/// first [`Cover::MAX_FAULTS`] faults are kept.
#[derive(Debug, Default)]
pub struct Cover {
    next_image: u64,
    chunks: u64,
    faults: Vec<CoverFault>,
}

/// One place where chunks do not partition the images of their job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "fault", rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum CoverFault {
    /// No chunk has these images.
    Gap {
        /// First image without a chunk.
        start: u64,
        /// Last image without a chunk.
        end: u64,
    },
    /// More than one chunk has these images.
    Overlap {
        /// First image with two chunks.
        start: u64,
        /// Last image with two chunks.
        end: u64,
    },
    /// Chunks have images that the job does not have.
    Beyond {
        /// First image past the job's last.
        start: u64,
        /// Last image of any chunk.
        end: u64,
    },
}

impl Cover {
    /// How many faults are kept; more would tell nothing new.
    pub const MAX_FAULTS: usize = 100;

    /// Adds the next range, by first image.
    pub fn push(&mut self, range: ImageRange) {
        self.chunks += 1;
        if range.start() > self.next_image {
            self.note(CoverFault::Gap { start: self.next_image, end: range.start() - 1 });
        } else if range.start() < self.next_image {
            let end = range.end().min(self.next_image - 1);
            self.note(CoverFault::Overlap { start: range.start(), end });
        }
        self.next_image = self.next_image.max(range.end() + 1);
    }

    /// How many ranges came.
    pub fn chunks(&self) -> u64 {
        self.chunks
    }

    /// All faults, given how many images the job has.
    pub fn finish(mut self, images: u64) -> Vec<CoverFault> {
        if self.next_image < images {
            self.note(CoverFault::Gap { start: self.next_image, end: images - 1 });
        } else if self.next_image > images {
            self.note(CoverFault::Beyond { start: images, end: self.next_image - 1 });
        }
        self.faults
    }

    fn note(&mut self, fault: CoverFault) {
        if self.faults.len() < Self::MAX_FAULTS {
            self.faults.push(fault);
        }
    }
}

impl fmt::Display for CoverFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gap { start, end } => write!(f, "images {start}-{end} have no chunk"),
            Self::Overlap { start, end } => write!(f, "images {start}-{end} have more than one chunk"),
            Self::Beyond { start, end } => write!(f, "chunks reach over the job's end: images {start}-{end}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(ranges: &[(u64, u64)], images: u64) -> Vec<CoverFault> {
        let mut cover = Cover::default();
        for (start, end) in ranges {
            cover.push(ImageRange::new(*start, *end).unwrap());
        }
        cover.finish(images)
    }

    #[test]
    fn an_exact_partition_has_no_fault() {
        assert_eq!(faults(&[(0, 4), (5, 5), (6, 9)], 10), []);
    }

    #[test]
    fn gaps_overlaps_and_overhangs_are_named() {
        assert_eq!(faults(&[], 3), [CoverFault::Gap { start: 0, end: 2 }]);
        assert_eq!(faults(&[(1, 2)], 3), [CoverFault::Gap { start: 0, end: 0 }]);
        assert_eq!(faults(&[(0, 2), (2, 4)], 5), [CoverFault::Overlap { start: 2, end: 2 }]);
        assert_eq!(faults(&[(0, 4), (1, 2), (5, 5)], 6), [CoverFault::Overlap { start: 1, end: 2 }]);
        assert_eq!(faults(&[(0, 4)], 3), [CoverFault::Beyond { start: 3, end: 4 }]);
        assert_eq!(faults(&[(0, 1)], 3), [CoverFault::Gap { start: 2, end: 2 }]);
    }
}
