//! A kind of dataset: the same choices for the crawl and for the checker.

use crate::checker::{Check, Transform};
use crate::real_list::RealList;
use crate::ream::Ream;
use std::fmt;
use std::path::Path;

/// What a crawl is to make of a real list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    /// `files`, `webdataset` or `parquet`.
    pub format: &'static str,
    /// Whether names and metadata are img2dataset's.
    pub img2dataset: bool,
    /// `None` keeps the bytes as they came.
    pub transform: Option<Transform>,
}

impl Kind {
    /// Bytes kept, in Ream's own layout.
    pub const fn kept(format: &'static str) -> Self {
        Self { format, img2dataset: false, transform: None }
    }

    /// Images resized to 256 pixels, in Ream's own layout.
    pub const fn resized(format: &'static str, mode: &'static str, encode: &'static str) -> Self {
        Self { format, img2dataset: false, transform: Some(Transform { mode, size: 256, encode }) }
    }

    /// The same in img2dataset's layout.
    #[must_use]
    pub const fn as_img2dataset(mut self) -> Self {
        self.img2dataset = true;
        self
    }

    /// The crawl. The list's column `license` is kept.
    pub fn crawl(&self, list: &RealList, out: &Path) -> Ream {
        let mut crawl = Ream::crawl(&list.path, out, self.format).with(["--keep-cols", "license"]);
        if self.img2dataset {
            crawl = crawl.with(["--img2dataset-layout"]);
        }
        match self.transform {
            None => crawl,
            Some(Transform { mode, size, encode }) => {
                let crawl = crawl.with(["--resize-mode", mode, "--encode-format", encode]);
                // Without resizing there is no size.
                if mode == "no" { crawl } else { crawl.with(["--image-size", &size.to_string()]) }
            }
        }
    }

    /// The check of what it made.
    pub fn check(&self, list: &RealList, dataset: &Path) -> Check {
        let mut check = Check::of(list, dataset, self.format).keep_cols("license");
        if self.img2dataset {
            check = check.img2dataset();
        }
        match self.transform {
            None => check,
            Some(transform) => check.transform(transform),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.format)?;
        if self.img2dataset {
            f.write_str(" as img2dataset")?;
        }
        match self.transform {
            None => f.write_str(" as it came"),
            Some(Transform { mode, size, encode }) => write!(f, " {mode} {size} {encode}"),
        }
    }
}
