//! The properties of `catdogtext`, with their defaults.

use gst::ClockTime;

use crate::text_format::{TextFormat, TextFormatError};

/// Default of `text-format`.
pub const DEFAULT_TEXT_FORMAT: &str = "{label} {percent}";
/// Default of `max-cue-duration`, in ms: automatic.
pub const DEFAULT_MAX_CUE_DURATION: i32 = -1;

/// The values of the properties as the user sets them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    pub text_format: Option<String>,
    /// In ms; negative = automatic.
    pub max_cue_duration: i32,
    pub element: Option<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            text_format: Some(DEFAULT_TEXT_FORMAT.into()),
            max_cue_duration: DEFAULT_MAX_CUE_DURATION,
            element: None,
        }
    }
}

impl Settings {
    /// Returns the parsed `text-format`.
    ///
    /// # Errors
    ///
    /// [`TextFormatError`] if the format cannot be used.
    pub fn format(&self) -> Result<TextFormat, TextFormatError> {
        TextFormat::parse_text(self.text_format.as_deref().unwrap_or_default())
    }

    /// Returns the name of the element whose metadata is read; `None` = the nearest upstream.
    pub fn element(&self) -> Option<&str> {
        self.element.as_deref().filter(|name| !name.is_empty())
    }

    /// Returns the maximum duration of a cue; `None` = automatic.
    pub fn max_cue_duration(&self) -> Option<ClockTime> {
        u64::try_from(self.max_cue_duration).ok().map(ClockTime::from_mseconds)
    }
}
