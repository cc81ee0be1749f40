//! Times every path of `signal_fish_bench::paths`. `cargo bench -p signal-fish-bench -- relay` times one topic.
#![allow(missing_docs, reason = "criterion_group! makes a public function")]

use criterion::{Criterion, criterion_group, criterion_main};
use signal_fish_bench::paths;
use std::time::Duration;

fn hot_path(criterion: &mut Criterion) {
    for mut path in paths::all() {
        criterion.bench_function(path.name, |bencher| bencher.iter(|| path.run()));
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(3));
    targets = hot_path
}
criterion_main!(benches);
