//! Faults that tests ask for, to prove what a panic does and what a shard that stands still does. They do not exist in
//! release builds.

/// Names the thread that is to fail.
#[cfg(debug_assertions)]
const VARIABLE: &str = "TEST_FAULT_IN";

/// Names a file. While it exists, the first shard stands still.
#[cfg(debug_assertions)]
const STALL_VARIABLE: &str = "TEST_STALL_WHILE";

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

/// A shard that stands still now and then.
#[derive(Debug)]
pub(crate) struct Stall {
    #[cfg(debug_assertions)]
    file: Option<std::path::PathBuf>,
}

impl Stall {
    /// The stall of this shard, if a test asked for it.
    #[cfg_attr(not(debug_assertions), expect(unused_variables, reason = "nobody can ask for it"))]
    pub(crate) fn of(shard: u16) -> Self {
        Self {
            #[cfg(debug_assertions)]
            file: std::env::var_os(STALL_VARIABLE).filter(|_| shard == 0).map(Into::into),
        }
    }

    /// Stands still for as long as the test wants.
    pub(crate) fn hold(&self) {
        #[cfg(debug_assertions)]
        while self.file.as_ref().is_some_and(|file| file.exists()) {
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
    }
}
