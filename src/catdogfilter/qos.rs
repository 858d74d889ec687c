//! QoS: late frames skip the inference.
//!
//! A GStreamer element may drop late frames. This element never drops a frame, so it does not use
//! the QoS of its base class, which does.

/// The running time before which frames are late, from the last QoS event.
#[derive(Debug, Default)]
pub struct Lateness {
    earliest: Option<gst::ClockTime>,
    segment: Option<gst::FormattedSegment<gst::ClockTime>>,
}

impl Lateness {
    /// Records a QoS event from downstream.
    ///
    /// A frame is in time if its running time is later than that of the reported frame plus twice
    /// its delay, because catching up takes time, too (the rule of GstBaseTransform).
    pub fn report(&mut self, event: &gst::event::Qos) {
        let (_, _, jitter, timestamp) = event.get();
        self.earliest = timestamp.map(|timestamp| {
            if jitter > 0 {
                let delay = jitter.unsigned_abs().saturating_mul(2);
                timestamp.saturating_add(gst::ClockTime::from_nseconds(delay))
            } else {
                timestamp.saturating_sub(gst::ClockTime::from_nseconds(jitter.unsigned_abs()))
            }
        });
    }

    /// Sets the segment that maps timestamps to running time.
    pub fn set_segment(&mut self, segment: &gst::Segment) {
        self.segment = segment.downcast_ref::<gst::ClockTime>().cloned();
    }

    /// Resets the report and the segment, which a flush makes invalid.
    pub fn reset(&mut self) {
        *self = Self::default();
    }

    /// Returns whether a frame with the timestamp `pts` is late.
    pub fn is_late(&self, pts: Option<gst::ClockTime>) -> bool {
        let running_time =
            pts.zip(self.segment.as_ref()).and_then(|(pts, segment)| segment.to_running_time(pts));
        running_time.zip(self.earliest).is_some_and(|(time, earliest)| time <= earliest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn late_by(jitter: i64) -> Lateness {
        gst::init().unwrap();
        let mut lateness = Lateness::default();
        lateness.set_segment(gst::FormattedSegment::<gst::ClockTime>::new().upcast_ref());
        let event = gst::event::Qos::builder(gst::QOSType::Underflow, 2.0, jitter)
            .timestamp(gst::ClockTime::from_seconds(1))
            .build();
        let gst::EventView::Qos(qos) = event.view() else { panic!("a QoS event was built") };
        lateness.report(qos);
        lateness
    }

    #[test]
    fn frames_are_late_up_to_twice_the_reported_delay() {
        let lateness = late_by(100_000_000);
        assert!(lateness.is_late(Some(gst::ClockTime::from_mseconds(1200))));
        assert!(!lateness.is_late(Some(gst::ClockTime::from_mseconds(1201))));
    }

    #[test]
    fn an_early_frame_allows_an_earlier_deadline() {
        let lateness = late_by(-100_000_000);
        assert!(!lateness.is_late(Some(gst::ClockTime::from_mseconds(950))));
    }

    #[test]
    fn without_a_timestamp_or_a_report_no_frame_is_late() {
        assert!(!late_by(100_000_000).is_late(None));
        let mut lateness = late_by(100_000_000);
        lateness.reset();
        assert!(!lateness.is_late(Some(gst::ClockTime::ZERO)));
    }
}
