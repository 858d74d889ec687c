//! A damaged model is refused, fails to run or runs, but never crashes the process, and needs little time and
//! memory. Thousands of mutations, the same in every run, go through the real runtime: flipped bits,
//! overwritten numbers and truncated files, and valid files with another graph ([`structure`]).
//!
//! Child processes do the work, so a crash or a hang is reported as the number of the mutation, from which
//! [`mutate`] and [`structure::mutate`] make the file again. `CATDOG_TEST_MUTATIONS` is the number of
//! mutations of each test, and `CATDOG_TEST_FIRST_MUTATION` the number of the first.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod structure;

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use catdog_core::engine::Engine as _;
use catdog_core::engine::litert::{Accelerator, LiteRtEngine, LiteRtOptions};
use catdog_core::testing::{
    Random, child, job, model, noise, outside_data, print_uncaptured, runtime,
};

/// Returns the number of mutations per test: `CATDOG_TEST_MUTATIONS`, or 1000.
fn count() -> u64 {
    std::env::var("CATDOG_TEST_MUTATIONS").map_or(1000, |count| count.parse().unwrap())
}

/// Returns the number of the first mutation: `CATDOG_TEST_FIRST_MUTATION`, or 0.
fn first() -> u64 {
    std::env::var("CATDOG_TEST_FIRST_MUTATION").map_or(0, |first| first.parse().unwrap())
}

/// Limit for the CPU time of a mutation, in milliseconds.
const MAX_TIME: u64 = 1000;
/// Limit for the additional memory of a mutation, in KiB. An input can have 201 MB (4096x4096 pixels in
/// float32), and it occurs twice: in the arena and in the host's buffer.
const MAX_MEMORY: u64 = (256 << 10) + 2 * (201 << 10);

/// How long a mutation may take before it counts as hanging. One takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(60);
/// Number of crashes and hangs after which a test ends early.
const MAX_FATAL: usize = 20;

/// Returns mutation `number` of `file`. There are four kinds.
fn mutate(file: &[u8], number: u64) -> Vec<u8> {
    let mut random = Random(number);
    let mut bytes = file.to_vec();
    let flip = |bytes: &mut [u8], random: &mut Random, places: usize| {
        for _ in 0..1 + random.below(8) {
            let place = random.below(places);
            bytes[place] ^= 1 << random.below(8);
        }
    };
    match number % 4 {
        0 => flip(&mut bytes, &mut random, file.len()),
        // In a file that is mostly weights, the tables are at the start and at the end.
        1 => {
            let tables = tables(file.len(), &mut random);
            flip(&mut bytes[tables.clone()], &mut random, tables.len());
        }
        2 => bytes.truncate(random.below(file.len())),
        _ => {
            // Overwrites a 32-bit number with an extreme value, as damaged offsets, sizes and shapes have.
            let values: [u32; 10] =
                [0, 1, 2, 0x7f, 0xff, 0x7fff, 0xffff, 0x7fff_ffff, 0x8000_0000, u32::MAX];
            let tables = tables(file.len(), &mut random);
            let place = (tables.start + random.below(tables.len() - 4)) / 4 * 4;
            let value = values[random.below(values.len())];
            bytes[place..place + 4].copy_from_slice(&value.to_le_bytes());
        }
    }
    bytes
}

/// Returns a part of a file of `len` bytes that holds tables and few weights: its start or its end.
fn tables(len: usize, random: &mut Random) -> std::ops::Range<usize> {
    if random.below(4) == 0 { 0..len.min(2_000) } else { len.saturating_sub(240_000)..len }
}

