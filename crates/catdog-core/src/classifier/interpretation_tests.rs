//! How a classifier interprets a model: the range of its input, its activation, and the warnings
//! about what is assumed.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::Ordering;

use super::probe_engine::{Answer, Model, networks};
use super::*;
use crate::model::tflite::{
    Evidence, ExpectedRange, GraphActivation, GraphRange, ModelInfo, Normalization,
    RangeConvention, UnusableNormalization,
};
use crate::preprocess::Channels;
use crate::tensor::{ElementType, Quantization};

fn path(name: &str) -> PathBuf {
    crate::testing::model(name)
}

fn info(name: &str) -> ModelInfo {
    ModelInfo::parse(&fs::read(path(name)).unwrap()).unwrap()
}

/// Returns the scaling of a model, its source, and the warnings about the normalization.
fn scaling(
    config: &Config,
    info: &ModelInfo,
    probe: Option<&Probe<'_>>,
) -> (Scaling, ScalingSource, Vec<String>) {
    let found = Interpretation::new(config, info, probe).unwrap();
    let mut warnings = found.warnings;
    warnings.retain(|warning| warning.contains("input-mean") || warning.contains("modelinfo"));
    (found.scaling, found.scaling_source, warnings)
}

/// Returns the scaling to a range.
fn to(range: ExpectedRange) -> Scaling {
    Scaling::Real(range.normalization(Channels::Rgb))
}

fn normalization(mean: f32, std: f32) -> Normalization {
    Normalization { mean: vec![mean], std: vec![std] }
}

fn evidence(range: ExpectedRange, evidence: Evidence) -> Option<GraphRange> {
    Some(GraphRange { range: Some(range), evidence, reason: "a reason".into(), expects_bgr: false })
}

#[test]
fn the_first_source_that_defines_the_scaling_counts() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("m.tflite");
    let mut config = Config::of_file(&file);
    let mut info = info("float_softmax.tflite");
    assert_eq!(info.input_range, None);
    // The sources from the last to the first.
    let default = scaling(&config, &info, None);
    assert_eq!((default.0, default.1), (to(ExpectedRange::Centered), ScalingSource::Default));
    assert_eq!(default.2.len(), 1);
    info.input_range = evidence(ExpectedRange::Pixels, Evidence::Name);
    let graph = ScalingSource::Graph(info.input_range.clone().unwrap());
    assert_eq!(scaling(&config, &info, None), (to(ExpectedRange::Pixels), graph, vec![]));
    let modelinfo = folder.path().join("m.tflite.modelinfo");
    fs::write(&modelinfo, "[a]\ndir=input\nranges=0.0,1.0\n").unwrap();
    let stored = Scaling::Stored(normalization(0.0, 255.0));
    assert_eq!(scaling(&config, &info, None), (stored, ScalingSource::ModelinfoFile, vec![]));
    info.normalization = Some(Ok(normalization(1.0, 2.0)));
    let real = Scaling::Real(normalization(1.0, 2.0));
    assert_eq!(scaling(&config, &info, None), (real, ScalingSource::Metadata, vec![]));
    config.normalization = Some(normalization(3.0, 4.0));
    let real = Scaling::Real(normalization(3.0, 4.0));
    assert_eq!(scaling(&config, &info, None), (real, ScalingSource::Properties, vec![]));
}

#[test]
fn a_source_that_cannot_be_used_is_a_warning_and_the_next_one_counts() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("m.tflite");
    fs::write(folder.path().join("m.tflite.modelinfo"), "[a]\ndir=input\nranges=x\n").unwrap();
    let mut info = info("scaling_div_255.tflite");
    info.normalization = Some(Err(UnusableNormalization));
    let (found, source, warnings) = scaling(&Config::of_file(&file), &info, None);
    assert_eq!(found, to(ExpectedRange::Pixels));
    assert!(matches!(source, ScalingSource::Graph(_)));
    let [metadata, modelinfo] = &warnings[..] else { panic!("{warnings:?}") };
    assert!(metadata.contains("the normalization in the model's metadata is not used"));
    assert!(modelinfo.contains("m.tflite.modelinfo' is not used"), "{modelinfo}");
}

