//! A sample's key: the shard's number followed by the sample's number within it.

/// Gives the samples of one shard their keys (`compute_key` in `downloader.py`).
pub(super) struct Keys {
    shard: u64,
    digits: u32,
    next: u64,
}

/// `--oom_shard_count` where nothing is said.
const SHARD_DIGITS: usize = 5;

impl Keys {
    pub(super) fn new(shard: u64, samples_per_shard: u64) -> Self {
        Self { shard, digits: sample_digits(samples_per_shard), next: 0 }
    }

    /// The key of the next sample. A shard larger than the digits are made for runs over into the next one's keys;
    /// chunks are never larger than the chunk size.
    pub(super) fn next_key(&mut self) -> String {
        let key = 10_u128.pow(self.digits) * u128::from(self.shard) + u128::from(self.next);
        self.next += 1;
        format!("{key:0width$}", width = SHARD_DIGITS + self.digits as usize)
    }
}

/// `math.ceil(math.log10(number_sample_per_shard))`: none for shards of a single sample.
fn sample_digits(samples_per_shard: u64) -> u32 {
    samples_per_shard.max(1).ilog10() + u32::from(!is_power_of_ten(samples_per_shard.max(1)))
}

fn is_power_of_ten(n: u64) -> bool {
    10_u64.checked_pow(n.ilog10()) == Some(n)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_as_many_digits_as_img2dataset_gives_them() {
        for (shard, size, first, second) in [
            (0, 10_000, "000000000", "000000001"),
            (12, 10_000, "000120000", "000120001"),
            (3, 500, "00003000", "00003001"),
            (3, 1_000, "00003000", "00003001"),
            (3, 1_001, "000030000", "000030001"),
            (7, 1, "00007", "00008"),
            (7, 10, "000070", "000071"),
            (123_456, 500, "123456000", "123456001"),
        ] {
            let mut keys = Keys::new(shard, size);
            assert_eq!([keys.next_key(), keys.next_key()], [first, second], "{shard} {size}");
        }
        let mut largest = Keys::new(u64::MAX, 1_000_000);
        assert_eq!(largest.next_key(), "18446744073709551615000000");
    }
}
