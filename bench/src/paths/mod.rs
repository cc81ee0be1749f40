//! Every operation that is measured, by topic.

mod admission;
mod codec;
mod encode;
mod handoff;
mod message_pack;
mod parse;
mod relay;
mod shard;

/// One operation that can be repeated as often as one likes, at the same cost each time.
pub struct Path {
    /// Topic and name, separated by a slash.
    pub name: &'static str,
    operation: Box<dyn FnMut()>,
}

impl Path {
    fn new(name: &'static str, operation: impl FnMut() + 'static) -> Self {
        let operation = Box::new(operation);
        Self { name, operation }
    }

    /// Carries it out once.
    #[inline]
    pub fn run(&mut self) {
        (self.operation)();
    }
}

impl std::fmt::Debug for Path {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Path").field(&self.name).finish()
    }
}

/// All of them, set up anew.
#[must_use]
pub fn all() -> Vec<Path> {
    [
        relay::paths(),
        parse::paths(),
        encode::paths(),
        codec::paths(),
        message_pack::paths(),
        handoff::paths(),
        admission::paths(),
        shard::paths(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_path_can_be_repeated() {
        let mut paths = super::all();
        for path in &mut paths {
            for _ in 0..3 {
                path.run();
            }
        }
        let mut names: Vec<_> = paths.iter().map(|path| path.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), paths.len(), "names are unique");
    }
}
