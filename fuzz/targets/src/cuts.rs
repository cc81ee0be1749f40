//! Where a stream of bytes is cut. The cuts are drawn from the bytes themselves, so that a file of a corpus is nothing but
//! the stream, and is always cut in the same places.

use signal_fish_simulator::Sequence;

/// A generator that only depends on the bytes.
pub(crate) fn random(bytes: &[u8]) -> Sequence {
    // FNV-1a: the same everywhere.
    let seed = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    Sequence::stream(seed, 1)
}

/// The same bytes in pieces, in several ways: byte by byte, and by cuts that lie dense or far apart.
pub(crate) fn ways_to_cut(bytes: &[u8]) -> Vec<Vec<&[u8]>> {
    let mut random = random(bytes);
    let mut ways = vec![bytes.chunks(1).collect()];
    for piece_bytes_max in [4, 40, bytes.len()] {
        let (mut pieces, mut rest) = (Vec::new(), bytes);
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(1 + random.up_to(piece_bytes_max.min(rest.len()) - 1));
            pieces.push(piece);
            rest = after;
        }
        ways.push(pieces);
    }
    ways
}
