//! The classifier: frame -> tensor -> inference -> decision, without GStreamer.
//!
//! [`Config`] is the validated configuration; a [`Classifier`] is what runs. For each frame, the
//! caller
//!
//! 1. starts the frame ([`Classifier::begin_frame`]),
//! 2. collects the results of earlier frames ([`Classifier::collect`]),
//! 3. infers the frame ([`Classifier::infer`]) if it is due, or skips it ([`Classifier::skip`]),
//! 4. reads its classification ([`Classifier::classification`]).
//!
//! An inference runs inline, so that a frame gets its own result, or on a worker thread, so that a
//! frame does not wait and gets the latest result ([`Execution`]). A frame on which the model does
//! not decide may be inferred again, closer (`closer_looks`). After the first frame of a format,
//! classifying a frame allocates nothing, unless a closer look shows another part than the last one.

mod boxes;
mod classification;
mod clock;
mod closer_looks;
mod config;
mod error;
mod inference;
mod input_scaling;
mod interpretation;
#[cfg(test)]
mod interpretation_tests;
mod load;
mod location;
mod probe;
#[cfg(test)]
mod probe_engine;
mod region;
mod scaling;
mod schedule;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrayvec::ArrayVec;

use crate::decision::{Activation, Decider, RankedClass, Ranking};
use crate::engine::Runtime;
use crate::engine::litert::Accelerator;
use crate::engine::scheduler::EnginePool;
use crate::engine::shared_model::{Optimization, SharedModel};
use crate::engine::worker::{Finished, MAX_LOOKS, WorkerInference};
use crate::frame::{FrameSpec, FrameTime, FrameView, Region};
use crate::model::labels::is_background;
use crate::preprocess::{Preprocessor, Resize, TensorTarget};
use crate::stats::Counters;
use boxes::{BoxResults, rules_of_boxes};
use clock::StreamClock;
use closer_looks::{CloserLooks, Look, Looks, PartsToShow};
use location::Locator;
use region::preprocessor;
use schedule::Schedule;

pub use classification::Classification;
pub use config::{Config, OutputActivation, RuntimeConfig};
pub use error::{ClassifyError, LoadError};
pub use input_scaling::ScalingSource;
pub use interpretation::{ActivationSource, Interpretation};
pub use probe::Probe;
pub use scaling::{InputRange, Scaling};

/// Where inferences run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Execution {
    /// On the thread that calls [`Classifier::infer`], which returns with the result.
    #[default]
    Inline,
    /// On a worker thread; the result is collected later.
    Worker,
}

/// A loaded model with its preprocessing, its rules for accepting a class, and the latest result.
pub struct Classifier {
    pool: Arc<EnginePool>,
    /// Keeps the model loaded, so that other classifiers can share it; `None` for a fake engine.
    _model: Option<Arc<SharedModel>>,
    /// `Some` for [`Execution::Worker`].
    worker: Option<WorkerInference>,
    target: TensorTarget,
    resize: Resize,
    /// The frames for which preprocessing is planned.
    frame_spec: Option<FrameSpec>,
    /// `None` until the first frame of a format or a region.
    preprocessor: Option<Preprocessor>,
    /// Number of the view of the next frame.
    view: u64,
    decider: Decider,
    /// `None` if the model does not tell where the classes are.
    locator: Option<Locator>,
    /// `None` if the model does not support closer looks.
    closer_looks: Option<CloserLooks>,
    /// Decides on the boxes of a frame.
    box_decider: Decider,
    /// What the boxes of the current frame have contributed to the latest result.
    box_results: BoxResults,
    labels: Vec<String>,
    runtime: RuntimeConfig,
    latest: Latest,
    clock: StreamClock,
    schedule: Schedule,
    /// For [`Execution::Worker`]: when the latest frame was submitted, until its result is
    /// collected.
    submitted: Option<Instant>,
    counters: Counters,
    description: Description,
}

/// The latest result.
#[derive(Debug, Default)]
struct Latest {
    ranked: Vec<RankedClass>,
    accepted: Option<RankedClass>,
    location: Option<Region>,
    pts: Option<Duration>,
    /// Number of the view of the inferred frame.
    view: u64,
    inference_time: Duration,
}

