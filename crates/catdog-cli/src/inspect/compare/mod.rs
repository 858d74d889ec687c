//! Compares catdog with the user's own program for one picture, and says where they part.
//!
//! The user's program records the input of the model and its scores (`recorded`). The comparison
//! finds out how that input was made (`input`), runs the model on the recorded input and on its own
//! (`scores`), and names the property to set for each difference.

mod findings;
mod input;
mod recorded;
mod resample;
mod scores;

use catdog_core::classifier::{Config, Interpretation, LoadError};
use catdog_core::decision::Activation;
use catdog_core::engine::litert::{LiteRtEngine, LiteRtModel, LiteRtOptions};
use catdog_core::engine::{self, Engine};
use catdog_core::frame::FrameView;
use catdog_core::model::tflite::ModelInfo;
use catdog_core::preprocess::{Channels, Preprocessor};
use catdog_core::tensor::{Quantization, TensorMut, f16};
use serde::Serialize;

use crate::Failure;
use crate::picture::{Picture, frame_spec, plane};
use findings::Finding;
use input::Explanation;
pub use recorded::Recorded;
use recorded::RecordedImage;
use scores::Relation;

/// The result of a comparison.
#[derive(Debug, Serialize)]
pub struct Comparison {
    /// The program that recorded the result.
    program: String,
    /// Whether both programs read the same file.
    same_picture: bool,
    /// How the recorded input was made; `None` if that is unknown.
    input: Option<InputReport>,
    /// The comparison of scores; `None` if the model was not run.
    scores: Option<ScoresReport>,
    /// Why the model was not run.
    pub runtime_error: Option<String>,
    /// The differences; empty if there are none.
    findings: Vec<Finding>,
}

/// How the recorded input was made.
#[derive(Debug, Serialize)]
struct InputReport {
    width: usize,
    height: usize,
    /// The way from the picture to the input, in words.
    way: String,
    /// Root mean square of the difference that the way does not explain, in pixel values.
    residual: f64,
    /// The element of black in each channel.
    black: Vec<f64>,
    /// The element of white in each channel.
    white: Vec<f64>,
}

/// The comparison of scores.
#[derive(Debug, Serialize)]
struct ScoresReport {
    /// How the recorded scores follow from those of catdog for the recorded input.
    relation: Relation,
    /// Largest difference of the scores for the recorded input.
    largest_difference: f32,
    /// The best class of the recorded scores.
    recorded: Best,
    /// The best class of catdog for the recorded input.
    catdog_recorded_input: Best,
    /// The best class of catdog for the picture.
    catdog: Best,
}

/// A best class.
#[derive(Debug, Serialize)]
struct Best {
    label: String,
    confidence: f32,
}

/// Compares the recorded result for `picture` with that of the model of `config`, which `info`
/// describes.
///
/// # Errors
///
/// The labels cannot be used, the picture cannot be preprocessed, or an inference fails. A missing
/// runtime is no error: the inputs are compared without it.
pub fn compare(
    config: &Config,
    info: &ModelInfo,
    picture: &Picture,
    recorded: &Recorded,
) -> Result<Comparison, Failure> {
    let interpretation = match Interpretation::load(config) {
        Err(LoadError::Runtime(_)) => Interpretation::new(config, info, None)?,
        interpretation => interpretation?,
    };
    let image = recorded.input.image(&info.input);
    let fits = |image: &&RecordedImage| (image.width, image.height) == info.input.size;
    let bgr = info.input.channels == Channels::Bgr;
    let explanation = match image.as_ref().filter(fits) {
        Some(image) => input::explain(picture, image, config.resize, bgr)?,
        None => None,
    };
    let mut findings = Vec::new();
    if recorded.picture.crc32 != picture.checksum {
        findings.push(findings::other_picture(&recorded.picture.name, &picture.name()));
    }
    match (&image, &explanation) {
        (Some(_), Some(explanation)) => {
            let ours = findings::range_of(&interpretation, info);
            findings::input(&mut findings, explanation, config.resize, bgr, &ours);
        }
        (image, _) => findings::unexplained_input(&mut findings, image.as_ref(), recorded, info),
    }
    let run = run(info, &interpretation, config, picture, image.as_ref().filter(fits));
    let (scores, runtime_error) = match run {
        Ok(run) => {
            (Some(scores_report(&run, info, &interpretation, recorded, &mut findings)), None)
        }
        Err(error) => (None, Some(error.to_string())),
    };
    findings::labels(&mut findings, recorded, &interpretation.labels.names);
    Ok(Comparison {
        program: recorded.program.clone(),
        same_picture: recorded.picture.crc32 == picture.checksum,
        input: explanation
            .zip(image)
            .map(|(explanation, image)| InputReport::new(&explanation, &image)),
        scores,
        runtime_error,
        findings,
    })
}

