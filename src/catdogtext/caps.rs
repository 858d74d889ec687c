//! The pad templates of `catdogtext`, and how cues are encoded for each kind of caps.

use std::sync::LazyLock;

/// The encoding of cues in buffers, as the negotiated caps say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encoding {
    /// Text without markup.
    #[default]
    Plain,
    /// Pango markup.
    Markup,
    /// One line of JSON per cue.
    Json,
}

impl Encoding {
    /// Returns the encodings, best first.
    pub fn by_preference(prefers_markup: bool) -> [Self; 3] {
        match prefers_markup {
            true => [Self::Markup, Self::Plain, Self::Json],
            false => [Self::Plain, Self::Markup, Self::Json],
        }
    }

    /// Returns the encoding of `caps`; `None` if they are not in the pad template.
    pub fn of(caps: &gst::Caps) -> Option<Self> {
        Self::by_preference(false).into_iter().find(|encoding| caps.can_intersect(&encoding.caps()))
    }

    /// Returns the caps of the encoding.
    pub fn caps(self) -> gst::Caps {
        let text = |format: &str| gst::Caps::builder("text/x-raw").field("format", format).build();
        match self {
            Self::Plain => text("utf8"),
            Self::Markup => text("pango-markup"),
            Self::Json => gst::Caps::new_empty_simple("application/x-json"),
        }
    }
}

/// Returns the pad templates of the bin and of the cue maker.
pub fn pad_templates() -> &'static [gst::PadTemplate] {
    static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
        let pads = [
            ("sink", gst::PadDirection::Sink, video_caps()),
            ("src", gst::PadDirection::Src, text_caps()),
        ];
        pads.into_iter()
            .filter_map(|(name, direction, caps)| {
                gst::PadTemplate::new(name, direction, gst::PadPresence::Always, &caps).ok()
            })
            .collect()
    });
    TEMPLATES.as_ref()
}

/// Returns the caps of the sink pad: video in any memory, because pixels are not read.
pub fn video_caps() -> gst::Caps {
    gst::Caps::builder("video/x-raw").any_features().build()
}

/// Returns the caps of the source pad.
pub fn text_caps() -> gst::Caps {
    let text = gst::Structure::builder("text/x-raw")
        .field("format", gst::List::new(["utf8", "pango-markup"]))
        .build();
    let json = gst::Structure::new_empty("application/x-json");
    gst::Caps::builder_full().structure(text).structure(json).build()
}
