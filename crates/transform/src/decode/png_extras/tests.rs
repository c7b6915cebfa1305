use super::*;

fn chunk(kind: &[u8; 4], length: usize) -> Vec<u8> {
    let head = u32::try_from(length).unwrap().to_be_bytes();
    [head.as_slice(), kind, &vec![0; length + 4]].concat()
}

#[test]
fn what_comes_before_the_pixels_is_counted() {
    let parts = [vec![0; 8], chunk(b"tEXt", 100), chunk(b"iCCP", 50), chunk(b"IDAT", 9), chunk(b"tEXt", 70)];
    assert_eq!(held_bytes(&parts.concat()), 3 * 100 + 50 * BEST_RATIO);
    let bomb = [vec![0; 8], chunk(b"iCCP", 50_000)].concat();
    assert_eq!(held_bytes(&bomb), MAX_PROFILE_BYTES as u64);
    // A length that lies ends the walk.
    let lie = [vec![0; 8], b"\xFF\xFF\xFF\xFFtEXt".to_vec()].concat();
    assert_eq!(held_bytes(&lie), 3 * lie.len() as u64);
}
