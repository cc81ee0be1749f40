//! Every operation that is measured, by topic.

mod admission;
mod codec;
mod encode;
mod handoff;
mod message_pack;
mod parse;
mod path;
mod relay;
mod shard;

pub use path::Path;

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
