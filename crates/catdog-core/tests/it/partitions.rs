//! The estimate of what XNNPACK runs is compared with the LiteRT interpreter
//! (`python/golden/make_partitions_golden.py`).

use std::fs;

use catdog_core::model::tflite::{Partitions, xnnpack_partitions};
use catdog_core::testing::repository;

#[test]
fn the_estimate_is_what_the_interpreter_does() {
    let golden = fs::read(repository().join("tests/golden/partitions.json")).unwrap();
    let golden: serde_json::Value = serde_json::from_slice(&golden).unwrap();
    let mut several = 0;
    for (path, want) in golden.as_object().unwrap() {
        let estimate = xnnpack_partitions(&fs::read(repository().join(path)).unwrap()).unwrap();
        let Partitions { operators, accelerated, accelerated_partitions, ref refused, .. } =
            estimate;
        let got = [operators, accelerated, accelerated_partitions];
        let want = ["operators", "accelerated", "accelerated_partitions"]
            .map(|key| want[key].as_u64().unwrap() as usize);
        assert_eq!(got, want, "{path}: {refused:?}");
        several += usize::from(accelerated_partitions > 1);
    }
    assert!(golden.as_object().unwrap().len() >= 15 && several >= 3, "{several}");
}
