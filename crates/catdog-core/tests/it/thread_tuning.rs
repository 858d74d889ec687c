//! The choice of the thread count (`threads=0`) with LiteRT: it is measured once, and then read from the
//! cache.

use std::collections::BTreeMap;
use std::path::Path;

use catdog_core::engine::thread_tuning;
use catdog_core::model::tflite::ModelOptions;
use catdog_core::testing::{child, job, print_uncaptured, repository, runtime};

const TEST: &str = "thread_tuning::the_choice_is_cached";
const FILE: &str = "catdog/threads.json";

/// Returns the number of threads that a child process chooses, with `cache` as the cache folder.
fn chosen(cache: &Path) -> u32 {
    let output = child(TEST, "choose").env("XDG_CACHE_HOME", cache).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = text.lines().find_map(|line| line.strip_prefix("chosen "));
    let errors = String::from_utf8_lossy(&output.stderr);
    line.unwrap_or_else(|| panic!("{text}{errors}")).parse().unwrap()
}

/// The job of the child process: prints the number of threads.
fn choose() {
    runtime();
    let file = std::fs::read(repository().join("models/catdog.tflite")).unwrap();
    let load = || {
        thread_tuning::load_with(&file, &crate::litert(1), &ModelOptions::default(), true, &[1, 2])
            .unwrap()
    };
    let (model, threads) = load();
    assert_eq!(load().1, threads);
    assert!(model.inference_time().as_nanos() > 0);
    println!("\nchosen {threads}");
}

#[test]
fn the_choice_is_cached() {
    if job().is_some() {
        return choose();
    }
    let folder = tempfile::tempdir().unwrap();
    let (cache, file) = (folder.path(), folder.path().join(FILE));
    let entries = || -> BTreeMap<String, String> {
        serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap()
    };
    let first = chosen(cache);
    print_uncaptured(&format!("{TEST}: chose {first} threads out of 1 and 2"));
    assert_eq!(entries().into_values().collect::<Vec<_>>(), [first.to_string()]);

    // A cached number is used without measuring.
    let other = 3 - first;
    let changed: BTreeMap<String, String> =
        entries().into_keys().map(|key| (key, other.to_string())).collect();
    std::fs::write(&file, serde_json::to_vec(&changed).unwrap()).unwrap();
    assert_eq!(chosen(cache), other);

    // A cached number that is not a candidate on this machine is ignored.
    let impossible: BTreeMap<String, String> =
        changed.into_keys().map(|key| (key, "77".to_owned())).collect();
    std::fs::write(&file, serde_json::to_vec(&impossible).unwrap()).unwrap();
    assert!([1, 2].contains(&chosen(cache)));
    assert!(entries().into_values().all(|threads| ["1", "2"].contains(&&*threads)));

    std::fs::write(&file, b"{damaged").unwrap();
    assert!([1, 2].contains(&chosen(cache)));
    assert_eq!(entries().len(), 1);
    // The cache folder cannot be created.
    assert!([1, 2].contains(&chosen(&file)));
    let left: Vec<_> = std::fs::read_dir(cache.join("catdog")).unwrap().collect();
    assert_eq!(left.len(), 1, "{left:?}");
}
