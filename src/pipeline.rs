//! The stages composed: frame -> tensor -> inference -> decision, without GStreamer.
//!
//! In [`Mode::Sync`] a frame carries its own result, in [`Mode::Async`] the latest there is.
//!
//! The element drives this, and so do benches and tests. [`Config`] is what the user's settings
//! resolve to, validated once; a [`Classifier`] is what runs. After the first frame of a format the
//! path of a frame allocates nothing.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::decision::{Activation, Decider, Decision, Rules, Scored};
use crate::engine::calibration;
use crate::engine::litert::{Accelerator, LiteRtOptions};
use crate::engine::pool::EnginePool;
use crate::engine::shared::{Optimization, SharedModel};
use crate::engine::tflite::{GraphActivation, ModelInfo, Normalization};
use crate::engine::{self, fake::FakeEngine};
use crate::error::{ConfigError, FrameFault, LoadError, StartError};
use crate::frame::{FrameSpec, FrameView};
use crate::labels::{LabelSources, modelinfo_normalization};
use crate::live::{AsyncInference, Finished};
use crate::model::ModelSource;
use crate::preprocess::{Preprocessor, Resize, ResizeMethod, TensorTarget, ValueMap};
use crate::stats::Durations;
use crate::tensor::{ElementType, Quantization, TensorInfo, TensorRef};

/// How scores become confidences: read from the graph, or said by the user.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OutputActivation {
    /// None where the graph ends in LOGISTIC or SOFTMAX; else sigmoid for one score, softmax for
    /// several.
    #[default]
    Auto,
    /// Always this one.
    Fixed(Activation),
}

/// What cannot change while a model is loaded.
#[derive(Clone, Debug)]
pub struct Config {
    /// The `.tflite` classifier.
    pub model: ModelSource,
    /// Names separated by commas; they go before any file.
    pub labels: Option<String>,
    /// A file with one name a line.
    pub labels_file: Option<PathBuf>,
    /// CPU threads of one inference; 0 chooses.
    pub threads: u32,
    /// Where the graph runs.
    pub accelerator: Accelerator,
    /// Whether the model may be rewritten into one that runs faster and decides alike.
    pub optimize: bool,
    /// Mean and standard deviation, where the user gives them.
    pub normalization: Option<Normalization>,
    /// How a frame is fitted to the model's input.
    pub resize: Resize,
    /// How scores become confidences.
    pub activation: OutputActivation,
}

/// What may change from one frame to the next.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LiveConfig {
    /// When a class is believed.
    pub rules: Rules,
    /// Every how many frames an inference is run, at least 1.
    pub inference_interval: u64,
    /// The least time between the frames that are inferred; `None`: none.
    pub least_period: Option<Duration>,
    /// How much older than its frame a held result may be; `None` for ever.
    pub result_timeout: Option<Duration>,
}

/// When the result of a frame is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Before the frame goes on.
    #[default]
    Sync,
    /// Some frames later: no frame waits for an inference.
    Async,
}

/// Time stamps are rounded, to milliseconds in some containers.
const TIME_TOLERANCE: Duration = Duration::from_millis(1);

/// A result, as it goes onto a buffer.
#[derive(Clone, Copy, Debug)]
pub struct Outcome<'a> {
    /// The classes by falling confidence; empty where there has been no inference yet.
    pub ranked: &'a [Scored],
    /// The class that is believed; `None` where none is.
    pub believed: Option<Scored>,
    /// Whether this very frame was inferred.
    pub fresh: bool,
    /// Presentation time of the inferred frame, where it had one.
    pub inference_pts: Option<Duration>,
    /// How much older than this frame that one is.
    pub age: Option<Duration>,
    /// What the inference took.
    pub inference_time: Duration,
}

impl Outcome<'_> {
    /// Of the class that is believed, else of the best, 0..1; 0 where there is no result.
    pub fn confidence(&self) -> f32 {
        self.believed.or(self.ranked.first().copied()).map_or(0.0, |scored| scored.confidence)
    }
}

/// What was counted: frames and inferences since the start, durations since the model was loaded.
#[derive(Clone, Debug, Default)]
pub struct Counters {
    /// Frames seen.
    pub frames: u64,
    /// Inferences run.
    pub inferences: u64,
    /// Frames that were due for an inference and got none: too late for it, or replaced by the
    /// next one before a worker was free.
    pub skipped: u64,
    /// What preprocessing took.
    pub preprocess: Durations,
    /// What the inferences took.
    pub invoke: Durations,
    /// How long frames waited for their results: for an engine too, where others use it.
    pub wait: Durations,
}

