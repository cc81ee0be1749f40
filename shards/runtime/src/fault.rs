//! Faults that tests ask for, to prove what a panic does. They do not exist in release builds.

/// Names the thread that is to fail.
#[cfg(debug_assertions)]
const VARIABLE: &str = "TEST_FAULT_IN";

/// A fault of one thread.
#[derive(Debug, Clone, Copy)]
pub struct Fault {
    #[cfg(debug_assertions)]
    wanted: bool,
}

impl Fault {
    /// The fault of this thread, if a test asked for it.
    #[must_use]
    #[cfg_attr(not(debug_assertions), expect(unused_variables, reason = "nobody can ask for it"))]
    pub fn of(thread: &str) -> Self {
        Self {
            #[cfg(debug_assertions)]
            wanted: std::env::var_os(VARIABLE).is_some_and(|wanted| wanted == thread),
        }
    }

    /// Panics if the fault is wanted.
    ///
    /// # Panics
    /// If a test asked for it, never in a release build.
    pub fn strike(self) {
        #[cfg(debug_assertions)]
        assert!(!self.wanted, "a test asked for this fault");
    }
}
