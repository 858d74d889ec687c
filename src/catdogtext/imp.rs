//! `catdogtext` as its users see it: pads and properties.

// The accessors that the derive makes are documented by the properties' blurbs.
#![allow(missing_docs)]

use std::sync::{Arc, LazyLock, Mutex, OnceLock};

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;
use gst_base::prelude::*;

use super::CueMaker;
use super::maker;
use super::settings::*;
use crate::property::is_invalid_utf8;

/// Cues that are kept while nobody takes them: some hundred bytes each, and the frames of half a
/// minute where each has one.
const MOST_CUES: u32 = 1000;

#[derive(Default, glib::Properties)]
#[properties(wrapper_type = super::CatdogText)]
pub struct CatdogText {
    #[property(name = "text-format", get, set, type = Option<String>, member = text_format,
        nick = "Text format", blurb = "What a cue says, with {label}, {percent}, {confidence} and \
        {results}; the rest is Pango markup where the caps are",
        default = Some(DEFAULT_TEXT_FORMAT), mutable_playing)]
    #[property(name = "max-cue-duration", get, set, type = i64, member = max_cue_duration,
        nick = "Longest cue", blurb = "Longer cues are cut, in ns; 0: one for each frame; -1: a frame \
        into an overlay, half a second into a muxer, no limit otherwise", minimum = -1, default = DEFAULT_MAX_CUE_DURATION, mutable_playing)]
    #[property(name = "element", get, set, type = Option<String>, member = element,
        nick = "Element", blurb = "The name of the catdogfilter whose results are read (default: \
        the nearest upstream)", mutable_playing)]
    settings: Arc<Mutex<Settings>>,
    maker: OnceLock<CueMaker>,
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
        if is_invalid_utf8(value) {
            gst::element_imp_warning!(
                self,
                gst::LibraryError::Settings,
                ("{} is not UTF-8 text and keeps its value; set it to UTF-8 text", pspec.name())
            );
            return;
        }
        self.derived_set_property(id, value, pspec);
        if pspec.name() == "text-format"
            && let Some(maker) = self.maker.get()
        {
            // It may be markup now, or none any more.
            maker.reconfigure_src();
        }
    }

    fn property(&self, id: usize, pspec: &glib::ParamSpec) -> glib::Value {
        self.derived_property(id, pspec)
    }

    fn constructed(&self) {
        self.parent_constructed();
        if let Err(error) = self.build() {
            gst::error!(gst::CAT_RUST, imp = self, "{error}");
        }
    }
}

impl CatdogText {
    /// # Errors
    ///
    /// Where GStreamer's core elements are missing.
    fn build(&self) -> Result<(), glib::BoolError> {
        let bin = self.obj();
        let maker = CueMaker::new(Arc::clone(&self.settings));
        let queue = gst::ElementFactory::make("queue")
            .name("cues")
            .property("max-size-buffers", MOST_CUES)
            .property("max-size-bytes", 0u32)
            .property("max-size-time", 0u64)
            .build()?;
        bin.add_many([maker.upcast_ref(), &queue])?;
        maker.link(&queue)?;
        for (element, name) in [(maker.upcast_ref::<gst::Element>(), "sink"), (&queue, "src")] {
            let target = element.static_pad(name).zip(bin.pad_template(name));
            let (pad, template) = target.ok_or_else(|| glib::bool_error!("there is no {name}"))?;
            bin.add_pad(
                &gst::GhostPad::builder_from_template_with_target(&template, &pad)?
                    .name(name)
                    .build(),
            )?;
        }
        // Nobody else sets it.
        let _ = self.maker.set(maker);
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
        maker::pad_templates()
    }
}

impl BinImpl for CatdogText {}