/// The last result.
#[derive(Debug, Default)]
struct Held {
    ranked: Vec<Scored>,
    believed: Option<Scored>,
    pts: Option<Duration>,
    inference_time: Duration,
}

/// A model, its preprocessing and its decision, with the last result.
pub struct Classifier {
    pool: Arc<EnginePool>,
    /// Keeps the model in memory for whoever else runs it; none on a fake engine.
    _model: Option<Arc<SharedModel>>,
    /// In [`Mode::Async`].
    beside: Option<AsyncInference>,
    target: TensorTarget,
    resize: Resize,
    preprocessor: Option<Preprocessor>,
    decider: Decider,
    labels: Vec<String>,
    live: LiveConfig,
    held: Held,
    /// Frames since the last inference; `None` before the first.
    since_inference: Option<u64>,
    /// When a frame was due for the last time, by the least period.
    last_due: Option<Duration>,
    /// In [`Mode::Async`], since when the result of the latest frame handed over is awaited.
    awaited: Option<Instant>,
    counters: Counters,
    description: Description,
}

/// What runs, in words and numbers.
#[derive(Clone, Debug)]
pub struct Description {
    /// The model's file name.
    pub model: String,
    /// CPU threads of one inference.
    pub threads: u32,
    /// Where the graph runs.
    pub accelerator: Accelerator,
    /// What was made of the model's file.
    pub optimization: Optimization,
    /// What an inference took when the model was loaded.
    pub inference_time: Duration,
    /// What the user may want to know about choices made for want of information.
    pub warnings: Vec<String>,
}

impl Classifier {
    /// Loads runtime, model and labels.
    ///
    /// # Errors
    ///
    /// [`StartError`] where one of them is missing, damaged, or contradicts another.
    pub fn load(config: &Config, live: LiveConfig) -> Result<Self, StartError> {
        let model = &config.model;
        if let Some(engine) = model.file().and_then(FakeEngine::stand_in) {
            return Ok(Self::fake(engine, live));
        }
        let in_model = |error| match error {
            LoadError::Runtime(error) => StartError::Runtime(error),
            LoadError::Engine(source) if config.accelerator != Accelerator::Cpu => {
                let name = config.accelerator.name();
                StartError::Accelerator { name, model: model.clone(), source }
            }
            source => StartError::Model { model: model.clone(), source },
        };
        let bytes = model
            .read()
            .map_err(|reason| StartError::Unreadable { model: model.clone(), reason })?;
        let Config { accelerator, optimize, .. } = *config;
        let loaded = match config.threads {
            0 => calibration::load(&bytes, accelerator, optimize),
            threads => SharedModel::load(&bytes, &LiteRtOptions { threads, accelerator }, optimize)
                .map(|model| (model, threads)),
        };
        let (shared, threads) = loaded.map_err(in_model)?;
        let info = shared.info();
        let scores = info.output.len();

        let mut warnings = Vec::new();
        let sources = LabelSources {
            list: config.labels.as_deref(),
            file: config.labels_file.as_deref(),
            metadata: info.labels.as_ref(),
            model: model.file(),
        };
        let labels = sources.resolve(scores)?;
        if labels.numbered {
            warnings.push(format!(
                "nothing names the {scores} classes of {model}, so they are shown as numbers; set \
                 labels or labels-file",
            ));
        }
        let scaling = input_scaling(config, info, &mut warnings);
        if scaling == Scaling::Unknown && info.input.element == ElementType::F32 {
            warnings.push(format!(
                "nothing says how {model} wants its float input normalised, so levels 0..255 \
                 become -1..1; set input-mean and input-std (0 and 1 for 0..255, 0 and 255 for 0..1)",
            ));
        }
        let activation = resolve_activation(config.activation, info, model)?;
        let description = Description {
            model: model.name().into_owned(),
            threads,
            accelerator: config.accelerator,
            optimization: shared.optimization().clone(),
            inference_time: shared.inference_time(),
            warnings,
        };
        let pool = Arc::clone(shared.pool());
        Ok(Self::compose(
            (pool, Some(shared)),
            &scaling,
            config.resize,
            activation,
            labels.names,
            live,
            description,
        ))
    }

