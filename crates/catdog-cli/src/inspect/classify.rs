//! Runs a model on pictures, in the way that the element runs it on frames.

use std::time::Duration;

use catdog_core::classifier::{Classification, Classifier, Config, LoadError, RuntimeConfig};
use catdog_core::decision::Rules;
use catdog_core::frame::FrameView;
use serde::Serialize;

use crate::Failure;
use crate::picture::{Picture, frame_spec, plane};

/// Number of classes that are reported for a picture.
const REPORTED_CLASSES: usize = 5;
/// Number of measured inferences; the fastest counts, because other load only slows them down.
const MEASURED_RUNS: usize = 5;

/// The classification of a picture.
#[derive(Debug, Serialize)]
pub struct PictureReport {
    /// Path of the file.
    pub path: String,
    /// Width in pixels, upright.
    pub width: u32,
    /// Height in pixels, upright.
    pub height: u32,
    /// EXIF asks for a rotation or a reflection, which was applied.
    pub turned: bool,
    /// The best classes, best first; at most five.
    pub classes: Vec<ClassReport>,
    /// Where the first class is: x, y, width and height in fractions of the picture; `None` if it is
    /// the background, or the model does not tell.
    #[serde(rename = "box")]
    pub location: Option<String>,
    /// Duration of an inference in milliseconds, without decoding and preprocessing.
    pub inference_ms: f64,
    /// CPU threads of the inference.
    pub threads: u32,
}

/// A ranked class.
#[derive(Debug, Serialize)]
pub struct ClassReport {
    /// Index of the class.
    pub class: usize,
    /// Name of the class.
    pub label: String,
    /// 0..1.
    pub confidence: f32,
}

/// Classifies `pictures` with the model of `config`.
///
/// # Errors
///
/// As [`Classifier::load`], [`Classifier::set_frame_spec`] and [`Classifier::infer`].
pub fn classify(config: &Config, pictures: &[Picture]) -> Result<Vec<PictureReport>, Failure> {
    let mut classifier = load(config)?;
    pictures.iter().map(|picture| classify_one(&mut classifier, picture)).collect()
}

/// Loads a classifier without smoothing, hysteresis and rate limit.
fn load(config: &Config) -> Result<Classifier, LoadError> {
    let rules = Rules { max_results: REPORTED_CLASSES, ..Rules::default() };
    Classifier::load(config, RuntimeConfig { rules, second_look: true, ..RuntimeConfig::default() })
}

fn classify_one(classifier: &mut Classifier, picture: &Picture) -> Result<PictureReport, Failure> {
    let pixels = &picture.upright;
    let spec = frame_spec(pixels);
    classifier.set_frame_spec(&spec)?;
    classifier.reset();
    let frame = FrameView::new(&spec, &[plane(pixels)])?;
    let mut inference_time = Duration::MAX;
    for _ in 0..MEASURED_RUNS {
        let time = classifier.begin_frame(None);
        classifier.infer(&frame, time)?;
        inference_time = inference_time.min(classifier.classification(None).inference_time);
    }
    let labels = classifier.labels();
    let Classification { ranked, location, .. } = classifier.classification(None);
    let classes = ranked.iter().map(|ranked| ClassReport {
        class: ranked.class,
        label: labels.get(ranked.class).cloned().unwrap_or_default(),
        confidence: ranked.confidence,
    });
    Ok(PictureReport {
        path: picture.name(),
        width: pixels.width(),
        height: pixels.height(),
        turned: picture.is_turned(),
        classes: classes.collect(),
        location: location.map(|location| location.to_string()),
        inference_ms: inference_time.as_secs_f64() * 1e3,
        threads: classifier.description().threads,
    })
}