#[test]
fn a_normalization_of_the_user_applies_to_real_numbers_if_there_are_any() {
    let name = "uint8_quant.tflite";
    let config =
        Config { normalization: Some(normalization(1.0, 2.0)), ..Config::of_file(&path(name)) };
    let mut quantized = info(name);
    let real = Scaling::Real(normalization(1.0, 2.0));
    assert_eq!(scaling(&config, &quantized, None).0, real);
    quantized.input.tensor.quantization = None;
    assert_eq!(scaling(&config, &quantized, None).0, Scaling::Stored(normalization(1.0, 2.0)));
    quantized.input.tensor.element = ElementType::F32;
    assert_eq!(scaling(&config, &quantized, None).0, real);
}

#[test]
fn an_8_bit_input_takes_pixel_values_unless_its_scale_tells_another_range() {
    let name = "uint8_quant.tflite";
    let config = Config::of_file(&path(name));
    let mut info = info(name);
    let levels = (Scaling::Levels, ScalingSource::ElementType, vec![]);
    assert_eq!(scaling(&config, &info, None), levels);
    info.input.tensor.quantization = None;
    assert_eq!(scaling(&config, &info, None), levels);
    // Half of 0..255.
    info.input.tensor.quantization = Some(Quantization { scale: 0.6, zero_point: 0 });
    let part = (to(ExpectedRange::Pixels), ScalingSource::Quantization, vec![]);
    assert_eq!(scaling(&config, &info, None), part);
    info.normalization = Some(Ok(normalization(127.5, 127.5)));
    let unused = (Scaling::Levels, ScalingSource::UnusedMetadata, vec![]);
    assert_eq!(scaling(&config, &info, None), unused);
}

/// Returns the scaling of a float model that answers with `answer`, and the number of inferences.
fn probed(info: &ModelInfo, answer: Answer) -> (Scaling, ScalingSource, Vec<String>, usize) {
    let model = Model::new(info, answer);
    let probe = model.probe();
    let mut warnings = Vec::new();
    let config = Config::of_file(&path("float_softmax.tflite"));
    let (scaling, source) =
        input_scaling::input_scaling(&config, info, Some(&probe), &mut warnings).unwrap();
    (scaling, source, warnings, model.runs.load(Ordering::Relaxed))
}

#[test]
fn without_evidence_the_answers_to_the_pictures_decide() {
    use ExpectedRange::{Centered, Pixels, Unit};
    let mut info = info("float_softmax.tflite");
    assert_eq!(info.range_convention, RangeConvention::Slim);
    let (found, source, warnings, _) = probed(&info, networks::pixels);
    assert_eq!((found, source, warnings), (to(Pixels), ScalingSource::Probe, vec![]));
    for (answer, convention, range, why) in [
        (
            networks::unit as Answer,
            RangeConvention::Slim,
            Unit,
            "0..1 (its answers hardly depend on the picture under -1..1)",
        ),
        (
            networks::centered,
            RangeConvention::Other,
            Centered,
            "-1..1 (its answers hardly depend on the picture under 0..1)",
        ),
        (networks::both, RangeConvention::Slim, Centered, "-1..1 (0..1 is possible, too)"),
        (networks::both, RangeConvention::Other, Unit, "0..1 (-1..1 is possible, too)"),
        (
            networks::constant,
            RangeConvention::Other,
            Unit,
            "0..1 (its answers to a few pictures do not decide; -1..1 is possible, too)",
        ),
    ] {
        info.range_convention = convention;
        let (found, source, warnings, _) = probed(&info, answer);
        assert_eq!((found, source), (to(range), ScalingSource::Default), "{why}");
        let [warning] = &warnings[..] else { panic!("{warnings:?}") };
        assert!(warning.contains(&format!("pixel values 0..255 become {why}; set")), "{warning}");
    }
    // A MobileNet with a padding is certain enough.
    info.range_convention = RangeConvention::PaddedMobileNet;
    let (found, _, warnings, runs) = probed(&info, networks::unit);
    assert_eq!((found, warnings.len(), runs), (to(Centered), 1, 0));
}