/// The scores of catdog.
struct Run {
    /// For the picture, as real numbers.
    own: Vec<f32>,
    /// For the recorded input, as real numbers and as they are stored; `None` if it does not fit.
    recorded: Option<(Vec<f32>, Vec<f32>)>,
}

/// Runs the model on the picture and on the recorded input.
fn run(
    info: &ModelInfo,
    interpretation: &Interpretation,
    config: &Config,
    picture: &Picture,
    image: Option<&RecordedImage>,
) -> Result<Run, Failure> {
    let file = config.model.read()?;
    let options = LiteRtOptions { threads: 1, accelerator: config.accelerator };
    let model = LiteRtModel::with_model_options(&file, &options, &config.model_options)?;
    let mut engine = model.engine()?;
    let spec = frame_spec(&picture.upright);
    let target = interpretation.tensor_target(info);
    let frame = FrameView::new(&spec, &[plane(&picture.upright)])?;
    Preprocessor::new(&spec, &target, config.resize)?.run(&frame, engine.input_mut())?;
    engine::run(&mut engine)?;
    let own = scores_of(&engine, info.output.quantization);
    let recorded = match image {
        None => None,
        Some(image) => {
            let values = image.values_in(info.input.order);
            store(&values, info.input.tensor.quantization, engine.input_mut());
            engine::run(&mut engine)?;
            Some((scores_of(&engine, info.output.quantization), scores_of(&engine, None)))
        }
    };
    Ok(Run { own, recorded })
}

fn scores_of(engine: &LiteRtEngine, quantization: Option<Quantization>) -> Vec<f32> {
    let output = engine.output();
    (0..output.len()).map(|index| output.real(index, quantization)).collect()
}

/// Stores real numbers in an input tensor. A conversion to an integer clamps.
fn store(values: &[f32], quantization: Option<Quantization>, input: TensorMut<'_>) {
    let stored = |value: &f32| match quantization {
        Some(q) => (value / q.scale).round() + q.zero_point as f32,
        None => value.round(),
    };
    match input {
        TensorMut::F32(input) => input.copy_from_slice(values),
        TensorMut::F16(elements) => elements
            .iter_mut()
            .zip(values)
            .for_each(|(element, value)| *element = f16::from_f32(*value)),
        TensorMut::U8(input) => {
            input.iter_mut().zip(values).for_each(|(to, value)| *to = stored(value) as u8);
        }
        TensorMut::I8(input) => {
            input.iter_mut().zip(values).for_each(|(to, value)| *to = stored(value) as i8);
        }
    }
}

