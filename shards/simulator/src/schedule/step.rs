//! What a step is.

use crate::random::Sequence;

/// Steps of a whole schedule.
pub const STEPS: u32 = 120;

/// Clients of a schedule.
pub(super) const CLIENTS: usize = 7;

/// What happens in a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A client says something.
    Say,
    /// A client says much at once, and may end behind it.
    Burst,
    /// A client sends more frames than a turn handles.
    Flood,
    /// A client relays more than the outboxes of others hold.
    Storm,
    /// Time passes.
    Wait,
    /// Time passes up to the next deadline, which meets what is under way.
    Meet,
    /// The clock leaps: nothing had a turn meanwhile.
    Leap,
    /// A shard has no turn for a while.
    Stall,
    /// The network treats a client in another way: pieces, narrow windows, a drip.
    Line,
    /// A client stops reading.
    Deafen,
    /// Nothing of what a client sends arrives.
    Mute,
    /// A client's line is as good as any again.
    Mend,
    /// A connection is reset.
    Reset,
    /// A connection is lost in the middle of a frame.
    CutFrame,
    /// A client leaves a frame incomplete.
    HalfFrame,
    /// A client breaks RFC 6455.
    Violate,
    /// A client ends its direction.
    HalfClose,
    /// A client sends a close frame.
    Close,
    /// Sends to a client fail, and nothing else tells.
    BreakOutput,
    /// Mail takes longer, each pair by itself.
    DelayMail,
    /// Connections between shards wait, or arrive again.
    HoldMoves,
    /// Verdicts wait, or come again.
    HoldVerdicts,
    /// A verdict that waits comes.
    Answer,
    /// Mailboxes take few connections, or as many as there are.
    FillMailbox,
    /// No descriptor is left for some newcomers.
    Exhaust,
    /// A client connects anew and shows its token.
    Return,
    /// Two connections show the same token.
    ReturnTwice,
    /// A token that was shown before, or was not, is shown by anybody.
    ReplayToken,
    /// A client connects and names a room in its URL.
    Hint,
    /// Somebody connects and says nothing.
    Lurk,
    /// The server drains.
    Drain,
}

/// Kinds with their weights.
const KINDS: [(Kind, usize); 31] = [
    (Kind::Say, 90),
    (Kind::Burst, 12),
    (Kind::Flood, 2),
    (Kind::Storm, 5),
    (Kind::Wait, 14),
    (Kind::Meet, 8),
    (Kind::Leap, 2),
    (Kind::Stall, 4),
    (Kind::Line, 5),
    (Kind::Deafen, 6),
    (Kind::Mute, 2),
    (Kind::Mend, 8),
    (Kind::Reset, 5),
    (Kind::CutFrame, 2),
    (Kind::HalfFrame, 2),
    (Kind::Violate, 2),
    (Kind::HalfClose, 4),
    (Kind::Close, 3),
    (Kind::BreakOutput, 1),
    (Kind::DelayMail, 3),
    (Kind::HoldMoves, 5),
    (Kind::HoldVerdicts, 5),
    (Kind::Answer, 8),
    (Kind::FillMailbox, 2),
    (Kind::Exhaust, 1),
    (Kind::Return, 8),
    (Kind::ReturnTwice, 3),
    (Kind::ReplayToken, 3),
    (Kind::Hint, 2),
    (Kind::Lurk, 1),
    (Kind::Drain, 0),
];

/// One schedule in so many drains; each step of such a one may be where it begins.
const DRAINS_ONE_IN: usize = 6;

/// What a step is, and where it draws the rest from.
#[derive(Debug, Clone)]
pub(super) struct Draw {
    pub(super) kind: Kind,
    pub(super) client: usize,
    /// Steps of a client settle, are given some rounds, or race with what follows.
    pub(super) rounds: Option<usize>,
    pub(super) random: Sequence,
}

impl Draw {
    pub(super) fn new(seed: u64, step: u32) -> Self {
        let mut random = Sequence::stream(seed, 10_000 + u64::from(step));
        let mut of_seed = Sequence::stream(seed, 201);
        let drains = of_seed.up_to(DRAINS_ONE_IN - 1) == 0;
        let drain_at = of_seed.up_to(STEPS as usize - 1);
        let sum: usize = KINDS.iter().map(|(_, weight)| weight).sum();
        let mut place = random.up_to(sum - 1);
        let kind = KINDS.iter().find(|(_, weight)| match place.checked_sub(*weight) {
            Some(left) => {
                place = left;
                false
            }
            None => true,
        });
        let kind = kind.map_or(Kind::Say, |(kind, _)| *kind);
        let rounds = match random.up_to(9) {
            0 => Some(0),
            1..=3 => Some(1 + random.up_to(4)),
            _ => None,
        };
        Self {
            kind: if drains && step as usize == drain_at {
                Kind::Drain
            } else {
                kind
            },
            client: random.up_to(CLIENTS - 1),
            rounds,
            random,
        }
    }
}