/// The facts about a loaded classifier that users see.
#[derive(Clone, Debug)]
pub struct Description {
    /// File name of the model.
    pub model: String,
    /// One line about its tensors, input range, activation and labels, with their sources.
    pub summary: String,
    /// CPU threads per inference.
    pub threads: u32,
    /// The hardware that runs the graph.
    pub accelerator: Accelerator,
    /// The library that runs the model.
    pub runtime: Runtime,
    /// The result of optimizing the model.
    pub optimization: Optimization,
    /// The classes do not exclude each other, so several of them can apply to a frame.
    pub multi_label: bool,
    /// Duration of one inference, measured when the model was loaded.
    pub inference_time: Duration,
    /// Warnings, one sentence each: what was assumed, and which file is not used.
    pub warnings: Vec<String>,
}

impl fmt::Display for Description {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "model {}: {}; {} thread(s) on {}, {:.1} ms per inference; optimization: {}",
            self.model,
            self.summary,
            self.threads,
            self.accelerator.name(),
            self.inference_time.as_secs_f64() * 1e3,
            self.optimization
        )
    }
}

/// The parts of which a classifier is built.
struct Parts {
    pool: Arc<EnginePool>,
    model: Option<Arc<SharedModel>>,
    target: TensorTarget,
    resize: Resize,
    activation: Activation,
    labels: Vec<String>,
    description: Description,
}

impl Classifier {
    fn from_parts(parts: Parts, runtime: RuntimeConfig) -> Self {
        let Parts { pool, model, target, resize, activation, labels, description } = parts;
        let output = pool.output_info();
        let scores = output.len();
        let rules = runtime.rules.clone();
        let decider = Decider::new(scores, labels.len(), activation, output.quantization, rules)
            .with_multi_label(description.multi_label);
        let mut box_decider = decider.clone();
        box_decider.set_rules(rules_of_boxes(&runtime.rules));
        let ranked = Vec::with_capacity(labels.len().max(scores));
        let locator =
            pool.evidence_info().and_then(|info| Locator::new(info, description.multi_label));
        let closer_looks = CloserLooks::new(&pool, &labels)
            .filter(|_| locator.is_some() && !description.multi_label);
        Self {
            target,
            pool,
            _model: model,
            worker: None,
            resize,
            frame_spec: None,
            preprocessor: None,
            view: 0,
            locator,
            closer_looks,
            decider,
            box_decider,
            box_results: BoxResults::default(),
            labels,
            runtime,
            latest: Latest { ranked, ..Latest::default() },
            clock: StreamClock::default(),
            schedule: Schedule::default(),
            submitted: None,
            counters: Counters::default(),
            description,
        }
    }

    /// Creates a classifier that runs `engine`, with the labels "red", "green" and "blue".
    #[cfg(feature = "testing")]
    pub fn fake(engine: crate::testing::FakeEngine, runtime: RuntimeConfig) -> Self {
        let description = Description {
            model: "fake".into(),
            summary: "fake engine".into(),
            threads: 1,
            accelerator: Accelerator::Cpu,
            runtime: Runtime::LiteRt,
            optimization: Optimization::Off,
            inference_time: engine.delay,
            multi_label: false,
            warnings: Vec::new(),
        };
        let parts = Parts {
            target: engine.target(),
            pool: EnginePool::new(Box::new(engine)),
            model: None,
            resize: crate::preprocess::ResizeMethod::Stretch.into(),
            activation: Activation::None,
            labels: ["red", "green", "blue"].map(str::to_owned).to_vec(),
            description,
        };
        Self::from_parts(parts, runtime)
    }

    /// Prepares for frames of `spec`, the first of which is due for an inference. Until then, the
    /// latest result stays valid, because the caps of a stream can change without its content. After
    /// a change of the orientation, smoothing and hysteresis start again with the result of this
    /// frame.
    ///
    /// # Errors
    ///
    /// [`ClassifyError::Preprocess`] if frames of `spec` cannot be preprocessed.
    pub fn set_frame_spec(&mut self, spec: &FrameSpec) -> Result<(), ClassifyError> {
        self.forget_plans();
        let region = self.runtime.region;
        self.preprocessor = Some(preprocessor(spec, &self.target, self.resize, region)?);
        let previous = self.frame_spec.replace(spec.clone());
        if previous.is_some_and(|previous| previous.orientation != spec.orientation) {
            self.view += 1;
        }
        self.clock.set_frame_duration(spec.frame_duration);
        self.schedule.make_due();
        Ok(())
    }