    /// A classifier on the deterministic [`FakeEngine`], with the labels "red", "green", "blue".
    pub fn fake(engine: FakeEngine, live: LiveConfig) -> Self {
        let inference_time = engine.delay;
        Self::compose(
            (Arc::new(EnginePool::new(Box::new(engine))), None),
            &Scaling::Unknown,
            ResizeMethod::Stretch.into(),
            Activation::None,
            ["red", "green", "blue"].map(str::to_owned).to_vec(),
            live,
            Description {
                model: "fake".into(),
                threads: 1,
                accelerator: Accelerator::Cpu,
                optimization: Optimization::Off,
                inference_time,
                warnings: Vec::new(),
            },
        )
    }

    fn compose(
        (pool, model): (Arc<EnginePool>, Option<Arc<SharedModel>>),
        scaling: &Scaling,
        resize: Resize,
        activation: Activation,
        labels: Vec<String>,
        live: LiveConfig,
        description: Description,
    ) -> Self {
        let output = pool.output_info();
        let scores = output.len();
        let decider =
            Decider::new(scores, labels.len(), activation, output.quantization, live.rules.clone());
        let held = Held { ranked: Vec::with_capacity(labels.len().max(scores)), ..Held::default() };
        Self {
            target: tensor_target(pool.input_info(), scaling),
            pool,
            _model: model,
            beside: None,
            resize,
            preprocessor: None,
            decider,
            labels,
            live,
            held,
            since_inference: None,
            last_due: None,
            awaited: None,
            counters: Counters::default(),
            description,
        }
    }

    /// Prepares for frames of `spec`; what was held is of another picture, and is forgotten.
    ///
    /// # Errors
    ///
    /// [`FrameFault::Preprocess`] where the spec contradicts itself.
    pub fn set_frame_spec(&mut self, spec: &FrameSpec) -> Result<(), FrameFault> {
        self.forget();
        self.preprocessor = None;
        self.preprocessor = Some(Preprocessor::new(spec, &self.target, self.resize)?);
        Ok(())
    }

    /// Counts frames and inferences on from where `before` has come to, whose place this one takes.
    pub fn count_on_from(&mut self, before: &Self) {
        let Counters { frames, inferences, skipped, .. } = before.counters;
        self.counters = Counters { frames, inferences, skipped, ..Counters::default() };
    }

    /// When results are there from now on. What is held stays.
    pub fn set_mode(&mut self, mode: Mode) {
        match mode {
            Mode::Sync => {
                if self.awaited.take().is_some() {
                    self.counters.skipped += 1;
                    self.since_inference = None;
                }
                self.beside = None;
            }
            Mode::Async if self.beside.is_some() => {}
            Mode::Async => self.beside = Some(AsyncInference::new(Arc::clone(&self.pool))),
        }
    }

    /// When results are there.
    pub fn mode(&self) -> Mode {
        if self.beside.is_some() { Mode::Async } else { Mode::Sync }
    }

    /// Takes over what may change between frames.
    pub fn set_live(&mut self, live: LiveConfig) {
        self.decider.set_rules(live.rules.clone());
        self.live = live;
    }

    /// Drops the held result: after a flush, a seek, a new format.
    pub fn forget(&mut self) {
        let mut ranked = std::mem::take(&mut self.held.ranked);
        ranked.clear();
        self.held = Held { ranked, ..Held::default() };
        self.since_inference = None;
        self.last_due = None;
        self.awaited = None;
        self.decider.forget();
        if let Some(beside) = &mut self.beside {
            beside.forget();
        }
    }

    /// The names of the classes, two for a model of one score.
    pub fn labels(&self) -> &[String] {
        &self.labels
    }

    /// What runs.
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// What was counted so far.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// How long a frame that waits for its own result waits, in 95 of 100 of the latest; before the
    /// first, what an inference took when the model was loaded.
    pub fn latency(&self) -> Duration {
        match self.counters.wait.percentile(95) {
            0 => self.description.inference_time,
            nanoseconds => Duration::from_nanos(nanoseconds),
        }
    }

    /// Whether a frame shown at `pts` is to be inferred, by the inference interval and the least
    /// period.
    pub fn due(&self, pts: Option<Duration>) -> bool {
        let by_count = self.since_inference.is_none_or(|n| n + 1 >= self.live.inference_interval);
        let early = pts.zip(self.last_due).zip(self.live.least_period);
        by_count
            && !early.is_some_and(|((now, last), period)| {
                // Backwards in time, where a stream is played in reverse.
                now.abs_diff(last) + TIME_TOLERANCE < period
            })
    }

