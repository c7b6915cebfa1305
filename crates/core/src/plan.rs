//! From a number of images to chunks.

use crate::error::{Error, Result, Validation};
use crate::range::ImageRange;

/// Images per chunk where nothing is said. The one home of this number.
pub const CHUNK_SIZE: u64 = 500;

/// The largest chunk size.
pub const MAX_CHUNK_SIZE: u64 = 1_000_000;

/// The most chunks one job may have: 50 times LAION-5B, some 220 GB of rows. A job above it is a slip of the hand.
pub const MAX_CHUNKS_PER_JOB: u64 = 600_000_000;

/// The most images a plan may have.
pub const MAX_IMAGES: u64 = i64::MAX as u64;

/// The chunks of a job, computed as asked for: any chunk of any plan in constant time and memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkPlan {
    images: u64,
    chunk_size: u64,
}

impl ChunkPlan {
    /// # Errors
    /// Validation: `max_images` outside 1 to 2⁶³−1, `chunk_size` outside 1 to [`MAX_CHUNK_SIZE`].
    pub fn new(max_images: u64, chunk_size: u64) -> Result<Self> {
        let mut v = Validation::default();
        v.check(
            (1..=MAX_IMAGES).contains(&max_images),
            "max_images",
            max_images,
            format!("1 to {MAX_IMAGES}"),
        );
        v.take(check_chunk_size(chunk_size));
        v.finish()?;
        Ok(Self { images: max_images, chunk_size })
    }

    /// All images of the plan.
    pub const fn images(self) -> u64 {
        self.images
    }

    /// Images per chunk; the last chunk may have fewer.
    pub const fn chunk_size(self) -> u64 {
        self.chunk_size
    }

    /// How many chunks there are; at least one.
    pub const fn total_chunks(self) -> u64 {
        self.images.div_ceil(self.chunk_size)
    }

    /// The range of one chunk, or `None` past the last.
    pub fn range(self, chunk_index: u64) -> Option<ImageRange> {
        let start = chunk_index.checked_mul(self.chunk_size).filter(|start| *start < self.images)?;
        let end = start.saturating_add(self.chunk_size - 1).min(self.images - 1);
        ImageRange::new(start, end).ok()
    }

    /// Every chunk's range in order.
    pub fn iter(self) -> impl Iterator<Item = ImageRange> {
        (0..self.total_chunks()).map_while(move |index| self.range(index))
    }

    /// # Errors
    /// Validation: more than [`MAX_CHUNKS_PER_JOB`] chunks. A plan may be larger, a stored job may not.
    pub fn check_storable(self) -> Result<()> {
        if self.total_chunks() > MAX_CHUNKS_PER_JOB {
            return Err(Error::invalid(
                "max_images",
                self.images,
                format!(
                    "at most {} with a chunk_size of {} ({MAX_CHUNKS_PER_JOB} chunks)",
                    MAX_CHUNKS_PER_JOB.saturating_mul(self.chunk_size),
                    self.chunk_size
                ),
            ));
        }
        Ok(())
    }
}

/// # Errors
/// Validation: outside 1 to [`MAX_CHUNK_SIZE`].
pub fn check_chunk_size(chunk_size: u64) -> Result<u64> {
    if (1..=MAX_CHUNK_SIZE).contains(&chunk_size) {
        Ok(chunk_size)
    } else {
        Err(Error::invalid("chunk_size", chunk_size, format!("1 to {MAX_CHUNK_SIZE}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cover::{Cover, CoverFault};
    use proptest::prelude::*;

    fn ranges(images: u64) -> Vec<(u64, u64)> {
        ChunkPlan::new(images, CHUNK_SIZE).unwrap().iter().map(|r| (r.start(), r.end())).collect()
    }

    #[test]
    fn the_examples_of_the_specification() {
        assert_eq!(ranges(2500), [(0, 499), (500, 999), (1000, 1499), (1500, 1999), (2000, 2499)]);
        assert_eq!(ranges(250), [(0, 249)]);
        assert_eq!(ranges(1000), [(0, 499), (500, 999)]);
        assert_eq!(ranges(501), [(0, 499), (500, 500)]);
        assert_eq!(ranges(1), [(0, 0)]);
    }

    #[test]
    fn the_largest_plan_ends_at_its_last_image() {
        let plan = ChunkPlan::new(MAX_IMAGES, CHUNK_SIZE).unwrap();
        let last = plan.range(plan.total_chunks() - 1).unwrap();
        assert_eq!(last.end(), MAX_IMAGES - 1);
        assert_eq!(plan.range(plan.total_chunks()), None);
        assert_eq!(plan.range(u64::MAX), None);
    }

    #[test]
    fn every_fault_of_a_call_is_named() {
        let text = ChunkPlan::new(0, 0).unwrap_err().to_string();
        assert!(text.contains("`max_images` is 0") && text.contains("`chunk_size` is 0"), "{text}");
    }

    proptest! {
        #[test]
        fn any_small_plan_covers_exactly(images in 1u64..5_000, chunk_size in 1u64..700) {
            let plan = ChunkPlan::new(images, chunk_size).unwrap();
            let mut cover = Cover::default();
            for range in plan.iter() {
                prop_assert!(range.images() <= chunk_size);
                cover.push(range);
            }
            prop_assert_eq!(cover.chunks(), plan.total_chunks());
            prop_assert_eq!(cover.finish(images), Vec::<CoverFault>::new());
        }

        #[test]
        fn any_plan_covers_exactly_around_any_chunk(
            images in 1u64..=MAX_IMAGES, chunk_size in 1u64..=MAX_CHUNK_SIZE, at in any::<u64>()
        ) {
            let plan = ChunkPlan::new(images, chunk_size).unwrap();
            let index = at % plan.total_chunks();
            let here = plan.range(index).unwrap();
            match index.checked_sub(1) {
                None => prop_assert_eq!(here.start(), 0),
                Some(before) => prop_assert_eq!(plan.range(before).unwrap().end() + 1, here.start()),
            }
            match plan.range(index + 1) {
                None => prop_assert_eq!(here.end(), images - 1),
                Some(after) => {
                    prop_assert_eq!(here.end() + 1, after.start());
                    prop_assert_eq!(here.images(), chunk_size);
                }
            }
        }
    }
}