    /// Sets whether frames arrive in reverse order (a segment with a negative rate).
    pub fn set_reverse(&mut self, reverse: bool) {
        self.clock.set_reverse(reverse);
    }

    /// Continues the counts of `previous`, the classifier that this one replaces, and the numbers of
    /// its views.
    pub fn continue_counters(&mut self, previous: &Self) {
        self.view = previous.view;
        self.latest.view = previous.view;
        self.counters = previous.counters.continued();
    }

    /// Sets where inferences run. The latest result stays.
    pub fn set_execution(&mut self, execution: Execution) {
        match execution {
            Execution::Inline => {
                if self.submitted.take().is_some() {
                    self.counters.skipped += 1;
                    self.schedule.make_due();
                }
                self.worker = None;
            }
            Execution::Worker if self.worker.is_some() => {}
            Execution::Worker => {
                let looks = if self.closer_looks.is_some() { MAX_LOOKS } else { 1 };
                self.worker = Some(WorkerInference::new(Arc::clone(&self.pool), looks));
            }
        }
    }

    /// Returns where inferences run.
    pub fn execution(&self) -> Execution {
        if self.worker.is_some() { Execution::Worker } else { Execution::Inline }
    }

    /// Replaces the part of the configuration that may change between frames.
    ///
    /// After a change of the region, the next frame is due for an inference, and smoothing and
    /// hysteresis start again with its result. Until then, the latest result stays.
    pub fn set_runtime(&mut self, runtime: RuntimeConfig) {
        self.decider.set_rules(runtime.rules.clone());
        self.box_decider.set_rules(rules_of_boxes(&runtime.rules));
        self.change_region(&runtime);
        self.runtime = runtime;
    }

    /// Resets the latest result, the schedule, the smoothing and the hysteresis, and discards
    /// worker inferences: after a flush or at the start of another stream.
    pub fn reset(&mut self) {
        let mut ranked = std::mem::take(&mut self.latest.ranked);
        ranked.clear();
        self.latest = Latest { ranked, view: self.view, ..Latest::default() };
        self.schedule.reset();
        self.box_results = BoxResults::default();
        self.submitted = None;
        self.decider.reset();
        if let Some(closer_looks) = &mut self.closer_looks {
            closer_looks.wanted.clear();
        }
        if let Some(worker) = &mut self.worker {
            worker.reset();
        }
    }

    /// Returns the names of the classes, two for a model of one score.
    pub fn labels(&self) -> &[String] {
        &self.labels
    }

    /// Returns whether the classes do not exclude each other, so that every class that reaches the
    /// threshold is accepted.
    pub fn multi_label(&self) -> bool {
        self.description.multi_label
    }

    /// Returns the facts about the loaded model.
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// Returns the counters.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Returns how long a frame waits for its own result: the 95th percentile of the latest frames,
    /// or before the first frame, the duration of one inference.
    pub fn latency(&self) -> Duration {
        match self.counters.wait.percentile(95) {
            0 => self.description.inference_time,
            nanoseconds => Duration::from_nanos(nanoseconds),
        }
    }

    /// Counts a frame with the timestamp `pts` and returns its time. The caller calls it once per
    /// frame, in the order of the frames.
    pub fn begin_frame(&mut self, pts: Option<Duration>) -> FrameTime {
        self.counters.frames += 1;
        self.box_results = BoxResults::default();
        FrameTime { view: self.view, ..self.clock.advance(pts, Instant::now) }
    }

    /// Returns whether the frame at `time` is due for an inference, by the inference interval and
    /// the rate limit.
    pub fn is_due(&self, time: FrameTime) -> bool {
        self.schedule.is_due(time.elapsed, &self.runtime)
    }

    /// Records that the frame at `time` is not inferred. It gets the latest result.
    pub fn skip(&mut self, time: FrameTime) {
        self.counters.skipped += u64::from(self.is_due(time));
        self.schedule.skipped();
    }