/// The job of the child process: loads and runs the mutations `numbers` of `files` one after the
/// other, and prints the outcome of each.
fn child_process(files: &[PathBuf], numbers: std::ops::Range<u64>, is_structural: bool) {
    runtime();
    let files: Vec<Vec<u8>> = files.iter().map(|file| std::fs::read(file).unwrap()).collect();
    for number in numbers {
        let mut out = std::io::stdout().lock();
        writeln!(out, "\n@{number} started").unwrap();
        out.flush().unwrap();
        drop(out);
        let bytes = mutation(&files, number, is_structural);
        let options = LiteRtOptions { threads: 1, accelerator: Accelerator::Cpu };
        // Resets the peak of the memory (`proc_pid_clear_refs(5)`).
        let _ = std::fs::write("/proc/self/clear_refs", "5");
        let (start, memory) = (cpu_time(), status("VmRSS:"));
        let outcome = match LiteRtEngine::new(&bytes, &options) {
            Err(_) => "refused",
            Ok(mut engine) => match engine.run() {
                Ok(()) => "ran",
                Err(_) => "failed",
            },
        };
        let memory = status("VmHWM:").saturating_sub(memory);
        let time = cpu_time().saturating_sub(start);
        println!("\n@{number} {outcome} {time} {memory}");
    }
}

/// Returns mutation `number` of one of `files`.
fn mutation(files: &[Vec<u8>], number: u64, is_structural: bool) -> Vec<u8> {
    let file = &files[(number / 4) as usize % files.len()];
    if is_structural { structure::mutate(file, number) } else { mutate(file, number) }
}

/// Returns a number of `/proc/self/status`, in KiB.
fn status(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Returns the CPU time of this process in milliseconds: the nanoseconds of its threads that
/// `/proc/self/task/*/schedstat` counts.
fn cpu_time() -> u64 {
    let threads = std::fs::read_dir("/proc/self/task").unwrap().map_while(Result::ok);
    let time = |thread: std::fs::DirEntry| {
        let text = std::fs::read_to_string(thread.path().join("schedstat")).unwrap_or_default();
        text.split(' ').next().and_then(|time| time.parse::<u64>().ok()).unwrap_or(0)
    };
    threads.map(time).sum::<u64>() / 1_000_000
}

/// The number of mutations with each outcome.
#[derive(Debug, Default)]
struct Tally {
    refused: u64,
    ran: u64,
    failed: u64,
    fatal: Vec<String>,
    /// The most CPU time, in milliseconds, and the mutation that needs it.
    slowest: (u64, u64),
    /// The most additional memory, in KiB, and the mutation that needs it.
    largest: (u64, u64),
}

impl Tally {
    /// Runs all mutations of `files`. A new child process continues after a crash or a hang.
    fn of(test: &str, files: &str, numbers: std::ops::Range<u64>) -> Self {
        let mut tally = Self::default();
        let mut next = numbers.start;
        while next < numbers.end && tally.fatal.len() < MAX_FATAL {
            let mut process = child(test, &format!("{next} {} {files}", numbers.end))
                .stdout(Stdio::piped())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            let lines = lines_of(&mut process);
            let mut current = None;
            next = loop {
                match lines.recv_timeout(PATIENCE) {
                    Ok((number, outcome)) => {
                        current = (outcome == "started").then_some(number);
                        tally.count(number, &outcome);
                    }
                    Err(RecvTimeoutError::Timeout) => {
                        let _ = process.kill();
                        tally.fatal.push(format!("mutation {current:?} hangs"));
                        break current.map_or(numbers.end, |number| number + 1);
                    }
                    Err(RecvTimeoutError::Disconnected) => {
                        let status = process.wait().unwrap();
                        if status.success() && current.is_none() {
                            break numbers.end;
                        }
                        tally.fatal.push(format!("mutation {current:?}: {status}"));
                        break current.map_or(numbers.end, |number| number + 1);
                    }
                }
            };
            let _ = process.wait();
        }
        tally
    }

    fn count(&mut self, number: u64, outcome: &str) {
        let mut words = outcome.split(' ');
        let outcome = words.next().unwrap_or_default();
        let mut figure = || words.next().map_or(0, |word| word.parse::<u64>().unwrap());
        let (time, memory) = (figure(), figure());
        self.slowest = self.slowest.max((time, number));
        self.largest = self.largest.max((memory, number));
        if time > MAX_TIME || memory > MAX_MEMORY {
            self.fatal.push(format!("mutation {number} needs {time} ms and {memory} KiB"));
        }
        match outcome {
            "refused" => self.refused += 1,
            "ran" => self.ran += 1,
            "failed" => self.failed += 1,
            _ => {}
        }
    }
}

/// Returns a channel of the numbers and outcomes that the child process prints. It closes when the process
/// ends.
fn lines_of(process: &mut Child) -> Receiver<(u64, String)> {
    let (sender, receiver) = channel();
    let stdout = BufReader::new(process.stdout.take().unwrap());
    std::thread::spawn(move || {
        for line in stdout.lines().map_while(Result::ok) {
            let Some((number, outcome)) = line.strip_prefix('@').and_then(|l| l.split_once(' '))
            else {
                continue;
            };
            if sender.send((number.parse().unwrap(), outcome.to_owned())).is_err() {
                return;
            }
        }
    });
    receiver
}

/// Runs the mutations of `files` in child processes and asserts that none is fatal. In a child process,
/// does its job.
fn assert_harmless(test: &str, files: &[&Path], count: u64, is_structural: bool) {
    if let Some(job) = job() {
        let (start, job) = job.split_once(' ').unwrap();
        let (end, files) = job.split_once(' ').unwrap();
        let files: Vec<PathBuf> = files.split('|').map(PathBuf::from).collect();
        return child_process(&files, start.parse().unwrap()..end.parse().unwrap(), is_structural);
    }
    let files: Vec<&str> = files.iter().map(|file| file.to_str().unwrap()).collect();
    let tally = Tally::of(test, &files.join("|"), first()..first() + count);
    print_uncaptured(&format!(
        "{test}: of {count} mutations, {} were refused, {} failed to run, {} ran, {} crashed, hung or exceeded \
         a limit; the slowest took {} ms (mutation {}), the largest {} KiB (mutation {})",
        tally.refused,
        tally.failed,
        tally.ran,
        tally.fatal.len(),
        tally.slowest.0,
        tally.slowest.1,
        tally.largest.0,
        tally.largest.1
    ));
    assert!(tally.fatal.is_empty(), "{:#?}", tally.fatal);
    assert_eq!(tally.refused + tally.failed + tally.ran, count);
    assert!(tally.ran > 0 && tally.refused > 0, "the mutations test nothing: {tally:?}");
}

/// Returns the models in a folder of `tests/models`.
fn models(folder: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(model(folder))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "tflite"))
        .collect();
    files.sort();
    assert!(files.len() >= 16);
    files
}

