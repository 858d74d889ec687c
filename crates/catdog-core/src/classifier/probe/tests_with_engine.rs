//! The probe runs an engine, and the limits of its rules.

use std::sync::atomic::Ordering;

use super::*;
use crate::classifier::probe_engine::{Answer, Model, networks};
use crate::model::tflite::ModelInfo;

/// Returns the description of a model with a float input of 8x8 pixels.
fn info() -> ModelInfo {
    let file = std::fs::read(crate::testing::model("float_softmax.tflite")).unwrap();
    ModelInfo::parse(&file).unwrap()
}

#[test]
fn the_range_is_found_by_the_answers_of_the_model() {
    use ExpectedRange::{Centered, Pixels, Unit};
    for (name, answer, wanted) in [
        ("pixels", networks::pixels as Answer, RangeVerdict::Only(Pixels)),
        ("unit", networks::unit, RangeVerdict::Only(Unit)),
        ("centered", networks::centered, RangeVerdict::Only(Centered)),
        ("both", networks::both, RangeVerdict::CenteredOrUnit),
        ("constant", networks::constant, RangeVerdict::Undecided),
        // Scores that are not finite are no answers, and no error.
        ("infinite", networks::infinite, RangeVerdict::Undecided),
    ] {
        let model = Model::new(&info(), answer);
        assert_eq!(model.probe().range(), Ok(wanted), "{name}");
    }
}

#[test]
fn pixel_values_are_tried_only_if_no_other_range_has_answers() {
    let pictures = PICTURES.len() / PICTURE_BYTES;
    for (answer, ranges) in
        [(networks::both as Answer, 2), (networks::centered, 2), (networks::constant, 3)]
    {
        let model = Model::new(&info(), answer);
        model.probe().range().unwrap();
        assert_eq!(model.runs.load(Ordering::Relaxed), ranges * pictures);
    }
}

#[test]
fn a_slow_model_is_run_on_fewer_pictures_or_not_at_all() {
    let all = PICTURES.len() / PICTURE_BYTES;
    for (milliseconds, pictures) in [(60, all), (61, 6), (500, 6)] {
        let model = Model::new(&info(), networks::both);
        let probe = model.probe_of(Duration::from_millis(milliseconds)).unwrap();
        probe.range().unwrap();
        assert_eq!(model.runs.load(Ordering::Relaxed), 2 * pictures, "{milliseconds}");
    }
    let model = Model::new(&info(), networks::both);
    assert!(model.probe_of(Duration::from_millis(501)).is_none());
}

#[test]
fn probabilities_are_not_negative_and_have_a_sum_of_1() {
    for (name, answer, wanted) in [
        ("a distribution", (|_, _| [0.7, 0.2, 0.1]) as Answer, true),
        ("one class", |_, _| [1.0, 0.0, 0.0], true),
        ("rounded up", |_, _| [0.7, 0.24, 0.1], true),
        ("a sum of 1.06", |_, _| [0.7, 0.26, 0.1], false),
        ("a sum of 0.94", |_, _| [0.7, 0.14, 0.1], false),
        ("negative", |_, _| [0.7, 0.4, -0.1], false),
        ("larger than 1", |_, _| [1.06, 0.0, 0.0], false),
        ("not finite", |_, _| [f32::NAN, 0.0, 1.0], false),
        // All pictures count.
        ("sometimes", |means, _| [0.7, 0.2, if means[0] > 0.1 { 0.1 } else { 0.9 }], false),
    ] {
        let model = Model::new(&info(), answer);
        let unit = Scaling::Real(ExpectedRange::Unit.normalization(model_channels()));
        assert_eq!(model.probe().scores_are_probabilities(&unit), Ok(wanted), "{name}");
    }
}

fn model_channels() -> crate::preprocess::Channels {
    crate::preprocess::Channels::Rgb
}

#[test]
fn the_limits_of_the_rules() {
    use ExpectedRange::{Centered, Pixels, Unit};
    let answers = |information, classes| Dependence { information, classes };
    let nothing = Dependence::NONE;
    let (only, undecided) = (RangeVerdict::Only, RangeVerdict::Undecided);
    for (centered, unit, pixels, wanted) in [
        // Answers that depend on the picture carry 0.15 nats, or 0.3 for one class.
        (answers(0.15, 2), nothing, nothing, only(Centered)),
        (answers(0.149, 2), nothing, nothing, undecided),
        (answers(0.3, 1), nothing, nothing, only(Centered)),
        (answers(0.299, 1), nothing, nothing, undecided),
        (nothing, answers(0.15, 2), nothing, only(Unit)),
        // And three times as much as under the other range.
        (answers(0.43, 2), answers(0.14, 2), nothing, only(Centered)),
        (answers(0.41, 2), answers(0.14, 2), nothing, undecided),
        (answers(9.0, 2), answers(0.15, 2), nothing, RangeVerdict::CenteredOrUnit),
        // Answers under 0..255 carry 0.05 nats, and eight times as much.
        (nothing, nothing, answers(0.05, 2), only(Pixels)),
        (nothing, nothing, answers(0.049, 2), undecided),
        (answers(0.01, 2), nothing, answers(0.081, 2), only(Pixels)),
        (answers(0.01, 2), nothing, answers(0.079, 2), undecided),
        (nothing, answers(0.01, 2), answers(0.079, 2), undecided),
        // Under the other ranges they carry less than 0.05 nats, or name one class.
        (answers(0.049, 2), nothing, answers(1.0, 2), only(Pixels)),
        (answers(0.051, 2), nothing, answers(1.0, 2), undecided),
        (answers(0.051, 1), nothing, answers(1.0, 2), only(Pixels)),
        (nothing, answers(0.051, 2), answers(1.0, 2), undecided),
    ] {
        assert_eq!(decide(centered, unit, pixels), wanted, "{centered:?} {unit:?} {pixels:?}");
    }
}
