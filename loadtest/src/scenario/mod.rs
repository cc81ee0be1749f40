//! The loads. Each thread drives one or more of them over its own connections.

mod churn;
mod gate;
mod idle;
mod load;
mod lobby;
mod matchbox;
mod reconnect;
mod relay;
mod sessions;

pub use gate::Gate;
pub use load::{Outcome, Part, Progress, Scenario};

use crate::plan::Load;
use std::sync::Arc;

/// The loads of one thread.
#[must_use]
pub fn scenarios(part: &Part, gate: &Arc<Gate>) -> Vec<Box<dyn Scenario>> {
    let (share, thread) = (&part.plan, part.thread);
    let relay = |spectators| -> Box<dyn Scenario> { Box::new(relay::Relay::new(part, spectators, Arc::clone(gate))) };
    let lobby = || -> Box<dyn Scenario> { Box::new(lobby::Lobby::new(share, thread, Arc::clone(gate))) };
    let idle = || -> Box<dyn Scenario> { Box::new(idle::Idle::new(share, thread, Arc::clone(gate))) };
    match share.load {
        Load::Relay => vec![relay(0)],
        Load::Spectate => vec![relay(share.spectators)],
        Load::Lobby => vec![lobby()],
        Load::Churn => vec![Box::new(churn::Churn::new(
            share,
            thread,
            share.sessions_per_second,
            Arc::clone(gate),
        ))],
        Load::Reconnect => vec![Box::new(reconnect::Reconnect::new(share, thread, Arc::clone(gate)))],
        Load::Idle => vec![idle()],
        Load::RelayRooms => vec![relay(0)],
        Load::Matchbox => vec![Box::new(matchbox::Matchbox::new(part, Arc::clone(gate)))],
        Load::Mix => vec![
            relay(share.spectators),
            lobby(),
            Box::new(churn::Churn::new(
                share,
                thread,
                share.churn_per_second,
                Arc::clone(gate),
            )),
            idle(),
        ],
    }
}

/// How often one thread arrives at the gate: once per load.
#[must_use]
pub fn loads_per_thread(load: Load) -> usize {
    if load == Load::Mix { 4 } else { 1 }
}
