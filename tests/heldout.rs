//! Photos that no model was trained on, through a real pipeline with a real model: the decisions
//! are those of Python (Pillow and the LiteRT interpreter, `python/golden/make_heldout_golden.py`).
//!
//! Decoder, colour conversion and scaling all differ from Pillow's, so a photo on the edge may tip;
//! a wrong colour matrix, range, channel order or filter tips many more than one in a hundred.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::collections::BTreeMap;

use common::*;

/// Beyond this, a confidence in 32 bits says no longer how large the logit is.
const LARGEST_LOGIT: f64 = 8.0;
/// Python's own logits move by 0.15 (one standard deviation) when it rounds once instead of twice
/// while it scales; a photo this near to zero may tip.
const EDGE: f64 = 0.5;

#[test]
fn decisions_on_held_out_photos_are_those_of_python() {
    let test = "decisions_on_held_out_photos_are_those_of_python";
    let Some(photos) = outside_data(test, "data/heldout") else { return };
    let Some(model) = outside_data(test, "models/cat-dog-mnv2.tflite") else { return };
    let golden = manifest().join("tests/golden/heldout_logits.json");
    let golden: BTreeMap<String, f64> =
        serde_json::from_str(&std::fs::read_to_string(golden).unwrap()).unwrap();
    assert!(golden.len() > 600, "{} photos", golden.len());

    let files: Vec<_> = golden.keys().map(|name| photos.join(name)).collect();
    // The accurate inverse DCT is the one that Pillow decodes with; jpegdec's default is not.
    let properties = format!("model-file={} class-confidence-threshold=0", model.display());
    let seen = classified(&files, "jpegdec idct-method=islow", &properties);

    let (mut agreeing, mut difference) = (0, 0.0);
    let mut right = BTreeMap::from([("cats", (0, 0)), ("dogs", (0, 0))]);
    for ((name, want), meta) in golden.iter().zip(&seen) {
        let got = logit(meta);
        difference += (got - want.clamp(-LARGEST_LOGIT, LARGEST_LOGIT)).abs();
        let agrees = (got > 0.0) == (*want > 0.0);
        assert!(agrees || want.abs() < EDGE, "{name}: {got} is not of the sign of {want}");
        agreeing += usize::from(agrees);
        let kind = name.split('/').next().unwrap();
        if let Some((right, all)) = right.get_mut(kind) {
            *all += 1;
            *right += usize::from(format!("{}s", meta.label) == kind);
        }
    }
    let percent = |part: usize, all: usize| 100.0 * part as f64 / all as f64;
    let agreement = percent(agreeing, golden.len());
    let accuracy: BTreeMap<&str, f64> =
        right.into_iter().map(|(kind, (right, all))| (kind, percent(right, all))).collect();
    let difference = difference / golden.len() as f64;
    say(&format!(
        "{} photos: {agreement:.2} % decided as in Python, mean logit difference {difference:.3}; \
         right on {:.1} % of the cats, {:.1} % of the dogs",
        golden.len(),
        accuracy["cats"],
        accuracy["dogs"]
    ));
    assert!(agreement >= 99.0, "only {agreement:.2} % are decided as in Python");
    // What the model's own evaluation gives: 97.1 and 98.2.
    assert!(accuracy["cats"] >= 96.5 && accuracy["dogs"] >= 97.5, "{accuracy:?}");
    assert!(difference < 0.15, "logits are {difference:.3} off in the mean");
}

/// The logit behind a confidence: of "dog" if positive, of "cat" if negative.
fn logit(meta: &Meta) -> f64 {
    let logit = (meta.confidence / (1.0 - meta.confidence)).ln().min(LARGEST_LOGIT);
    if meta.label == "dog" { logit } else { -logit }
}
