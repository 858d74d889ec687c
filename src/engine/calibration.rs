//! How many CPU threads an inference is given where nobody says.
//!
//! It depends on the graph and on the processor how much a second thread helps, so it is tried: the
//! model is loaded with one thread, with two, with four, as long as twice as many are worth it. One
//! processor at least is left to capture, decoding and encoding. What came out is kept in the
//! user's cache folder, by model and machine, because the trial takes as long as some starts.

use std::collections::BTreeMap;
use std::collections::hash_map::DefaultHasher;
use std::env;
use std::fs;
use std::hash::{Hash, Hasher};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use super::litert::{Accelerator, LiteRtOptions};
use super::shared::SharedModel;
use crate::error::LoadError;
use crate::files;
use crate::sync::lock;

/// Twice as many threads are worth it where they take this share of the time or less: the rest of
/// the pipeline has a use for the processors too.
const WORTH_IT: f64 = 0.75;

/// Beyond four, the small graphs of classifiers spend more on handing out work than they gain.
const MOST_THREADS: u32 = 4;

/// Inferences of each trial, of which the fastest counts: others are disturbed, never sped up.
const TRIALS: usize = 5;

/// Below the user's cache folder.
const CACHE_FILE: &str = "catdog/threads.json";
/// Far more than one user has models.
const CACHE_BYTES: u64 = 64 << 10;
const CACHE_ENTRIES: usize = 500;

/// The model in `file` with as many threads as are worth it, and their number. `optimize` as in
/// [`SharedModel::load`].
///
/// # Errors
///
/// As [`SharedModel::load`].
pub fn load(
    file: &[u8],
    accelerator: Accelerator,
    optimize: bool,
) -> Result<(Arc<SharedModel>, u32), LoadError> {
    let processors = available_parallelism().map_or(1, usize::from);
    let candidates = match accelerator {
        Accelerator::Cpu => candidates(processors),
        _ => vec![1],
    };
    load_with(file, accelerator, optimize, &candidates)
}

/// [`load`] with one of these numbers of threads, in rising order.
///
/// # Errors
///
/// As [`SharedModel::load`].
pub fn load_with(
    file: &[u8],
    accelerator: Accelerator,
    optimize: bool,
    candidates: &[u32],
) -> Result<(Arc<SharedModel>, u32), LoadError> {
    let load = |threads| SharedModel::load(file, &LiteRtOptions { threads, accelerator }, optimize);
    if let [] | [_] = candidates {
        let threads = candidates.first().copied().unwrap_or(1);
        return Ok((load(threads)?, threads));
    }
    // Held all the while, so that elements that start together try once.
    static CHOSEN: Mutex<BTreeMap<String, u32>> = Mutex::new(BTreeMap::new());
    let mut chosen = lock(&CHOSEN);
    let key = key(file, optimize);
    let known = chosen.get(&key).copied().or_else(|| read_cache().get(&key).copied());
    // Kept until the end, so that the one that is chosen need not be loaded again.
    let mut tried = Vec::new();
    let threads = match known.filter(|threads| candidates.contains(threads)) {
        Some(threads) => threads,
        None => {
            let threads = choose(candidates, |threads| {
                let model = load(threads)?;
                tried.push(Arc::clone(&model));
                fastest(&model)
            })?;
            write_cache(&key, threads);
            threads
        }
    };
    chosen.insert(key, threads);
    Ok((load(threads)?, threads))
}

/// One, and its doubles as long as a processor is left for others.
fn candidates(processors: usize) -> Vec<u32> {
    let doubles = std::iter::successors(Some(1), |threads| Some(2 * threads));
    doubles.take_while(|&n| n == 1 || (n <= MOST_THREADS && (n as usize) < processors)).collect()
}

