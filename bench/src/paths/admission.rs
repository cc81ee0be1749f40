//! What the control plane does with an ask, and with what comes back.

use super::Path;
use signal_fish_core::admission::{Admission, Ask, Verdict};
use signal_fish_core::entry::draw_hashing;
use signal_fish_simulator::shards::GAME;
use signal_fish_simulator::{Sequence, open_limits};
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

/// Addresses that ask in turn.
const ADDRESSES: u32 = 1000;

pub(super) fn paths() -> Vec<Path> {
    vec![
        Path::new("admission/join", decide(|ip| Ask::Join { ip })),
        Path::new("admission/connect_and_end", decide(|ip| Ask::Connect { ip })),
        Path::new(
            "admission/open_room_and_end",
            decide(|ip| Ask::OpenRoom {
                ip,
                app: None,
                game: GAME.into(),
            }),
        ),
    ]
}

fn decide(ask: impl Fn(IpAddr) -> Ask + 'static) -> impl FnMut() {
    let hashing = draw_hashing(&mut Sequence::new(1));
    let mut admission = Admission::new(open_limits(), hashing);
    let now = Duration::from_secs(1);
    let mut turn = 0;
    let mut step = move || {
        turn = (turn + 1) % ADDRESSES;
        let ip = IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 + turn));
        match admission.decide(now, black_box(ask(ip))) {
            Verdict::Refused(refusal) => panic!("{refusal:?}"),
            granted => granted
                .give_back()
                .into_iter()
                .for_each(|notice| admission.give_back(notice)),
        }
    };
    // Every address is known from here on.
    for _ in 0..ADDRESSES {
        step();
    }
    step
}
