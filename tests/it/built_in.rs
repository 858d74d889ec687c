//! The model that is embedded in the plugin: it needs no property, labels the demo clip correctly,
//! has the confidences that Python computes, and has the accuracy on held-out photos that
//! `models/README.md` states.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use crate::common::*;

const NAMES: [&str; 3] = ["cat", "dog", "neither"];

/// Returns the timestamp in seconds and the metadata of every frame of the demo clip.
fn classify_demo_clip(properties: &str) -> Vec<(f64, Meta)> {
    let pipeline = launch(&format!(
        "filesrc location={} ! decodebin ! videoconvert ! catdogfilter {properties} \
         ! fakesink name=sink",
        repository().join("models/demo/demo.mp4").display()
    ));
    let seen = collect(&pipeline.pad("sink", "sink"), |buffer| {
        (buffer.pts().unwrap().nseconds() as f64 / 1e9, meta(buffer))
    });
    pipeline.run();
    taken(&seen)
}

#[test]
fn every_buffer_is_classified_if_no_property_is_set() {
    let pipeline = launch("videotestsrc num-buffers=3 ! catdogfilter ! fakesink name=sink");
    let seen = collect(&pipeline.pad("sink", "sink"), meta);
    assert_eq!(warnings(&pipeline.run()), []);
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
fn the_property_labels_renames_the_classes() {
    let pipeline = launch(
        "videotestsrc num-buffers=1 ! catdogfilter labels=chat,chien,rien ! fakesink name=sink",
    );
    let seen = collect(&pipeline.pad("sink", "sink"), meta);
    pipeline.run();
    let names: BTreeSet<String> = taken(&seen).remove(0).labels.into_iter().collect();
    assert_eq!(names, BTreeSet::from(["chat", "chien", "rien"].map(str::to_owned)));
}

#[test]
fn every_model_of_the_repository_contains_its_labels() {
    let models: Vec<PathBuf> = std::fs::read_dir(repository().join("models"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "tflite"))
        .collect();
    assert!(!models.is_empty());
    for model in models {
        // The model is copied to another folder, because labels.txt next to it is a source of
        // labels, too.
        let folder = tempfile::tempdir().unwrap();
        let alone = folder.path().join("alone.tflite");
        std::fs::copy(&model, &alone).unwrap();
        let pipeline = launch(&format!(
            "videotestsrc num-buffers=1 ! catdogfilter model-file={} ! fakesink name=sink",
            alone.display()
        ));
        let seen = collect(&pipeline.pad("sink", "sink"), meta);
        assert_eq!(warnings(&pipeline.run()), []);
        let names: BTreeSet<String> = taken(&seen).remove(0).labels.into_iter().collect();
        assert_eq!(names, BTreeSet::from(NAMES.map(str::to_owned)), "{}", model.display());
        let listed = std::fs::read_to_string(repository().join("models/labels.txt")).unwrap();
        assert_eq!(listed.lines().collect::<Vec<_>>(), NAMES);
    }
}

#[test]
fn every_frame_of_the_demo_clip_gets_the_right_label() {
    let text = std::fs::read_to_string(repository().join("models/demo/labels.csv")).unwrap();
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
    for (pts, meta) in classify_demo_clip("smoothing=0 hold=0") {
        let Some(span) = spans.iter().find(|(start, end, _)| (*start..*end).contains(&pts)) else {
            continue;
        };
        let (right, all) = counts.entry(span.2).or_default();
        *all += 1;
        *right += usize::from(meta.label == span.2);
    }
    say(&format!("frames with the right label, and all: {counts:?}"));
    assert_eq!(counts.len(), NAMES.len());
    for (name, (right, all)) in counts {
        assert!(all >= 80 && right == all, "{name}: {right} of {all} frames");
    }
}

#[test]
fn the_label_of_the_demo_clip_changes_only_with_its_content() {
    let mut labels: Vec<String> =
        classify_demo_clip("").into_iter().map(|(_, meta)| meta.label).collect();
    labels.dedup();
    assert_eq!(labels, ["neither", "cat", "neither", "dog", "neither"]);
}

/// Limits of the mean and of the largest difference between the logarithm of a confidence and that
/// of Python's. The decoder and the converter round differently, and the activations of the network
/// have 8 bits. Logarithms are compared, because the confidences of a frame with one dominant class
/// hardly depend on its pixels.
const MEAN_DIFFERENCE: f64 = 0.3;
const LARGEST_DIFFERENCE: f64 = 1.5;
/// Smaller confidences are replaced by this one.
const SMALLEST: f64 = 1e-4;

#[test]
fn confidences_equal_those_of_python() {
    let golden = repository().join("tests/golden/demo_probabilities.json");
    let golden: BTreeMap<usize, Vec<f64>> =
        serde_json::from_str(&std::fs::read_to_string(golden).unwrap()).unwrap();
    assert!(golden.len() >= 12);
    let seen =
        classify_demo_clip("class-confidence-threshold=0 smoothing=0 hold=0 second-look=false");
    let mut differences = Vec::new();
    for (frame, want) in &golden {
        let meta = &seen[*frame].1;
        for (name, want) in NAMES.iter().zip(want) {
            let got = meta.confidence_of(name);
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

/// The figures of `models/README.md`, with a margin for another JPEG decoder.
struct Figures {
    least_cats: f64,
    least_dogs: f64,
    most_claimed: f64,
    most_missed: f64,
}

#[test]
fn the_accuracy_on_held_out_photos_is_that_of_the_model_card() {
    let figures =
        Figures { least_cats: 0.985, least_dogs: 0.97, most_claimed: 0.02, most_missed: 0.035 };
    let test = "the_accuracy_on_held_out_photos_is_that_of_the_model_card";
    has_accuracy(test, "", &figures);
}

#[test]
fn the_accuracy_of_the_smaller_model_is_that_of_the_model_card() {
    let figures =
        Figures { least_cats: 0.95, least_dogs: 0.965, most_claimed: 0.04, most_missed: 0.075 };
    let test = "the_accuracy_of_the_smaller_model_is_that_of_the_model_card";
    has_accuracy(test, "model-file=built-in:nano", &figures);
}

fn has_accuracy(test: &str, properties: &str, figures: &Figures) {
    let Some(photos) = outside_data(test, "data/heldout") else { return };
    let mut found = BTreeMap::new();
    for folder in ["cats", "dogs", "neither"] {
        let files: Vec<PathBuf> = std::fs::read_dir(photos.join(folder))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        found.insert(folder, classify_photos(&files, "jpegdec", properties));
    }
    let share = |seen: &[Meta], holds: &dyn Fn(&Meta) -> bool| {
        seen.iter().filter(|meta| holds(meta)).count() as f64 / seen.len() as f64
    };
    let is_cat = |meta: &Meta| meta.confidence_of("cat") > meta.confidence_of("dog");
    let is_dog = |meta: &Meta| meta.confidence_of("dog") > meta.confidence_of("cat");
    let cats = share(&found["cats"], &is_cat);
    let dogs = share(&found["dogs"], &is_dog);
    let claimed = share(&found["neither"], &|meta| meta.label == "cat" || meta.label == "dog");
    let animals: Vec<Meta> = [&found["cats"][..], &found["dogs"][..]].concat();
    let missed = share(&animals, &|meta| meta.label == "neither" || meta.label == "unknown");
    say(&format!(
        "cats {:.1} %, dogs {:.1} %, neither labeled as an animal {:.1} %, animals missed {:.1} %",
        100.0 * cats,
        100.0 * dogs,
        100.0 * claimed,
        100.0 * missed
    ));
    let Figures { least_cats, least_dogs, most_claimed, most_missed } = *figures;
    assert!(cats >= least_cats && dogs >= least_dogs, "cats {cats}, dogs {dogs}");
    assert!(claimed <= most_claimed && missed <= most_missed, "claimed {claimed}, missed {missed}");
}

#[test]
fn the_smaller_model_has_a_name_and_is_another_one() {
    let classified = |properties: &str| {
        let pipeline = launch(&format!(
            "videotestsrc num-buffers=1 ! catdogfilter {properties} ! fakesink name=sink"
        ));
        let seen = collect(&pipeline.pad("sink", "sink"), meta);
        assert_eq!(warnings(&pipeline.run()), []);
        taken(&seen).remove(0)
    };
    let nano = classified("model-file=built-in:nano");
    assert_eq!(nano.model, "catdog-nano.tflite");
    let (named, default) = (classified("model-file=built-in"), classified(""));
    assert_eq!(named.model, "catdog.tflite");
    assert_eq!(named.confidences, default.confidences);
    let file = repository().join("models/catdog-nano.tflite");
    let same = classified(&format!("model-file={}", file.display()));
    assert_eq!(nano.confidences, same.confidences);
}