#[test]
fn weak_evidence_counts_unless_the_answers_contradict_it() {
    use ExpectedRange::{Centered, Pixels, Unit};
    let mut info = info("float_softmax.tflite");
    for (range, answer, wanted) in [
        (Pixels, networks::pixels as Answer, Some(Pixels)),
        (Pixels, networks::constant, Some(Pixels)),
        (Pixels, networks::both, None),
        (Pixels, networks::unit, None),
        (Centered, networks::both, Some(Centered)),
        (Centered, networks::constant, Some(Centered)),
        (Unit, networks::centered, Some(Unit)),
    ] {
        for weak in [Evidence::Name, Evidence::Weights] {
            info.input_range = evidence(range, weak);
            let (found, source, ..) = probed(&info, answer);
            let graph = ScalingSource::Graph(info.input_range.clone().unwrap());
            match wanted {
                Some(range) => assert_eq!((found, source), (to(range), graph)),
                None => assert_eq!(source, ScalingSource::Default),
            }
        }
    }
    // The answers tell pixel values.
    info.input_range = evidence(Centered, Evidence::Name);
    let (found, source, warnings, _) = probed(&info, networks::pixels);
    assert_eq!((found, source, warnings), (to(Pixels), ScalingSource::Probe, vec![]));
    // Certain evidence is not tried out.
    for certain in [Evidence::Operators, Evidence::Quantization] {
        info.input_range = evidence(Centered, certain);
        let (found, _, _, runs) = probed(&info, networks::pixels);
        assert_eq!((found, runs), (to(Centered), 0));
    }
    // Unless it fits no usual range: then the warning has its reason.
    info.input_range = Some(GraphRange {
        range: None,
        evidence: Evidence::Operators,
        reason: "a reason".into(),
        expects_bgr: false,
    });
    let (found, _, warnings, runs) = probed(&info, networks::unit);
    assert!(runs > 0);
    assert_eq!(found, to(Unit));
    assert!(warnings[0].contains("become 0..1 (a reason); set"), "{warnings:?}");
}

#[test]
fn a_gray_float_input_takes_0_to_1_by_default() {
    let name = "color/gray.tflite";
    let mut info = info(name);
    info.range_convention = RangeConvention::Slim;
    let (found, source, warnings) = scaling(&Config::of_file(&path(name)), &info, None);
    let unit = Scaling::Real(ExpectedRange::Unit.normalization(Channels::Gray));
    assert_eq!((found, source), (unit, ScalingSource::Default));
    assert!(warnings[0].contains("become 0..1 (-1..1 is possible, too)"), "{warnings:?}");
}

/// Returns activation, source and whether it is multi-label, for a graph that ends in `graph` and
/// has `scores` scores.
fn activation(
    graph: GraphActivation,
    scores: usize,
    requested: OutputActivation,
    answer: Option<Answer>,
) -> (Activation, ActivationSource, bool, Vec<String>) {
    let name = "float_softmax.tflite";
    let mut info = info(name);
    info.activation = graph;
    info.output.shape = vec![1, scores];
    let mut config = Config::of_file(&path(name));
    config.activation = requested;
    config.normalization = Some(normalization(0.0, 255.0));
    config.labels = Some(["a", "b", "c"][..scores.max(2)].join(","));
    let model = answer.map(|answer| Model::new(&info, answer));
    let probe = model.as_ref().map(Model::probe);
    let found = Interpretation::new(&config, &info, probe.as_ref()).unwrap();
    (found.activation, found.activation_source, found.multi_label, found.warnings)
}

#[test]
fn the_activation_completes_what_the_graph_computes() {
    use GraphActivation as Graph;
    let auto = OutputActivation::Auto;
    let unclear = Graph::Unclear("odd");
    for (graph, scores, wanted, multi_label) in [
        (Graph::None, 1, Activation::Sigmoid, false),
        (Graph::None, 3, Activation::Softmax, false),
        (Graph::Softmax, 3, Activation::None, false),
        (Graph::LogSoftmax, 3, Activation::Exp, false),
        (Graph::Logistic, 1, Activation::None, false),
        (Graph::Logistic, 3, Activation::None, true),
        (Graph::SeveralSoftmax, 3, Activation::None, true),
        (unclear, 3, Activation::None, false),
    ] {
        let (found, source, is_multi_label, _) = activation(graph, scores, auto, None);
        assert_eq!((found, is_multi_label), (wanted, multi_label), "{graph:?} {scores}");
        let by_graph = ActivationSource::Graph(graph);
        let of_none = ActivationSource::NumberOfScores;
        assert_eq!(source, if graph == Graph::None { of_none } else { by_graph });
    }
}