#[test]
fn no_mutation_of_a_small_model_crashes() {
    let files = models("");
    let files: Vec<&Path> = files.iter().map(PathBuf::as_path).collect();
    assert_harmless("no_mutation_of_a_small_model_crashes", &files, count(), false);
}

#[test]
fn no_other_graph_of_a_small_model_crashes() {
    let files = [models(""), models("operators")].concat();
    let files: Vec<&Path> = files.iter().map(PathBuf::as_path).collect();
    // More than the others, because there are more kinds of changes.
    assert_harmless("no_other_graph_of_a_small_model_crashes", &files, 4 * count(), true);
}

#[test]
fn no_mutation_of_a_real_model_crashes() {
    let test = "no_mutation_of_a_real_model_crashes";
    let Some(file) = outside_data(test, "models/cat-dog-mnv2.tflite") else { return };
    assert_harmless(test, &[&file], count(), false);
}

/// Writes mutation `CATDOG_TEST_FIRST_MUTATION` of the small models to `CATDOG_TEST_MUTATION_FILE`, to study it.
#[test]
#[ignore = "writes a file"]
fn write_another_graph() {
    let files = [models(""), models("operators")].concat();
    let files: Vec<Vec<u8>> = files.iter().map(|file| std::fs::read(file).unwrap()).collect();
    let path = std::env::var("CATDOG_TEST_MUTATION_FILE").unwrap();
    std::fs::write(path, mutation(&files, first(), true)).unwrap();
}

#[test]
fn mutations_are_the_same_in_every_run() {
    let file = noise(5000, 1);
    for number in 0..200 {
        let mutated = mutate(&file, number);
        assert_eq!(mutated, mutate(&file, number));
        assert_ne!(mutated, file, "mutation {number} changes nothing");
    }
    let file = std::fs::read(model("int8_quant.tflite")).unwrap();
    for number in 0..200 {
        let mutated = structure::mutate(&file, number);
        assert_eq!(mutated, structure::mutate(&file, number));
        assert_ne!(mutated, file, "structural mutation {number} changes nothing");
    }
}
