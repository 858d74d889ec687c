//! The values of the read-only properties.

use catdog_core::classifier::Classifier;
use catdog_core::stats::Counters;

use super::streaming::Streaming;

/// The values of the read-only properties, which the application reads while data flows.
#[derive(Clone, Default)]
pub struct Snapshot {
    /// Label of the latest frame.
    pub label: Option<String>,
    /// Confidence of the accepted class of the latest frame, or of its best class.
    pub confidence: f64,
    counters: Counters,
    model: String,
    optimization: String,
    threads: u32,
    accelerator: &'static str,
    engine: &'static str,
}

impl Snapshot {
    /// Updates the values after a frame.
    pub fn update(&mut self, streaming: &Streaming, label_changed: bool) {
        let displayed = streaming.displayed();
        self.confidence = displayed.confidence;
        self.counters.update_from(streaming.counters());
        if label_changed {
            self.label.clone_from(&displayed.label);
        }
    }

    /// Updates the values that describe the model.
    pub fn set_model(&mut self, classifier: &Classifier) {
        let description = classifier.description();
        self.counters.clone_from(classifier.counters());
        self.model.clone_from(&description.model);
        self.optimization = description.optimization.to_string();
        self.threads = description.threads;
        self.accelerator = description.accelerator.name();
        self.engine = description.runtime.name();
    }

    /// Returns the structure of the property `stats`. Durations are in ns.
    pub fn stats(&self) -> gst::Structure {
        let Self { counters, model, optimization, threads, accelerator, engine, .. } = self;
        let Counters { frames, inferences, second_looks, skipped, preprocess, invoke, wait } =
            counters;
        gst::Structure::builder("catdog-stats")
            .field("frames", *frames)
            .field("inferences", *inferences)
            .field("second-looks", *second_looks)
            .field("skipped", *skipped)
            .field("preprocess-p50", preprocess.percentile(50))
            .field("preprocess-p95", preprocess.percentile(95))
            .field("preprocess-max", preprocess.max())
            .field("invoke-p50", invoke.percentile(50))
            .field("invoke-p95", invoke.percentile(95))
            .field("invoke-max", invoke.max())
            .field("wait-p50", wait.percentile(50))
            .field("wait-p95", wait.percentile(95))
            .field("wait-max", wait.max())
            .field("model", model)
            .field("optimization", optimization)
            .field("threads", *threads)
            .field("accelerator", *accelerator)
            .field("engine", *engine)
            .build()
    }
}
