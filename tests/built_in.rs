//! The model that is part of the plugin: it works with no property set, names what the demo clip
//! shows, decides as Python does, and is as good on held-out photos as `models/README.md` says.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use common::*;

const NAMES: [&str; 3] = ["cat", "dog", "neither"];

fn demo() -> PathBuf {
    manifest().join("models/demo/demo.mp4")
}

/// What the element says of every frame of the demo clip, with its presentation time in seconds.
fn demo_results(properties: &str) -> Vec<(f64, Meta)> {
    let pipeline = launch(&format!(
        "filesrc location={} ! decodebin ! videoconvert ! catdogfilter {properties} \
         ! fakesink name=sink",
        demo().display()
    ));
    let seen = collect(&pipeline.pad("sink", "sink"), |buffer| {
        (buffer.pts().unwrap().nseconds() as f64 / 1e9, meta(buffer))
    });
    pipeline.run();
    taken(&seen)
}

fn assert_no_warning(messages: &[gst::Message]) {
    assert!(messages.iter().all(|m| m.type_() != gst::MessageType::Warning), "{messages:?}");
}

#[test]
fn with_no_property_set_every_buffer_is_classified() {
    let pipeline = launch("videotestsrc num-buffers=3 ! catdogfilter ! fakesink name=sink");
    let seen = collect(&pipeline.pad("sink", "sink"), meta);
    assert_no_warning(&pipeline.run());
    let seen = taken(&seen);
    assert_eq!(seen.len(), 3);
    for meta in seen {
        assert_eq!(meta.model, "catdog.tflite");
        let names: BTreeSet<&str> = meta.labels.iter().map(String::as_str).collect();
        assert_eq!(names, BTreeSet::from(NAMES));
        let sum: f64 = meta.confidences.iter().sum();
        assert!((sum - 1.0).abs() < 1e-3, "{:?}", meta.confidences);
    }
}

#[test]
fn labels_of_the_users_own_rename_the_classes() {
    let pipeline = launch(
        "videotestsrc num-buffers=1 ! catdogfilter labels=chat,chien,rien ! fakesink name=sink",
    );
    let seen = collect(&pipeline.pad("sink", "sink"), meta);
    pipeline.run();
    let names: BTreeSet<String> = taken(&seen).remove(0).labels.into_iter().collect();
    assert_eq!(names, BTreeSet::from(["chat", "chien", "rien"].map(str::to_owned)));
}

#[test]
fn every_model_that_is_shipped_names_its_classes_itself() {
    let models: Vec<PathBuf> = std::fs::read_dir(manifest().join("models"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "tflite"))
        .collect();
    assert!(!models.is_empty());
    for model in models {
        // A copy: a labels.txt beside the file would do as well.
        let folder = tempfile::tempdir().unwrap();
        let alone = folder.path().join("alone.tflite");
        std::fs::copy(&model, &alone).unwrap();
        let pipeline = launch(&format!(
            "videotestsrc num-buffers=1 ! catdogfilter model-file={} ! fakesink name=sink",
            alone.display()
        ));
        let seen = collect(&pipeline.pad("sink", "sink"), meta);
        assert_no_warning(&pipeline.run());
        let names: BTreeSet<String> = taken(&seen).remove(0).labels.into_iter().collect();
        assert_eq!(names, BTreeSet::from(NAMES.map(str::to_owned)), "{}", model.display());
        let listed = std::fs::read_to_string(manifest().join("models/labels.txt")).unwrap();
        assert_eq!(listed.lines().collect::<Vec<_>>(), NAMES);
    }
}

#[test]
fn the_demo_clip_is_labelled_right() {
    let text = std::fs::read_to_string(manifest().join("models/demo/labels.csv")).unwrap();
    let spans: Vec<(f64, f64, &str)> = text
        .lines()
        .skip(1)
        .map(|line| {
            let fields: Vec<&str> = line.split(',').collect();
            (fields[0].parse().unwrap(), fields[1].parse().unwrap(), fields[2])
        })
        .collect();
    assert!(NAMES.iter().all(|name| spans.iter().any(|span| span.2 == *name)), "{text}");
    let mut counts = BTreeMap::<&str, (usize, usize)>::new();
    for (pts, meta) in demo_results("smoothing=0 hold=0") {
        let Some(span) = spans.iter().find(|(start, end, _)| (*start..*end).contains(&pts)) else {
            continue;
        };
        let (right, all) = counts.entry(span.2).or_default();
        *all += 1;
        *right += usize::from(meta.label == span.2);
    }
    say(&format!("frames right: {counts:?}"));
    assert_eq!(counts.len(), NAMES.len());
    for (name, (right, all)) in counts {
        assert!(all >= 80 && right == all, "{name}: {right} of {all} frames");
    }
}

