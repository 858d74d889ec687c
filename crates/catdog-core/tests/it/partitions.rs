//! The estimate of the partitions is compared with LiteRT's log, for all test models.

use std::fs;
use std::path::Path;

use catdog_core::engine::litert::LiteRtEngine;
use catdog_core::model::tflite::{Partitions, xnnpack_partitions};
use catdog_core::testing::{child, job, runtime};

use crate::{cpu, model_files};

const TEST: &str = "partitions::the_estimate_is_what_litert_logs";

/// Returns the number of operators that LiteRT gave to XNNPACK, of all operators, and of
/// partitions: the numbers in "Replacing 5 out of 6 node(s) with delegate
/// (TfLiteXNNPackDelegate) node, yielding 2 partitions".
fn logged(path: &Path) -> Option<(usize, usize, usize)> {
    let mut process = child(TEST, path.to_str().unwrap());
    let output = process.env("CATDOG_LITERT_LOG", "1").output().unwrap();
    assert!(output.status.success(), "{}", path.display());
    let log = String::from_utf8_lossy(&output.stderr);
    let line = log
        .lines()
        .find(|line| line.contains("TfLiteXNNPackDelegate") && line.contains("Replacing"))?;
    let (_, line) = line.split_once("Replacing ")?;
    let numbers = line.split(|c: char| !c.is_ascii_digit()).filter_map(|word| word.parse().ok());
    let numbers: Vec<usize> = numbers.collect();
    Some((numbers[0], numbers[1], numbers[2]))
}

#[test]
fn the_estimate_is_what_litert_logs() {
    runtime();
    if let Some(model) = job() {
        LiteRtEngine::new(&fs::read(model).unwrap(), &cpu(1)).unwrap();
        return;
    }
    let mut several = 0;
    for path in model_files() {
        let estimate = xnnpack_partitions(&fs::read(&path).unwrap()).unwrap();
        let Partitions { operators, accelerated, partitions, ref refused } = estimate;
        match logged(&path) {
            // LiteRT does not write the line if XNNPACK takes no operator.
            None => assert_eq!((accelerated, partitions), (0, 1), "{}", path.display()),
            Some(log) => {
                let got = (accelerated, operators, partitions);
                assert_eq!(got, log, "{}: {refused:?}", path.display());
            }
        }
        several += usize::from(partitions > 1);
    }
    assert!(several >= 3, "{several}");
}
