//! TCP cuts where it likes: the events are those of the uncut stream.

mod ws_stream;

use proptest::prelude::*;
use ws_stream::{NARROW, WIDE, broken_frames, decode, decode_cut, decode_pieces, frames, stream};

proptest! {
    #[test]
    fn of_frames_that_follow_the_rules(frames in frames(), cuts in proptest::collection::vec(any::<usize>(), 0..20)) {
        let bytes = stream(frames);
        for limits in [WIDE, NARROW] {
            prop_assert_eq!(decode_cut(&bytes, &cuts, &limits), decode(&bytes, &limits));
        }
    }

    #[test]
    fn of_frames_that_break_them(frames in broken_frames(), cuts in proptest::collection::vec(any::<usize>(), 0..20)) {
        let bytes = stream(frames);
        for limits in [WIDE, NARROW] {
            prop_assert_eq!(decode_cut(&bytes, &cuts, &limits), decode(&bytes, &limits));
        }
    }

    #[test]
    fn of_single_bytes(frames in frames()) {
        let bytes = stream(frames);
        for limits in [WIDE, NARROW] {
            prop_assert_eq!(decode_pieces(bytes.chunks(1), &limits), decode(&bytes, &limits));
        }
    }

    #[test]
    fn of_noise_nor_does_noise_panic(
        bytes in proptest::collection::vec(any::<u8>(), 0..300),
        cuts in proptest::collection::vec(any::<usize>(), 0..20),
    ) {
        for limits in [WIDE, NARROW] {
            prop_assert_eq!(decode_cut(&bytes, &cuts, &limits), decode(&bytes, &limits));
        }
    }
}