#[test]
fn the_label_of_the_demo_clip_changes_only_where_its_content_does() {
    let mut labels: Vec<String> =
        demo_results("").into_iter().map(|(_, meta)| meta.label).collect();
    labels.dedup();
    assert_eq!(labels, ["neither", "cat", "neither", "dog", "neither"]);
}

/// How far the logarithm of a confidence may be from that of Python's, in the mean and at most: the
/// decoder's and converter's rounding differ, and the network's activations have 8 bits. It is the
/// logarithm that tells: where one class has nearly everything, a difference of confidences is small
/// whatever was done to the frame.
const MEAN_DIFFERENCE: f64 = 0.3;
const LARGEST_DIFFERENCE: f64 = 1.5;
/// Confidences below this count as this.
const SMALLEST: f64 = 1e-4;

#[test]
fn confidences_are_those_of_python() {
    let golden = manifest().join("tests/golden/demo_probabilities.json");
    let golden: BTreeMap<usize, Vec<f64>> =
        serde_json::from_str(&std::fs::read_to_string(golden).unwrap()).unwrap();
    assert!(golden.len() >= 12);
    let seen = demo_results("class-confidence-threshold=0 smoothing=0 hold=0");
    let mut differences = Vec::new();
    for (frame, want) in &golden {
        let meta = &seen[*frame].1;
        for (name, want) in NAMES.iter().zip(want) {
            let got = meta.confidences[meta.labels.iter().position(|label| label == name).unwrap()];
            let difference = (got.max(SMALLEST).ln() - want.max(SMALLEST).ln()).abs();
            assert!(
                difference < LARGEST_DIFFERENCE,
                "frame {frame}: {name} {got:.5} instead of {want:.5}"
            );
            differences.push(difference);
        }
    }
    let mean = differences.iter().sum::<f64>() / differences.len() as f64;
    say(&format!("mean difference of logarithms {mean:.3}"));
    assert!(mean < MEAN_DIFFERENCE, "{mean}");
}

/// What `models/README.md` claims, less what another JPEG decoder changes.
const LEAST_CATS: f64 = 0.98;
const LEAST_DOGS: f64 = 0.97;
const MOST_CLAIMED: f64 = 0.03;
const MOST_MISSED: f64 = 0.035;

#[test]
fn held_out_photos_are_told_apart() {
    let test = "held_out_photos_are_told_apart";
    let Some(photos) = outside_data(test, "data/heldout") else { return };
    let mut found = BTreeMap::new();
    for folder in ["cats", "dogs", "neither"] {
        let files: Vec<PathBuf> = std::fs::read_dir(photos.join(folder))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        found.insert(folder, classified(&files, "jpegdec", ""));
    }
    let share = |seen: &[Meta], holds: &dyn Fn(&Meta) -> bool| {
        seen.iter().filter(|meta| holds(meta)).count() as f64 / seen.len() as f64
    };
    let of = |meta: &Meta, name: &str| {
        meta.confidences[meta.labels.iter().position(|label| label == name).unwrap()]
    };
    let cats = share(&found["cats"], &|meta| of(meta, "cat") > of(meta, "dog"));
    let dogs = share(&found["dogs"], &|meta| of(meta, "dog") > of(meta, "cat"));
    let claimed = share(&found["neither"], &|meta| meta.label == "cat" || meta.label == "dog");
    let animals: Vec<Meta> = [&found["cats"][..], &found["dogs"][..]].concat();
    let missed = share(&animals, &|meta| meta.label == "neither" || meta.label == "unknown");
    say(&format!(
        "cats {:.1} %, dogs {:.1} %, claims on neither {:.1} %, missed {:.1} %",
        100.0 * cats,
        100.0 * dogs,
        100.0 * claimed,
        100.0 * missed
    ));
    assert!(cats >= LEAST_CATS && dogs >= LEAST_DOGS, "cats {cats}, dogs {dogs}");
    assert!(claimed <= MOST_CLAIMED && missed <= MOST_MISSED, "{claimed}, {missed}");
}