    /// Lets a frame shown at `pts` pass with the held result.
    pub fn hold(&mut self, pts: Option<Duration>) {
        self.counters.frames += 1;
        self.counters.skipped += u64::from(self.due(pts));
        self.since_inference = self.since_inference.map(|n| n + 1);
    }

    /// Takes note that a frame shown at `pts` is inferred.
    fn inferring(&mut self, pts: Option<Duration>) {
        self.since_inference = Some(0);
        self.last_due = pts.zip(self.live.least_period).map(|(now, period)| {
            // From when it was due, so that the rate is kept on average, whatever the frame rate.
            let last = self.last_due.unwrap_or(now);
            let due = if now >= last { last + period } else { last.saturating_sub(period) };
            if now.abs_diff(due) < period { due } else { now }
        });
    }

    /// Runs preprocessing, inference and decision on `frame`, shown at `pts`, and holds the
    /// result; in [`Mode::Async`] only the first of these, the rest follows ([`fetch`](Self::fetch)).
    ///
    /// # Errors
    ///
    /// [`FrameFault`] where no format was set, the frame is not of it, or the engine fails; what
    /// was held stays.
    pub fn infer(
        &mut self,
        frame: &FrameView<'_>,
        pts: Option<Duration>,
    ) -> Result<(), FrameFault> {
        self.counters.frames += 1;
        let preprocessor = self.preprocessor.as_mut().ok_or(FrameFault::NoFormat)?;
        if let Some(beside) = &mut self.beside {
            let start = Instant::now();
            let replaced = beside.submit(pts, |input| preprocessor.run(frame, input))?;
            self.counters.skipped += u64::from(replaced);
            self.counters.preprocess.add(start.elapsed());
            self.inferring(pts);
            self.awaited = Some(start);
            return Ok(());
        }
        let start = Instant::now();
        let pool = Arc::clone(&self.pool);
        let mut engine = pool.take();
        let taken = Instant::now();
        preprocessor.run(frame, engine.input_mut())?;
        let preprocessed = Instant::now();
        engine::run(&mut *engine)?;
        let took = preprocessed.elapsed();
        self.counters.preprocess.add(preprocessed - taken);
        self.take_in(engine.output(), pts, took);
        self.counters.wait.add(start.elapsed());
        self.inferring(pts);
        Ok(())
    }

    /// In [`Mode::Async`], takes in the oldest of what has been inferred meanwhile; whether there was
    /// something.
    ///
    /// # Errors
    ///
    /// [`FrameFault::Engine`] where the inference failed; what was held stays.
    pub fn fetch(&mut self) -> Result<bool, FrameFault> {
        let Some(Finished { pts, result }) = self.beside.as_mut().and_then(AsyncInference::fetch)
        else {
            return Ok(false);
        };
        let (output, took) = result?;
        self.take_in(output.elements(), pts, took);
        if let Some(beside) = &mut self.beside {
            beside.recycle(output);
        }
        Ok(true)
    }

    /// In [`Mode::Async`], waits for the inferences at hand, at most so long. Returns whether none
    /// is left.
    pub fn wait(&self, limit: Duration) -> bool {
        self.beside.as_ref().is_none_or(|beside| beside.wait(limit))
    }

    /// Waits until no inference runs, be it forgotten, at most so long.
    pub fn settle(&self, limit: Duration) {
        if let Some(beside) = &self.beside {
            beside.settle(limit);
        }
    }

    fn take_in(&mut self, output: TensorRef<'_>, pts: Option<Duration>, took: Duration) {
        if let Some(since) = self.awaited.take() {
            self.counters.wait.add(since.elapsed());
        }
        let Decision { ranked, believed } = self.decider.decide(output, pts);
        self.held.ranked.clear();
        self.held.ranked.extend_from_slice(ranked);
        self.held.believed = believed;
        self.held.pts = pts;
        self.held.inference_time = took;
        self.counters.inferences += 1;
        self.counters.invoke.add(took);
    }

    /// Presentation time of the frame that the result at hand is of.
    pub fn held_pts(&self) -> Option<Duration> {
        self.held.pts
    }

