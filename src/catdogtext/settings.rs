//! What the user asked `catdogtext` for. Every default stands here once.

use gst::ClockTime;

use crate::text_format::{TextFormat, TextFormatError};

/// "cat 97 %".
pub const DEFAULT_TEXT_FORMAT: &str = "{label} {percent}";
/// By what is downstream.
pub const DEFAULT_MAX_CUE_DURATION: i64 = -1;

/// The properties.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    pub text_format: Option<String>,
    pub max_cue_duration: i64,
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
    /// What a cue says.
    ///
    /// # Errors
    ///
    /// [`TextFormatError::Placeholder`].
    pub fn format(&self) -> Result<TextFormat, TextFormatError> {
        TextFormat::parse_text(self.text_format.as_deref().unwrap_or_default())
    }

    /// Whose results are read; `None`: anybody's.
    pub fn element(&self) -> Option<&str> {
        self.element.as_deref().filter(|name| !name.is_empty())
    }

    /// The longest cue; `None`: by what is downstream.
    pub fn max_cue_duration(&self) -> Option<ClockTime> {
        u64::try_from(self.max_cue_duration).ok().map(ClockTime::from_nseconds)
    }
}
