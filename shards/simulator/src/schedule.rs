//! Random schedules: clients of every kind, everything that networks, mail and clocks do to them, and the ledger.
//!
//! A schedule is a seed and the numbers of its steps. What a step does is drawn from the seed and its number alone, so a
//! schedule without some of its steps does the same in the others. That is how a failing one is [shrunk](shrink).
//!
//! | file | what it is about |
//! |---|---|
//! | `circumstances` | the settings, limits and bounds that a seed draws |
//! | `selection` | a seed, and which of its steps are played |
//! | `step` | what a step is: kinds, weights, who it is about |
//! | `cast` | the clients, and what they know |
//! | `play` | steps are carried out |
//! | `messages` | what clients say |
//! | `shrink` | the smallest part of a schedule that still fails |

mod cast;
mod circumstances;
mod messages;
mod play;
mod selection;
mod shrink;
mod step;

pub use play::{Played, play};
pub use selection::Schedule;
pub use shrink::shrink;
pub use step::{Kind, STEPS};
