//! How many threads a model gets where nobody says, with LiteRT: tried once, then remembered.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::collections::BTreeMap;
use std::path::Path;

use common::*;
use gstcatdog::engine::calibration;
use gstcatdog::engine::litert::Accelerator;

const TEST: &str = "what_was_tried_is_remembered";
const FILE: &str = "catdog/threads.json";

/// The number of threads that a process of its own chooses, with `cache` as the cache folder.
fn chosen(cache: &Path) -> u32 {
    let output = child(TEST, "choose").env("XDG_CACHE_HOME", cache).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = text.lines().find_map(|line| line.strip_prefix("chosen "));
    let errors = String::from_utf8_lossy(&output.stderr);
    line.unwrap_or_else(|| panic!("{text}{errors}")).parse().unwrap()
}

fn choose() {
    runtime();
    let file = std::fs::read(manifest().join("models/catdog.tflite")).unwrap();
    let load = || calibration::load_with(&file, Accelerator::Cpu, true, &[1, 2]).unwrap();
    let (model, threads) = load();
    assert_eq!(load().1, threads);
    assert!(model.inference_time().as_nanos() > 0);
    println!("\nchosen {threads}");
}

#[test]
fn what_was_tried_is_remembered() {
    if job().is_some() {
        return choose();
    }
    let folder = tempfile::tempdir().unwrap();
    let (cache, file) = (folder.path(), folder.path().join(FILE));
    let entries = || -> BTreeMap<String, u32> {
        serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap()
    };
    let first = chosen(cache);
    say(&format!("one thread or two: {first}"));
    assert_eq!(entries().into_values().collect::<Vec<u32>>(), [first]);

    // What is remembered is taken, so nothing was tried.
    let other = 3 - first;
    let changed: BTreeMap<String, u32> = entries().into_keys().map(|key| (key, other)).collect();
    std::fs::write(&file, serde_json::to_vec(&changed).unwrap()).unwrap();
    assert_eq!(chosen(cache), other);

    // But not a number that could not have been chosen here.
    let impossible: BTreeMap<String, u32> = changed.into_keys().map(|key| (key, 77)).collect();
    std::fs::write(&file, serde_json::to_vec(&impossible).unwrap()).unwrap();
    assert!([1, 2].contains(&chosen(cache)));
    assert!(entries().into_values().all(|threads| threads < 3));

    std::fs::write(&file, b"{damaged").unwrap();
    assert!([1, 2].contains(&chosen(cache)));
    assert_eq!(entries().len(), 1);
    // A folder that cannot be made.
    assert!([1, 2].contains(&chosen(&file)));
    let left: Vec<_> = std::fs::read_dir(cache.join("catdog")).unwrap().collect();
    assert_eq!(left.len(), 1, "{left:?}");
}