    /// Infers `frame`, whose time is `time`.
    ///
    /// Inline, this runs preprocessing, inference and decision. With [`Execution::Worker`] it runs
    /// preprocessing only; the result is collected later.
    ///
    /// # Errors
    ///
    /// [`ClassifyError`] if no format is set, the frame does not match it, or the engine fails. The
    /// latest result stays.
    pub fn infer(&mut self, frame: &FrameView<'_>, time: FrameTime) -> Result<(), ClassifyError> {
        // If the inference fails, the frame counts as one without a result of its own.
        self.schedule.skipped();
        self.plan_preprocessing()?;
        let start = Instant::now();
        if self.worker.is_some() {
            let replaced = self.submit(frame, time)?;
            self.counters.skipped += u64::from(replaced);
            self.counters.preprocess.add(start.elapsed());
            self.submitted = Some(start);
        } else {
            self.infer_inline(frame, time)?;
            self.counters.wait.add(start.elapsed());
        }
        self.schedule.inferred(time.elapsed, &self.runtime);
        Ok(())
    }

    /// Makes the oldest finished worker inference the latest result. Returns `false` if there is
    /// none.
    ///
    /// # Errors
    ///
    /// [`ClassifyError::Engine`] if the inference failed; the latest result stays.
    pub fn collect(&mut self) -> Result<bool, ClassifyError> {
        let finished = self.worker.as_mut().and_then(WorkerInference::collect);
        let Some(Finished { time, result }) = finished else { return Ok(false) };
        let (seen, inference_time) = result?;
        if let Some(submitted) = self.submitted.take() {
            self.counters.wait.add(submitted.elapsed());
        }
        let looks: Looks<'_> = seen.iter().map(Look::of_seen).collect();
        let background = self.closer_looks.as_ref().map(|closer| closer.background);
        self.decide(&looks, background, time, inference_time);
        if let Some((closer_looks, locator)) = self.closer_looks.as_mut().zip(self.locator.as_mut())
        {
            // A result of another view says nothing about the next frame.
            closer_looks.wanted = if time.view == self.view && self.runtime.second_look {
                closer_looks.parts_for_next_frame(&looks, &mut self.decider, locator)
            } else {
                PartsToShow::new()
            };
        }
        drop(looks);
        if let Some(worker) = &mut self.worker {
            worker.recycle(seen);
        }
        Ok(true)
    }

    /// Waits at most `limit` for the worker inferences of submitted frames. Returns `false` on
    /// timeout.
    pub fn wait(&self, limit: Duration) -> bool {
        self.worker.as_ref().is_none_or(|worker| worker.wait(limit))
    }

    /// Waits at most `limit` until no worker inference runs, including discarded ones.
    pub fn wait_until_idle(&self, limit: Duration) {
        if let Some(worker) = &self.worker {
            worker.wait_until_idle(limit);
        }
    }

