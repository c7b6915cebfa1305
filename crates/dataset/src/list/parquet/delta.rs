//! `DELTA_LENGTH_BYTE_ARRAY` and `DELTA_BYTE_ARRAY` pages as `PLAIN` ones (the Parquet format's `Encodings.md`).
//! The crate's decoders trust the counts and lengths in the data; these are checked.

use super::header::{varint, zigzag};

/// Texts with their lengths in front, as `PLAIN` has them. `None` for what is not encoded like that, has more than
/// `max_values` texts or would become longer than `max_bytes`.
pub(super) fn plain_from_lengths(data: &[u8], max_values: usize, max_bytes: usize) -> Option<Vec<u8>> {
    let (lengths, used) = integers(data, max_values)?;
    let mut rest = data.get(used..)?;
    let mut plain = Vec::new();
    for length in lengths {
        let text = rest.split_off(..length)?;
        push(&mut plain, text.len(), max_bytes)?;
        plain.extend_from_slice(text);
    }
    Some(plain)
}

/// The same for texts that share a prefix with the one before.
pub(super) fn plain_from_prefixes(data: &[u8], max_values: usize, max_bytes: usize) -> Option<Vec<u8>> {
    let (prefixes, used) = integers(data, max_values)?;
    let data = data.get(used..)?;
    let (suffixes, used) = integers(data, max_values)?;
    let mut rest = data.get(used..)?;
    if prefixes.len() != suffixes.len() {
        return None;
    }
    let mut plain = Vec::new();
    let mut before = 0..0;
    for (prefix, suffix) in prefixes.into_iter().zip(suffixes) {
        let text = rest.split_off(..suffix)?;
        if prefix > before.len() {
            return None;
        }
        push(&mut plain, prefix.checked_add(suffix)?, max_bytes)?;
        let start = plain.len();
        plain.extend_from_within(before.start..before.start + prefix);
        plain.extend_from_slice(text);
        before = start..plain.len();
    }
    Some(plain)
}

/// Appends a text's length, if there is room for it and the text.
fn push(plain: &mut Vec<u8>, length: usize, max_bytes: usize) -> Option<()> {
    let end = plain.len().checked_add(4)?.checked_add(length)?;
    plain.extend_from_slice(&u32::try_from(length).ok()?.to_le_bytes());
    (end <= max_bytes).then_some(())
}

/// Non-negative integers in `DELTA_BINARY_PACKED`, and how many bytes they take.
fn integers(data: &[u8], max_values: usize) -> Option<(Vec<usize>, usize)> {
    let mut at = 0;
    let number = |at: &mut usize| {
        let (value, used) = varint(data.get(*at..)?)?;
        *at += used;
        Some(value)
    };
    let block = usize::try_from(number(&mut at)?).ok()?;
    let miniblocks = usize::try_from(number(&mut at)?).ok()?;
    let count = usize::try_from(number(&mut at)?).ok()?;
    let mut last = zigzag(number(&mut at)?);
    let per_miniblock = block.checked_div(miniblocks)?;
    if count > max_values || block > 1 << 20 || per_miniblock == 0 || !per_miniblock.is_multiple_of(32) {
        return None;
    }
    let mut values = Vec::new();
    if count > 0 {
        values.push(usize::try_from(last).ok()?);
    }
    while values.len() < count {
        let least = zigzag(number(&mut at)?);
        let widths = data.get(at..at + miniblocks)?;
        at += miniblocks;
        for width in widths.iter().map(|width| usize::from(*width)) {
            if values.len() == count {
                break;
            }
            if width > 64 {
                return None;
            }
            let packed = data.get(at..at + per_miniblock * width / 8)?;
            at += packed.len();
            for index in 0..per_miniblock.min(count - values.len()) {
                last = last.wrapping_add(least).wrapping_add(bits(packed, index * width, width));
                values.push(usize::try_from(last).ok()?);
            }
        }
    }
    Some((values, at))
}

/// `width` bits from bit `start` on, the least significant first. There are as many.
fn bits(packed: &[u8], start: usize, width: usize) -> i64 {
    let first = start / 8;
    let end = (start + width).div_ceil(8);
    let bytes = packed.get(first..end).unwrap_or_default();
    let whole = bytes.iter().rev().fold(0u128, |whole, byte| whole << 8 | u128::from(*byte));
    let kept = (whole >> (start % 8)) & ((1u128 << width) - 1);
    (kept as u64).cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_bytes_make_more_than_the_limit(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            for plain in [plain_from_lengths(&bytes, 100, 500), plain_from_prefixes(&bytes, 100, 500)] {
                prop_assert!(plain.is_none_or(|plain| plain.len() <= 500));
            }
        }
    }

    #[test]
    fn prefixes_cannot_multiply_a_page() {
        // 128 values per block, 4 miniblocks, 3 values: prefixes 0, 4, 8; suffixes 4, 4, 4.
        let prefixes = [128, 1, 4, 3, 0, 8, 0, 0, 0, 0];
        let suffixes = [128, 1, 4, 3, 8, 0, 0, 0, 0, 0];
        let page = [&prefixes[..], &suffixes[..], b"aaaabbbbcccc"].concat();
        let plain = b"\x04\0\0\0aaaa\x08\0\0\0aaaabbbb\x0C\0\0\0aaaabbbbcccc";
        assert_eq!(plain_from_prefixes(&page, 3, 36).as_deref(), Some(&plain[..]));
        assert_eq!(plain_from_prefixes(&page, 3, 35), None);
        assert_eq!(plain_from_prefixes(&page, 2, 36), None);
    }
}