    /// The result for a frame shown at `pts`: its own right after [`infer`](Self::infer), else
    /// the held one.
    pub fn outcome(&self, pts: Option<Duration>) -> Outcome<'_> {
        let held = &self.held;
        // Backwards in time, where a stream is played in reverse.
        let age = pts.zip(held.pts).map(|(now, then)| now.abs_diff(then));
        let expired = age.zip(self.live.result_timeout).is_some_and(|(age, limit)| age > limit);
        Outcome {
            ranked: if expired { &[] } else { &held.ranked },
            believed: held.believed.filter(|_| !expired),
            fresh: self.awaited.is_none() && self.since_inference == Some(0),
            inference_pts: held.pts,
            age,
            inference_time: held.inference_time,
        }
    }
}

/// What the elements of a model's input stand for.
#[derive(Clone, Debug, PartialEq)]
enum Scaling {
    /// Nothing says.
    Unknown,
    /// Real numbers, which a quantised input stores by its own scale.
    Real(Normalization),
    /// What is stored, whatever it stands for.
    Stored(Normalization),
}

/// The user's word, else the metadata's, else that of a `.modelinfo`.
fn input_scaling(config: &Config, info: &ModelInfo, warnings: &mut Vec<String>) -> Scaling {
    if let Some(normalization) = &config.normalization {
        // Integers without a scale stand for nothing but themselves.
        let stored = info.input.element != ElementType::F32 && info.input.quantization.is_none();
        let scaling = if stored { Scaling::Stored } else { Scaling::Real };
        return scaling(normalization.clone());
    }
    if let Some(normalization) = &info.normalization {
        return Scaling::Real(normalization.clone());
    }
    match config.model.file().map_or(Ok(None), modelinfo_normalization) {
        Ok(Some(normalization)) => Scaling::Stored(normalization),
        Ok(None) => Scaling::Unknown,
        Err(reason) => {
            warnings.push(reason);
            Scaling::Unknown
        }
    }
}

fn resolve_activation(
    wanted: OutputActivation,
    info: &ModelInfo,
    model: &ModelSource,
) -> Result<Activation, StartError> {
    let scores = info.output.len();
    match wanted {
        OutputActivation::Fixed(Activation::Softmax) if scores == 1 => {
            Err(ConfigError::SoftmaxOfOne { model: model.clone() }.into())
        }
        OutputActivation::Fixed(activation) => Ok(activation),
        OutputActivation::Auto => Ok(match info.activation {
            GraphActivation::Logistic | GraphActivation::Softmax => Activation::None,
            GraphActivation::None if scores == 1 => Activation::Sigmoid,
            GraphActivation::None => Activation::Softmax,
        }),
    }
}

/// Mean and standard deviation of a float input about which nothing is known: 0..255 becomes
/// -1..1, as the MobileNet family was trained.
const FLOAT_CENTRE: f32 = 127.5;

fn tensor_target(input: &TensorInfo, scaling: &Scaling) -> TensorTarget {
    TensorTarget {
        width: input.shape.get(2).copied().unwrap_or(0),
        height: input.shape.get(1).copied().unwrap_or(0),
        element: input.element,
        values: std::array::from_fn(|channel| value_map(input, scaling, channel)),
    }
}

