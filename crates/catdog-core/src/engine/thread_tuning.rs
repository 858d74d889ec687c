//! Chooses the number of CPU threads for an inference (`threads=0`).
//!
//! The gain from a second thread depends on the graph and on the CPU, so it is measured: the model
//! is loaded with one thread, then two, then four, as long as doubling the threads is worth it. If
//! there are several CPUs, one is left for capture, decoding and encoding. The choice is cached in
//! the user's cache folder, keyed by model and machine, because tuning loads the model up to three
//! times.

use std::collections::BTreeMap;
use std::collections::hash_map::DefaultHasher;
use std::fs;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex};
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use super::litert::Accelerator;
use super::shared_model::SharedModel;
use super::{EngineOptions, ModelLoadError, Runtime};
use crate::model::tflite::ModelOptions;
use crate::sync::lock;
use crate::user_cache::UserCache;

/// Doubling the threads is worth it if the inference then takes at most this share of the time: the
/// rest of the pipeline needs the CPUs, too.
const WORTHWHILE_RATIO: f64 = 0.75;

/// The largest number of threads. With more, the small graphs of classifiers lose more time to
/// distributing the work than they gain.
const MAX_THREADS: u32 = 4;

/// Inferences per candidate. The fastest one counts, because other load can only slow an inference
/// down.
const TRIALS: usize = 5;

/// The cache of the chosen numbers.
const CACHE: UserCache = UserCache::new("threads.json");

/// Loads the model in `file` with the best number of threads, which replaces that of `options`, and
/// returns it. `model_options` and `optimize` are passed to [`SharedModel::load`].
///
/// # Errors
///
/// As [`SharedModel::load`].
pub fn load(
    file: &[u8],
    options: &EngineOptions,
    model_options: &ModelOptions,
    optimize: bool,
) -> Result<(Arc<SharedModel>, u32), ModelLoadError> {
    let cpus = available_parallelism().map_or(1, usize::from);
    let candidates = match options.accelerator {
        Accelerator::Cpu => candidates(cpus),
        _ => vec![1],
    };
    load_with(file, options, model_options, optimize, &candidates)
}

/// As [`load`], choosing from `candidates`, which are in ascending order.
///
/// # Errors
///
/// As [`SharedModel::load`].
pub fn load_with(
    file: &[u8],
    options: &EngineOptions,
    model_options: &ModelOptions,
    optimize: bool,
    candidates: &[u32],
) -> Result<(Arc<SharedModel>, u32), ModelLoadError> {
    let load = |threads| {
        SharedModel::load(file, &EngineOptions { threads, ..*options }, model_options, optimize)
    };
    if let [] | [_] = candidates {
        let threads = candidates.first().copied().unwrap_or(1);
        return Ok((load(threads)?, threads));
    }
    // The lock is held during the measurement, so that elements that start at the same time measure
    // once.
    static CHOSEN: Mutex<BTreeMap<String, u32>> = Mutex::new(BTreeMap::new());
    let mut chosen = lock(&CHOSEN);
    let key = key(file, options.runtime, model_options, optimize);
    let known =
        chosen.get(&key).copied().or_else(|| CACHE.get(&key).and_then(|text| text.parse().ok()));
    // The tried models stay alive until the end, so that the chosen one is not loaded again.
    let mut tried = Vec::new();
    let threads = match known.filter(|threads| candidates.contains(threads)) {
        Some(threads) => threads,
        None => {
            let threads = choose(candidates, |threads| {
                let model = load(threads)?;
                tried.push(Arc::clone(&model));
                fastest(&model)
            })?;
            CACHE.insert(&key, &threads.to_string());
            threads
        }
    };
    chosen.insert(key, threads);
    Ok((load(threads)?, threads))
}

/// Returns the powers of two up to [`MAX_THREADS`] that leave one CPU free; 1 in any case.
fn candidates(cpus: usize) -> Vec<u32> {
    let doubles = std::iter::successors(Some(1), |threads| Some(2 * threads));
    doubles.take_while(|&n| n == 1 || (n <= MAX_THREADS && (n as usize) < cpus)).collect()
}

/// Returns the first of `candidates` (in ascending order) after which doubling the threads is not
/// worthwhile, by the measured `time`.
fn choose<E>(
    candidates: &[u32],
    mut time: impl FnMut(u32) -> Result<Duration, E>,
) -> Result<u32, E> {
    let mut best: Option<(u32, Duration)> = None;
    for &threads in candidates {
        let now = time(threads)?;
        if best.is_some_and(|(_, before)| now > before.mul_f64(WORTHWHILE_RATIO)) {
            break;
        }
        best = Some((threads, now));
    }
    Ok(best.map_or(1, |(threads, _)| threads))
}

/// Returns the duration of the fastest of several inferences.
fn fastest(model: &SharedModel) -> Result<Duration, ModelLoadError> {
    let mut engine = model.pool().acquire();
    let mut fastest = Duration::MAX;
    for _ in 0..TRIALS {
        let start = Instant::now();
        super::run(&mut *engine)?;
        fastest = fastest.min(start.elapsed());
    }
    Ok(fastest)
}

/// Returns the cache key: a hash of the model, the options, the version and the processor.
fn key(file: &[u8], runtime: Runtime, model_options: &ModelOptions, optimize: bool) -> String {
    let mut hasher = DefaultHasher::new();
    (file, runtime, model_options, optimize, env!("CARGO_PKG_VERSION"), processor())
        .hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

/// Returns the name of the processor and the number of CPUs.
fn processor() -> (String, usize) {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    // x86 lists "model name"; Arm lists "CPU part", and on a Raspberry Pi also "Model".
    let named =
        |line: &&str| ["model name", "CPU part", "Model"].iter().any(|name| line.starts_with(name));
    let mut names: Vec<&str> = text.lines().filter(named).collect();
    names.dedup();
    (names.concat(), available_parallelism().map_or(1, usize::from))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    #[test]
    fn one_cpu_stays_free_and_four_threads_are_the_limit() {
        let expected: [(usize, &[u32]); 6] =
            [(1, &[1]), (2, &[1]), (3, &[1, 2]), (4, &[1, 2]), (5, &[1, 2, 4]), (64, &[1, 2, 4])];
        for (cpus, want) in expected {
            assert_eq!(candidates(cpus), want, "{cpus} CPUs");
        }
    }

    /// Returns the choice and the number of candidates measured, if one, two and four threads take
    /// `times` microseconds.
    fn chosen(times: [u64; 3]) -> (u32, usize) {
        let mut tried = 0;
        let threads = choose(&[1, 2, 4], |threads| {
            tried += 1;
            Ok::<_, Infallible>(Duration::from_micros(times[threads.ilog2() as usize]))
        });
        (threads.unwrap(), tried)
    }

    #[test]
    fn measuring_stops_when_doubling_is_not_worthwhile() {
        assert_eq!(chosen([1000, 600, 400]), (4, 3));
        assert_eq!(chosen([1000, 600, 500]), (2, 3));
        assert_eq!(chosen([1000, 800, 100]), (1, 2));
        assert_eq!(chosen([1000, 750, 750]), (2, 3));
    }
}
