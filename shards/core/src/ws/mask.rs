//! Masking (RFC 6455, 5.3).

/// Bytes that are unmasked at a time; fixed blocks become vector instructions.
const BLOCK: usize = 32;

/// Removes (or applies) a mask in place. `mask[0]` belongs to the first byte.
pub(super) fn unmask(payload: &mut [u8], mask: [u8; 4]) {
    let mut block_mask = [0; BLOCK];
    for word in block_mask.as_chunks_mut::<4>().0 {
        *word = mask;
    }
    let (blocks, rest) = payload.as_chunks_mut::<BLOCK>();
    for block in blocks {
        for (byte, mask) in block.iter_mut().zip(&block_mask) {
            *byte ^= mask;
        }
    }
    let (words, rest) = rest.as_chunks_mut::<4>();
    for word in words {
        *word = (u32::from_ne_bytes(*word) ^ u32::from_ne_bytes(mask)).to_ne_bytes();
    }
    for (byte, mask) in rest.iter_mut().zip(mask) {
        *byte ^= mask;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_at_every_alignment_equals_the_definition() {
        let mask = [0x6d, 0xb6, 0x52, 0x80];
        let bytes: Vec<u8> = (0..=u8::MAX).collect();
        for start in 0..8 {
            for end in start..bytes.len() {
                let mut expected = bytes.clone();
                for (index, byte) in expected[start..end].iter_mut().enumerate() {
                    *byte ^= mask[index % 4];
                }
                let mut actual = bytes.clone();
                unmask(&mut actual[start..end], mask);
                assert_eq!(actual, expected);
            }
        }
    }
}