/// What a level of `channel` (0 red, 1 green, 2 blue) becomes.
fn value_map(input: &TensorInfo, scaling: &Scaling, channel: usize) -> ValueMap {
    let of_channel = |normalization: &Normalization| {
        // One number holds for all channels.
        let pick = |values: &[f32]| values.get(channel).or(values.first()).copied();
        Some((pick(&normalization.mean)?, pick(&normalization.std)?))
    };
    if input.element == ElementType::F32 {
        let (mean, std) = match scaling {
            Scaling::Real(normalization) | Scaling::Stored(normalization) => {
                of_channel(normalization)
            }
            Scaling::Unknown => None,
        }
        .unwrap_or((FLOAT_CENTRE, FLOAT_CENTRE));
        return ValueMap::Normalized { mean, std };
    }
    /// Stored values taken as they are.
    const IDENTITY: Quantization = Quantization { scale: 1.0, zero_point: 0 };
    let mapped = match scaling {
        Scaling::Real(normalization) => of_channel(normalization).zip(input.quantization),
        Scaling::Stored(normalization) => of_channel(normalization).zip(Some(IDENTITY)),
        Scaling::Unknown => None,
    };
    // Without a normalisation or a scale, the tensor's bytes are the levels.
    mapped.map_or(ValueMap::Level, |((mean, std), quantization)| ValueMap::Quantized {
        mean,
        std,
        quantization,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(element: ElementType, quantization: Option<Quantization>) -> TensorInfo {
        TensorInfo { name: "input".into(), shape: vec![1, 8, 8, 3], element, quantization }
    }

    #[test]
    fn ranges_of_a_modelinfo_are_in_stored_units() {
        let passthrough = Scaling::Stored(Normalization { mean: vec![0.0], std: vec![1.0] });
        let quantization = Some(Quantization { scale: 1.0 / 127.5, zero_point: 127 });
        // 0..255 stored as 0..255, whatever the tensor's own scale is.
        let want = ValueMap::Quantized {
            mean: 0.0,
            std: 1.0,
            quantization: Quantization { scale: 1.0, zero_point: 0 },
        };
        assert_eq!(value_map(&input(ElementType::U8, quantization), &passthrough, 0), want);
    }

    #[test]
    fn what_nothing_is_said_of_is_stored_as_levels_or_centred() {
        assert_eq!(value_map(&input(ElementType::I8, None), &Scaling::Unknown, 0), ValueMap::Level);
        let centred = ValueMap::Normalized { mean: 127.5, std: 127.5 };
        assert_eq!(value_map(&input(ElementType::F32, None), &Scaling::Unknown, 2), centred);
    }

    #[test]
    fn each_channel_has_its_own_numbers_where_there_are_three() {
        let normalization = Normalization { mean: vec![1.0, 2.0, 3.0], std: vec![4.0] };
        let map = value_map(&input(ElementType::F32, None), &Scaling::Real(normalization), 1);
        assert_eq!(map, ValueMap::Normalized { mean: 2.0, std: 4.0 });
    }

    fn live() -> LiveConfig {
        let rules = Rules { threshold: 0.1, max_results: 3, ..Rules::default() };
        LiveConfig { rules, inference_interval: 2, ..LiveConfig::default() }
    }

    static RED: [u8; 48] = {
        let mut pixels = [0; 48];
        let mut at = 0;
        while at < pixels.len() {
            pixels[at] = 255;
            at += 3;
        }
        pixels
    };

    /// A classifier for red frames of 4x4 pixels, and one of them.
    fn with_red_frame(engine: FakeEngine) -> (Classifier, FrameView<'static>) {
        let spec = FrameSpec::new(crate::frame::PixelFormat::Rgb, 4, 4);
        let mut classifier = Classifier::fake(engine, live());
        classifier.set_frame_spec(&spec).unwrap();
        let plane = crate::frame::Plane { data: &RED, stride: 12 };
        (classifier, FrameView::new(&spec, &[plane]).unwrap())
    }

    #[test]
    fn what_is_forgotten_leaves_nothing_behind() {
        let (mut classifier, view) = with_red_frame(FakeEngine::new(4, 4));
        let second = Some(Duration::from_secs(1));
        classifier.infer(&view, second).unwrap();
        assert!(classifier.outcome(second).believed.is_some() && classifier.outcome(second).fresh);
        classifier.forget();
        let outcome = classifier.outcome(second);
        assert!(outcome.ranked.is_empty() && outcome.believed.is_none() && !outcome.fresh);
        assert_eq!((outcome.inference_pts, outcome.age), (None, None));
    }

    #[test]
    fn age_counts_in_reverse_too() {
        let (mut classifier, view) = with_red_frame(FakeEngine::new(4, 4));
        classifier.infer(&view, Some(Duration::from_secs(3))).unwrap();
        assert!(!classifier.due(None));
        classifier.hold(None);
        let outcome = classifier.outcome(Some(Duration::from_secs(1)));
        assert!(outcome.believed.is_some() && !outcome.fresh);
        assert_eq!(outcome.age, Some(Duration::from_secs(2)));
    }

    #[test]
    fn a_failing_engine_says_so_and_what_was_held_stays() {
        let mut engine = FakeEngine::new(4, 4);
        engine.fail_from = Some(1);
        let (mut classifier, view) = with_red_frame(engine);
        classifier.infer(&view, None).unwrap();
        assert!(matches!(classifier.infer(&view, None), Err(FrameFault::Engine(_))));
        assert!(classifier.outcome(None).believed.is_some());
        assert_eq!(classifier.counters().inferences, 1);
    }
}
