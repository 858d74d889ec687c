//! The latency that the element announces: how long a frame waits for its own result.

use std::time::Duration;

use catdog_core::classifier::Classifier;
use catdog_core::stats::nanoseconds;
use gst::prelude::*;

/// Number of inferences between two measurements.
const MEASURING_INTERVAL: u64 = 16;

/// The measured and the announced latency.
#[derive(Debug)]
pub struct LatencyTracker {
    measured: Duration,
    /// Number of inferences at the last measurement.
    measured_at: u64,
    announced: Duration,
}

impl LatencyTracker {
    /// Starts with the latency that `classifier` reports.
    pub fn new(classifier: &Classifier) -> Self {
        let measured = classifier.latency();
        Self { measured, measured_at: classifier.counters().inferences, announced: measured }
    }

    /// Continues with another model; the announced latency stays until the next measurement.
    pub fn set_model(&mut self, classifier: &Classifier) {
        *self = Self { announced: self.announced, ..Self::new(classifier) };
    }

    /// Returns the measured latency.
    pub fn measured(&self) -> Duration {
        self.measured
    }

    /// Returns the announced latency.
    pub fn announced(&self) -> Duration {
        self.announced
    }

    /// Measures the latency every few inferences. If frames wait for their results, a change by
    /// more than a quarter becomes the announced latency; returns whether it did.
    pub fn measure(&mut self, classifier: &Classifier, frames_wait: bool) -> bool {
        let inferences = classifier.counters().inferences;
        if inferences < self.measured_at + MEASURING_INTERVAL {
            return false;
        }
        self.measured = classifier.latency();
        self.measured_at = inferences;
        let changed = frames_wait && self.measured.abs_diff(self.announced) > self.announced / 4;
        if changed {
            self.announced = self.measured;
        }
        changed
    }
}

/// Asks upstream of `sink_pad` whether it is live; `None` if upstream does not answer.
pub fn upstream_is_live(sink_pad: &gst::Pad) -> Option<bool> {
    let mut query = gst::query::Latency::new();
    sink_pad.peer_query(&mut query).then(|| query.result().0)
}

/// Adds `own`, the latency of this element, to the answer of upstream in `query`.
pub fn add_to_answer(query: &mut gst::query::Latency, own: Duration) {
    let (live, min, max) = query.result();
    let own = gst::ClockTime::from_nseconds(nanoseconds(own));
    query.set(live, min.saturating_add(own), max.map(|max| max.saturating_add(own)));
}