/// The last of `candidates`, which are in rising order, that is worth it by the `time` it takes.
fn choose<E>(
    candidates: &[u32],
    mut time: impl FnMut(u32) -> Result<Duration, E>,
) -> Result<u32, E> {
    let mut best: Option<(u32, Duration)> = None;
    for &threads in candidates {
        let now = time(threads)?;
        if best.is_some_and(|(_, before)| now > before.mul_f64(WORTH_IT)) {
            break;
        }
        best = Some((threads, now));
    }
    Ok(best.map_or(1, |(threads, _)| threads))
}

/// What an inference takes when nothing disturbs it.
fn fastest(model: &SharedModel) -> Result<Duration, LoadError> {
    let mut engine = model.pool().take();
    let mut fastest = Duration::MAX;
    for _ in 0..TRIALS {
        let start = Instant::now();
        super::run(&mut *engine)?;
        fastest = fastest.min(start.elapsed());
    }
    Ok(fastest)
}

/// The model, what is done with it, and where it runs.
fn key(file: &[u8], optimize: bool) -> String {
    let mut hasher = DefaultHasher::new();
    (file, optimize, env!("CARGO_PKG_VERSION"), processor()).hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

/// The processor by name and number.
fn processor() -> (String, usize) {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    // x86 says the model's name, Arm the part's number, and a Raspberry Pi which of them it is.
    let named =
        |line: &&str| ["model name", "CPU part", "Model"].iter().any(|name| line.starts_with(name));
    let mut names: Vec<&str> = text.lines().filter(named).collect();
    names.dedup();
    (names.concat(), available_parallelism().map_or(1, usize::from))
}

/// What was chosen before; empty where there is no such file, or it is damaged.
fn read_cache() -> BTreeMap<String, u32> {
    let bytes = cache_file().and_then(|path| files::read(&path, CACHE_BYTES).ok());
    bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
}

/// Without a cache the next start tries again: that it cannot be written is no error.
fn write_cache(key: &str, threads: u32) {
    let Some(path) = cache_file() else { return };
    let mut all = read_cache();
    if all.len() >= CACHE_ENTRIES {
        all.clear();
    }
    all.insert(key.to_owned(), threads);
    // Made aside and moved into place: others may be reading.
    let aside = path.with_extension(format!("{}", std::process::id()));
    let written = path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| {
        fs::write(&aside, serde_json::to_vec(&all)?)?;
        fs::rename(&aside, &path)
    });
    if written.is_err() {
        let _ = fs::remove_file(&aside);
    }
}

/// By the XDG base directory specification: a relative `XDG_CACHE_HOME` does not count.
fn cache_file() -> Option<PathBuf> {
    let absolute = |path: PathBuf| Some(path).filter(|path| path.is_absolute());
    let folder = env::var_os("XDG_CACHE_HOME").map(PathBuf::from).and_then(absolute);
    let home = || Some(absolute(env::var_os("HOME")?.into())?.join(".cache"));
    Some(folder.or_else(home)?.join(CACHE_FILE))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    #[test]
    fn a_processor_is_left_to_others_and_four_threads_are_the_most() {
        let expected: [(usize, &[u32]); 6] =
            [(1, &[1]), (2, &[1]), (3, &[1, 2]), (4, &[1, 2]), (5, &[1, 2, 4]), (64, &[1, 2, 4])];
        for (processors, want) in expected {
            assert_eq!(candidates(processors), want, "{processors} processors");
        }
    }

    /// What is chosen where one, two and four threads take so many microseconds, and how many of
    /// them are tried.
    fn chosen(times: [u64; 3]) -> (u32, usize) {
        let mut tried = 0;
        let threads = choose(&[1, 2, 4], |threads| {
            tried += 1;
            Ok::<_, Infallible>(Duration::from_micros(times[threads.ilog2() as usize]))
        });
        (threads.unwrap(), tried)
    }

    #[test]
    fn more_threads_than_are_worth_it_are_not_used_nor_tried() {
        assert_eq!(chosen([1000, 600, 400]), (4, 3));
        assert_eq!(chosen([1000, 600, 500]), (2, 3));
        assert_eq!(chosen([1000, 800, 100]), (1, 2));
        assert_eq!(chosen([1000, 750, 750]), (2, 3));
    }
}
