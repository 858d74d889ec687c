//! A damaged model is refused, fails to run or runs, but never crashes the process. Thousands of mutations
//! (flipped bits, overwritten numbers, truncated files), the same in every run, go through the real
//! runtime.
//!
//! Child processes do the work, so a crash or a hang is reported as the number of the mutation, from which
//! [`mutate`] makes the file again.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

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
fn child_process(files: &[PathBuf], numbers: std::ops::Range<u64>) {
    runtime();
    let files: Vec<Vec<u8>> = files.iter().map(|file| std::fs::read(file).unwrap()).collect();
    for number in numbers {
        let mut out = std::io::stdout().lock();
        writeln!(out, "\n@{number} started").unwrap();
        out.flush().unwrap();
        drop(out);
        let file = &files[(number / 4) as usize % files.len()];
        let bytes = mutate(file, number);
        let options = LiteRtOptions { threads: 1, accelerator: Accelerator::Cpu };
        let outcome = match LiteRtEngine::new(&bytes, &options) {
            Err(_) => "refused",
            Ok(mut engine) => match engine.run() {
                Ok(()) => "ran",
                Err(_) => "failed",
            },
        };
        println!("\n@{number} {outcome}");
    }
}

/// The number of mutations with each outcome.
#[derive(Debug, Default)]
struct Tally {
    refused: u64,
    ran: u64,
    failed: u64,
    fatal: Vec<String>,
}

impl Tally {
    /// Runs all mutations of `files`. A new child process continues after a crash or a hang.
    fn of(test: &str, files: &str) -> Self {
        let mut tally = Self::default();
        let mut next = 0;
        while next < count() && tally.fatal.len() < MAX_FATAL {
            let mut process = child(test, &format!("{next} {files}"))
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
                        tally.count(&outcome);
                    }
                    Err(RecvTimeoutError::Timeout) => {
                        let _ = process.kill();
                        tally.fatal.push(format!("mutation {current:?} hangs"));
                        break current.map_or(count(), |number| number + 1);
                    }
                    Err(RecvTimeoutError::Disconnected) => {
                        let status = process.wait().unwrap();
                        if status.success() && current.is_none() {
                            break count();
                        }
                        tally.fatal.push(format!("mutation {current:?}: {status}"));
                        break current.map_or(count(), |number| number + 1);
                    }
                }
            };
            let _ = process.wait();
        }
        tally
    }

    fn count(&mut self, outcome: &str) {
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
fn assert_harmless(test: &str, files: &[&Path]) {
    if let Some(job) = job() {
        let (start, files) = job.split_once(' ').unwrap();
        let files: Vec<PathBuf> = files.split('|').map(PathBuf::from).collect();
        return child_process(&files, start.parse().unwrap()..count());
    }
    let files: Vec<&str> = files.iter().map(|file| file.to_str().unwrap()).collect();
    let tally = Tally::of(test, &files.join("|"));
    print_uncaptured(&format!(
        "{test}: of {} mutations, {} were refused, {} failed to run, {} ran, {} crashed or hung",
        count(),
        tally.refused,
        tally.failed,
        tally.ran,
        tally.fatal.len()
    ));
    assert!(tally.fatal.is_empty(), "{:#?}", tally.fatal);
    assert_eq!(tally.refused + tally.failed + tally.ran, count());
    assert!(tally.ran > 0 && tally.refused > 0, "the mutations test nothing: {tally:?}");
}

#[test]
fn no_mutation_of_a_small_model_crashes() {
    let mut files: Vec<PathBuf> = std::fs::read_dir(model(""))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "tflite"))
        .collect();
    files.sort();
    assert!(files.len() >= 16);
    let files: Vec<&Path> = files.iter().map(PathBuf::as_path).collect();
    assert_harmless("no_mutation_of_a_small_model_crashes", &files);
}

#[test]
fn no_mutation_of_a_real_model_crashes() {
    let test = "no_mutation_of_a_real_model_crashes";
    let Some(file) = outside_data(test, "models/cat-dog-mnv2.tflite") else { return };
    assert_harmless(test, &[&file]);
}

#[test]
fn mutations_are_the_same_in_every_run() {
    let file = noise(5000, 1);
    for number in 0..200 {
        let mutated = mutate(&file, number);
        assert_eq!(mutated, mutate(&file, number));
        assert_ne!(mutated, file, "mutation {number} changes nothing");
    }
}
