//! The vtables of `catdogtext`.

// The accessors that the derive generates are documented by the blurbs of the properties.
#![allow(missing_docs)]

use std::sync::{Arc, LazyLock, Mutex, OnceLock};

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;
use gst_base::prelude::*;

use super::caps;
use super::keyframes::Keyframes;
use super::settings::{DEFAULT_MAX_CUE_DURATION, DEFAULT_TEXT_FORMAT, Settings};
use super::splitter;
use super::{CueMaker, FACTORY_NAME};
use crate::property::check_utf8;

/// The debug category of the bin and of the cue maker.
pub static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new(
        FACTORY_NAME,
        gst::DebugColorFlags::empty(),
        Some("Classification as timed text"),
    )
});

/// Maximum number of queued cues. A cue has some hundred bytes; with one cue per frame, the queue
/// holds half a minute.
const MAX_QUEUED_CUES: u32 = 1000;

#[derive(Default, glib::Properties)]
#[properties(wrapper_type = super::CatdogText)]
pub struct CatdogText {
    #[property(name = "text-format", get, set, type = Option<String>, member = text_format,
        nick = "Text format", blurb = "Text of a cue, with the placeholders {label}, {percent}, \
        {confidence} and {results}; Pango markup is removed if downstream takes plain text only",
        default = Some(DEFAULT_TEXT_FORMAT), mutable_playing)]
    #[property(name = "max-cue-duration", get, set, type = i32, member = max_cue_duration,
        nick = "Maximum cue duration", blurb = "Maximum duration of a cue in ms; a longer one is split (0 = \
        one cue per frame, -1 = automatic: one frame for an overlay, 500 ms for a muxer, otherwise no limit)",
        minimum = -1, default = DEFAULT_MAX_CUE_DURATION, mutable_playing)]
    #[property(name = "element", get, set, type = Option<String>, member = element,
        nick = "Element", blurb = "Name of the catdogfilter whose results to use (unset = the nearest \
        upstream)", mutable_playing)]
    settings: Arc<Mutex<Settings>>,
    keyframes: Arc<Keyframes>,
    cue_maker: OnceLock<CueMaker>,
}

#[glib::object_subclass]
impl ObjectSubclass for CatdogText {
    const NAME: &'static str = "GstCatdogText";
    type Type = super::CatdogText;
    type ParentType = gst::Bin;
}

impl ObjectImpl for CatdogText {
    fn properties() -> &'static [glib::ParamSpec] {
        Self::derived_properties()
    }

    fn set_property(&self, id: usize, value: &glib::Value, pspec: &glib::ParamSpec) {
        if let Err(error) = check_utf8(value, pspec) {
            gst::element_imp_warning!(self, gst::LibraryError::Settings, ("{error}"));
            return;
        }
        self.derived_set_property(id, value, pspec);
        if pspec.name() == "text-format"
            && let Some(cue_maker) = self.cue_maker.get()
        {
            // The preferred caps depend on whether the format has markup.
            cue_maker.reconfigure_src();
        }
    }

    fn property(&self, id: usize, pspec: &glib::ParamSpec) -> glib::Value {
        self.derived_property(id, pspec)
    }

    fn constructed(&self) {
        self.parent_constructed();
        if let Err(error) = self.build() {
            gst::error!(CAT, imp = self, "{error}");
        }
    }
}

impl CatdogText {
    /// Adds the elements of the bin.
    ///
    /// # Errors
    ///
    /// The error of GStreamer if its core elements are not installed.
    fn build(&self) -> Result<(), glib::BoolError> {
        let bin = self.obj();
        let cue_maker = CueMaker::new(Arc::clone(&self.settings), Arc::clone(&self.keyframes));
        let queue = gst::ElementFactory::make("queue")
            .name("cues")
            .property("max-size-buffers", MAX_QUEUED_CUES)
            .property("max-size-bytes", 0u32)
            .property("max-size-time", 0u64)
            .build()?;
        bin.add_many([cue_maker.upcast_ref(), &queue])?;
        cue_maker.link(&queue)?;
        for (element, name) in [(cue_maker.upcast_ref::<gst::Element>(), "sink"), (&queue, "src")] {
            let target = element.static_pad(name).zip(bin.pad_template(name));
            let (pad, template) =
                target.ok_or_else(|| glib::bool_error!("there is no pad {name}"))?;
            if name == "src" {
                splitter::split_cues(&pad, Arc::clone(&self.keyframes));
            }
            bin.add_pad(
                &gst::GhostPad::builder_from_template_with_target(&template, &pad)?
                    .name(name)
                    .build(),
            )?;
        }
        // The cell is empty, because `build` runs once.
        let _ = self.cue_maker.set(cue_maker);
        Ok(())
    }
}

impl GstObjectImpl for CatdogText {}

impl ElementImpl for CatdogText {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::new(
                "Classification as text",
                "Filter/Converter/Video/Text",
                "Turns the results of catdogfilter into timed text or JSON lines",
                env!("CARGO_PKG_AUTHORS"),
            )
        });
        Some(&*METADATA)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        caps::pad_templates()
    }

    fn change_state(
        &self,
        transition: gst::StateChange,
    ) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
        match transition {
            gst::StateChange::ReadyToPaused => self.keyframes.reset(false),
            // The thread of the queue may be waiting for a keyframe.
            gst::StateChange::PausedToReady => self.keyframes.reset(true),
            _ => {}
        }
        let result = self.parent_change_state(transition);
        if transition == gst::StateChange::PausedToReady {
            self.keyframes.watch(None);
        }
        result
    }
}

impl BinImpl for CatdogText {}