    /// Makes the result of the looks at a frame the latest one. Several looks need the class
    /// `background`.
    fn decide(
        &mut self,
        looks: &[Look<'_>],
        background: Option<usize>,
        time: FrameTime,
        inference_time: Duration,
    ) {
        if self.latest.view != time.view {
            self.decider.reset();
        }
        let scores: ArrayVec<_, MAX_LOOKS> = looks.iter().map(|look| look.scores).collect();
        let Ranking { ranked, accepted } =
            self.decider.decide_looks(&scores, background.unwrap_or(0), time.elapsed);
        self.latest.ranked.clear();
        self.latest.ranked.extend_from_slice(ranked);
        self.latest.accepted = accepted;
        self.latest.pts = time.pts;
        self.latest.view = time.view;
        self.latest.inference_time = inference_time;
        self.counters.inferences += 1;
        self.counters.second_looks += u64::from(looks.len() > 1);
        self.counters.invoke.add(inference_time);
        let found = looks.iter().filter_map(|look| self.locate(*look));
        let clearest = found.max_by(|(_, lead), (_, other)| lead.total_cmp(other));
        self.latest.location = clearest.map(|(location, _)| location);
    }

    /// Returns where a look at a frame shows the accepted class of the latest result, in the upright
    /// frame, and the largest lead of the class there. The background class is everywhere and
    /// nowhere, so it has no location.
    fn locate(&mut self, look: Look<'_>) -> Option<(Region, f32)> {
        let class = self.latest.accepted?.class;
        if self.labels.get(class).is_some_and(|label| is_background(label)) {
            return None;
        }
        let (in_input, lead) = self.locator.as_mut()?.locate(look.evidence?, class)?;
        Some((look.shown_part.to_frame(in_input)?, lead))
    }

    /// Returns the presentation timestamp of the inferred frame of the latest result.
    pub fn latest_pts(&self) -> Option<Duration> {
        self.latest.pts
    }

    /// Returns the classification of the current frame, which has the timestamp `pts`: its own
    /// result if it was inferred inline, otherwise the latest result.
    pub fn classification(&self, pts: Option<Duration>) -> Classification<'_> {
        let latest = &self.latest;
        // In reverse playback the inferred frame has the later timestamp.
        let age = pts.zip(latest.pts).map(|(now, then)| now.abs_diff(then));
        let expired = age.zip(self.runtime.result_timeout).is_some_and(|(age, limit)| age > limit);
        Classification {
            ranked: if expired { &[] } else { &latest.ranked },
            accepted: latest.accepted.filter(|_| !expired),
            location: latest.location.filter(|_| !expired),
            fresh: self.submitted.is_none()
                && (self.schedule.latest_is_inferred() || self.box_results == BoxResults::NoBoxes),
            inference_pts: latest.pts,
            age,
            inference_time: latest.inference_time,
            multi_label: self.multi_label().then_some(self.runtime.rules.threshold),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decision::Rules;
    use crate::frame::{PixelFormat, Plane};
    use crate::testing::FakeEngine;

    fn runtime() -> RuntimeConfig {
        let rules = Rules { threshold: 0.1, max_results: 3, ..Rules::default() };
        RuntimeConfig { rules, inference_interval: 2, ..RuntimeConfig::default() }
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

    /// Returns a classifier for red frames of 4x4 pixels, and such a frame.
    fn with_red_frame(engine: FakeEngine) -> (Classifier, FrameView<'static>) {
        let spec = FrameSpec::new(PixelFormat::Rgb, 4, 4);
        let mut classifier = Classifier::fake(engine, runtime());
        classifier.set_frame_spec(&spec).unwrap();
        let plane = Plane { data: &RED, stride: 12 };
        (classifier, FrameView::new(&spec, &[plane]).unwrap())
    }

    fn infer(
        classifier: &mut Classifier,
        view: &FrameView<'_>,
        pts: Option<Duration>,
    ) -> Result<(), ClassifyError> {
        let time = classifier.begin_frame(pts);
        classifier.infer(view, time)
    }

    #[test]
    fn a_reset_leaves_no_result() {
        let (mut classifier, view) = with_red_frame(FakeEngine::new(4, 4));
        let second = Some(Duration::from_secs(1));
        infer(&mut classifier, &view, second).unwrap();
        let classification = classifier.classification(second);
        assert!(classification.accepted.is_some() && classification.fresh);
        classifier.reset();
        let classification = classifier.classification(second);
        assert!(classification.ranked.is_empty() && classification.accepted.is_none());
        assert!(!classification.fresh);
        assert_eq!((classification.inference_pts, classification.age), (None, None));
    }

    #[test]
    fn a_new_frame_spec_keeps_the_latest_result() {
        let (mut classifier, view) = with_red_frame(FakeEngine::new(4, 4));
        infer(&mut classifier, &view, None).unwrap();
        classifier.set_frame_spec(&FrameSpec::new(PixelFormat::I420, 8, 8)).unwrap();
        assert!(classifier.classification(None).accepted.is_some());
    }

    #[test]
    fn age_is_positive_in_reverse_playback() {
        let (mut classifier, view) = with_red_frame(FakeEngine::new(4, 4));
        infer(&mut classifier, &view, Some(Duration::from_secs(3))).unwrap();
        let time = classifier.begin_frame(None);
        assert!(!classifier.is_due(time));
        classifier.skip(time);
        let classification = classifier.classification(Some(Duration::from_secs(1)));
        assert!(classification.accepted.is_some() && !classification.fresh);
        assert_eq!(classification.age, Some(Duration::from_secs(2)));
    }

    #[test]
    fn a_failed_inference_keeps_the_latest_result() {
        let mut engine = FakeEngine::new(4, 4);
        engine.fail_from = Some(1);
        let (mut classifier, view) = with_red_frame(engine);
        infer(&mut classifier, &view, None).unwrap();
        let failed = infer(&mut classifier, &view, None);
        assert!(matches!(failed, Err(ClassifyError::Engine(_))));
        assert!(classifier.classification(None).accepted.is_some());
        assert_eq!(classifier.counters().inferences, 1);
    }
}