#[test]
fn the_user_chooses_the_activation() {
    let fixed = OutputActivation::Fixed(Activation::Sigmoid);
    // Of a graph that ends in a LOGISTIC, the scores are not multi-label any more.
    for graph in [GraphActivation::None, GraphActivation::Logistic, GraphActivation::Softmax] {
        let (found, source, multi_label, _) = activation(graph, 3, fixed, None);
        let property = ActivationSource::Property;
        assert_eq!((found, source, multi_label), (Activation::Sigmoid, property, false));
    }
    let config = Config {
        activation: OutputActivation::Fixed(Activation::Softmax),
        ..Config::of_file(&path("float_logit_1.tflite"))
    };
    let error = Interpretation::new(&config, &info("float_logit_1.tflite"), None).unwrap_err();
    assert!(matches!(error, LoadError::SoftmaxOfOneScore { .. }), "{error}");
}

#[test]
fn scores_that_look_like_probabilities_get_no_activation() {
    use GraphActivation as Graph;
    let auto = OutputActivation::Auto;
    let distribution: Answer = |_, _| [0.7, 0.2, 0.1];
    let (found, source, _, warnings) = activation(Graph::None, 3, auto, Some(distribution));
    assert_eq!((found, source), (Activation::None, ActivationSource::Probe));
    assert!(warnings[0].contains("look like probabilities"), "{warnings:?}");
    let (found, source, ..) = activation(Graph::None, 3, auto, Some(networks::both));
    assert_eq!((found, source), (Activation::Softmax, ActivationSource::NumberOfScores));
    // Independent classes whose sum is always 1 exclude each other.
    let multi_label = |answer| activation(Graph::Logistic, 3, auto, Some(answer)).2;
    assert!(!multi_label(distribution));
    assert!(multi_label(|_, _| [0.7, 0.7, 0.1]));
}

#[test]
fn what_is_assumed_is_a_warning() {
    let name = "float_softmax.tflite";
    let base = || {
        let mut info = info(name);
        info.normalization = Some(Ok(normalization(0.0, 255.0)));
        info
    };
    let labeled = Config { labels: Some("a,b,c".into()), ..Config::of_file(&path(name)) };
    let warnings = |info: &ModelInfo, config: &Config| {
        Interpretation::new(config, info, None).unwrap().warnings
    };
    assert_eq!(warnings(&base(), &labeled), [] as [&str; 0]);
    let only = |info: &ModelInfo, config: &Config, part: &str| {
        let warnings = warnings(info, config);
        assert!(warnings.len() == 1 && warnings[0].contains(part), "{part}: {warnings:?}");
    };
    only(&base(), &Config::of_file(&path(name)), "has 3 classes without names");
    let mut info = base();
    info.input.size_is_default = true;
    only(&info, &labeled, "has no fixed size, so 8x8 is used");
    let mut info = base();
    info.input.runtime_shape[0] = 4;
    only(&info, &labeled, "computes 4 pictures at a time");
    let mut info = base();
    info.activation = GraphActivation::SeveralSoftmax;
    only(&info, &labeled, "are several distributions, one after the other, so they are taken");
    info.activation = GraphActivation::Unclear("odd numbers");
    only(&info, &labeled, "are odd numbers, so they are taken as confidences");
    // The user has chosen an activation.
    let chosen =
        Config { activation: OutputActivation::Fixed(Activation::None), ..labeled.clone() };
    assert_eq!(warnings(&info, &chosen), [] as [&str; 0]);
    let mut info = base();
    info.output.shape = vec![1, 1];
    let two = Config { labels: Some("a,b".into()), ..labeled };
    only(&info, &two, "ends in a softmax over one score, which is always 1");
}
