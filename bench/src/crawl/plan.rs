//! How much of everything.

use super::Args;

/// Sizes and rounds of all scenarios.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) full: bool,
    pub(super) rounds: u32,
    pub(super) crop_rounds: u32,
    pub(super) download_images: usize,
    /// At most; images that not all can decode are left out.
    pub(super) crop_images: usize,
    pub(super) chunk_images: usize,
    pub(super) memory_images: Vec<usize>,
    pub(super) chunk_rounds: u32,
    /// None without `full`: these take minutes.
    pub(super) huge_list_images: Option<usize>,
    /// Images and rounds.
    pub(super) drip_images: Vec<(usize, u32)>,
}

impl Plan {
    pub(super) fn new(args: &Args) -> Self {
        let (most, full) = (args.images.map_or(usize::MAX, |most| most as usize), args.full);
        let images = |default: usize, with_full: usize| most.min(if full { with_full } else { default });
        let rounds =
            |default: u32, with_full: u32| args.runs.unwrap_or(if full { with_full } else { default });
        let mut plan = Self {
            full,
            rounds: rounds(2, 5),
            crop_rounds: rounds(1, 3),
            chunk_rounds: rounds(1, 5),
            download_images: images(1_000, 5_000),
            crop_images: images(300, 5_000),
            chunk_images: images(500, 500),
            memory_images: vec![images(500, 5_000)],
            huge_list_images: full.then(|| images(500, 500)),
            drip_images: vec![(images(1_000, 5_000), rounds(1, 3))],
        };
        if full {
            plan.memory_images.push(images(500, 50_000));
            // Many more chunks than are worked on at a time.
            plan.drip_images.push((images(1_000, 50_000), 1));
        }
        plan
    }

    /// Images to collect; longer lists repeat them.
    pub(super) fn different_images(&self) -> usize {
        self.download_images.max(self.crop_images)
    }
}