/// Compares the scores and adds the differences to `findings`.
fn scores_report(
    run: &Run,
    info: &ModelInfo,
    interpretation: &Interpretation,
    recorded: &Recorded,
    findings: &mut Vec<Finding>,
) -> ScoresReport {
    let theirs = recorded.output.real(info.output.quantization);
    let (ours, stored) = run.recorded.clone().unwrap_or((run.own.clone(), run.own.clone()));
    let step = info.output.quantization.map_or(0.0, |quantization| quantization.scale);
    let raw =
        if recorded.output.quantization.is_none() { recorded.output.stored() } else { &theirs };
    let relation = match scores::relation(&ours, &stored, &theirs, step) {
        Relation::Different => scores::relation(&ours, &stored, raw, step),
        relation => relation,
    };
    let applied = interpretation.activation;
    let are_confidences = scores::need_no_activation(&theirs, info.activation);
    if run.recorded.is_some() {
        findings::scores(findings, relation, applied, are_confidences);
    }
    let labels = &interpretation.labels.names;
    let best = |scores: &[f32], activation: Activation| {
        let (class, confidence) = scores::best(&scores::confidences(scores, activation));
        Best { label: labels.get(class).cloned().unwrap_or_else(|| class.to_string()), confidence }
    };
    let their_activation = match relation {
        Relation::BeforeSoftmax => Activation::Softmax,
        Relation::BeforeSigmoid => Activation::Sigmoid,
        Relation::Equal if !are_confidences => applied,
        Relation::Stored => applied,
        _ => Activation::None,
    };
    ScoresReport {
        relation,
        largest_difference: scores::difference(&ours, &theirs),
        recorded: best(
            if relation == Relation::Stored { &ours } else { &theirs },
            their_activation,
        ),
        catdog_recorded_input: best(&ours, applied),
        catdog: best(&run.own, applied),
    }
}

impl InputReport {
    fn new(explanation: &Explanation, image: &RecordedImage) -> Self {
        Self {
            width: image.width,
            height: image.height,
            way: explanation.to_string(),
            residual: explanation.residual,
            black: explanation.lines.iter().map(|line| line.offset).collect(),
            white: explanation.lines.iter().map(|line| line.offset + 255.0 * line.slope).collect(),
        }
    }
}

impl Comparison {
    /// Returns the lines of the text, each with its key.
    pub fn lines(&self) -> Vec<(&'static str, String)> {
        let program = if self.program.is_empty() { "another program" } else { &self.program };
        let mut lines = vec![("compared", format!("with the result of {program}"))];
        if let Some(input) = &self.input {
            lines.push((
                "their input",
                format!(
                    "{} x {}, {}; residual {:.2} pixel values",
                    input.width, input.height, input.way, input.residual
                ),
            ));
        }
        if let Some(scores) = &self.scores {
            let best = |best: &Best| format!("{} {:.1} %", best.label, 100.0 * best.confidence);
            lines.push((
                "best class",
                format!(
                    "recorded: {}; catdog on the recorded input: {}; catdog on the picture: {}",
                    best(&scores.recorded),
                    best(&scores.catdog_recorded_input),
                    best(&scores.catdog)
                ),
            ));
        }
        if let Some(error) = &self.runtime_error {
            lines.push(("scores", format!("not compared: {error}")));
        }
        for finding in &self.findings {
            lines.push(("differs", finding.to_string()));
        }
        if self.findings.is_empty() {
            let compared = if self.scores.is_some() { "nothing" } else { "nothing in the inputs" };
            lines.push(("differs", compared.into()));
        }
        if let Some(properties) = self.properties() {
            lines.push(("set", properties));
        }
        lines
    }

    /// Returns the properties to set, as they are written in a pipeline; `None` if there are none.
    fn properties(&self) -> Option<String> {
        let properties: Vec<&str> =
            self.findings.iter().filter_map(|finding| finding.set.as_deref()).collect();
        (!properties.is_empty()).then(|| properties.join(" "))
    }

    /// Returns the differences in one line, or why the scores were not compared; `None` if both
    /// programs give the same answer.
    pub fn summary(&self) -> Option<String> {
        if self.findings.is_empty() {
            return self.runtime_error.clone();
        }
        let parts: Vec<&str> = self.findings.iter().map(|finding| finding.part).collect();
        let parts = parts.join(", ");
        Some(match self.properties() {
            Some(properties) => {
                format!("catdog and the recorded result differ in: {parts}; set {properties}")
            }
            None => {
                format!("catdog and the recorded result differ in: {parts}; see the lines above")
            }
        })
    }
}
