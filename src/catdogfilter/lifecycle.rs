//! What the vtables of the element do besides the path of a frame: loading and changing the model,
//! the latency, the end of a frame and of the stream.

use std::sync::Arc;

use catdog_core::classifier::Classifier;
use catdog_core::sync::lock;
use gst::prelude::*;
use gst::subclass::prelude::*;
use gst_base::prelude::*;

use super::error::{StartError, post_process_error};
use super::events::{Events, warn_of_kept_model};
use super::imp::{CAT, CatdogFilter};
use super::latency;
use super::picture::RoiMode;
use super::settings::RuntimeSettings;
use super::snapshot::Snapshot;
use super::streaming::{Stop, Streaming};

impl CatdogFilter {
    /// Loads the model that the settings name, at the start.
    pub(super) fn load(&self) -> Result<Streaming, StartError> {
        let settings = lock(&self.settings).clone();
        let config = settings.config()?;
        let runtime = settings.runtime()?;
        let classifier = Classifier::load(&config, runtime.classifier.clone())?;
        self.report_model(&classifier);
        *lock(&self.snapshot) = Snapshot::default();
        lock(&self.snapshot).set_model(&classifier);
        Ok(Streaming::new(classifier, runtime, self.obj().name().to_string()))
    }

    /// Marks the element as stopped, cancels the loading of another model, and returns what runs.
    /// The caller drops it without the lock, because releasing overlays calls into other elements.
    pub(super) fn end(&self) -> Option<Box<Streaming>> {
        let (streaming, model_swap) = {
            let mut state = lock(&self.state);
            state.started = false;
            (state.streaming.take(), state.model_swap.take())
        };
        if let Some(model_swap) = model_swap {
            model_swap.cancel();
        }
        streaming
    }

    /// Requests that the loader thread loads the model that the settings name, while another one
    /// runs.
    pub(super) fn request_model(&self) {
        let model_swap = {
            let mut state = lock(&self.state);
            if !state.started {
                return;
            }
            state.model_swap.get_or_insert_default().clone()
        };
        let (settings, element) = (Arc::clone(&self.settings), self.obj().downgrade());
        let load = move || {
            let settings = lock(&settings).clone();
            // An invalid runtime setting does not prevent the load; the streaming thread reports
            // it.
            let (runtime, _) = settings.runtime_or(&RuntimeSettings::default());
            Ok(Classifier::load(&settings.config()?, runtime.classifier)?)
        };
        let report = move |loaded: Result<&Classifier, &StartError>| {
            let Some(element) = element.upgrade() else { return };
            match loaded {
                Ok(classifier) => element.imp().report_model(classifier),
                Err(error) => warn_of_kept_model(element.upcast_ref(), error),
            }
        };
        if let Err(error) = model_swap.request(load, report) {
            let reason = format!(
                "the system cannot create a thread to load the model: {error}; see `ulimit -u`"
            );
            warn_of_kept_model(self.obj().upcast_ref(), &reason);
        }
    }

    /// Adds the time that frames wait in this element to the answer of upstream.
    pub(super) fn add_latency(&self, query: &mut gst::query::Latency) {
        let (upstream_is_live, ..) = query.result();
        let waits = {
            let settings = lock(&self.settings);
            let waits = settings.mode.waits_for_result(upstream_is_live);
            settings.active && (waits || settings.roi == RoiMode::Each)
        };
        if waits {
            let own = lock(&self.state).latency;
            latency::add_to_answer(query, own);
        }
    }

    /// Logs a loaded model and posts its warnings.
    fn report_model(&self, classifier: &Classifier) {
        let description = classifier.description();
        gst::info!(CAT, imp = self, "{description}");
        for warning in &description.warnings {
            gst::element_imp_warning!(self, gst::LibraryError::Settings, ("{warning}"));
        }
    }

    /// Updates the snapshot, logs the frame, and puts `streaming` back.
    pub(super) fn end_frame(
        &self,
        streaming: Box<Streaming>,
        pts: Option<gst::ClockTime>,
        events: &Events,
    ) {
        if events.classified || events.model_changed {
            let mut snapshot = lock(&self.snapshot);
            if events.model_changed {
                snapshot.set_model(streaming.classifier());
            }
            snapshot.update(&streaming, events.label_change.is_some());
        }
        if events.classified {
            gst::log!(CAT, imp = self, "frame {}: {}", pts.display(), streaming.displayed());
        }
        for overlay in &events.attached_overlays {
            gst::info!(CAT, imp = self, "the text of {overlay} shows the result");
        }
        if let Some(execution) = events.execution {
            gst::info!(CAT, imp = self, "inferences run {execution:?}");
        }
        if let Some(change) = &events.label_change {
            gst::debug!(CAT, imp = self, "{change}; {}", streaming.rules());
        }
        lock(&self.state).end_frame(streaming);
    }

    /// Waits for the last results of the stream and posts them. A flush or a stop ends the wait.
    pub(super) fn drain(&self) {
        let Some(mut streaming) = lock(&self.state).streaming.take() else { return };
        let mut events = Events::default();
        let result = streaming.drain(&|| lock(&self.state).interrupted, &mut events);
        self.end_frame(streaming, None, &events);
        events.post(self.obj().upcast_ref());
        if let Err(Stop::Failed(error)) = result {
            post_process_error!(self, &error);
        }
    }

    /// Asks upstream, with no lock held, whether it is live. The state keeps the answer until the
    /// next stream.
    pub(super) fn ask_upstream(&self) -> bool {
        let answer = latency::upstream_is_live(self.obj().sink_pad());
        lock(&self.state).upstream_is_live = answer;
        answer.unwrap_or(false)
    }
}
