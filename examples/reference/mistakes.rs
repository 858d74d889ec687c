//! The mistakes of the page of messages: how to make each of them, and a name for it.

use catdog_core::testing::FakeEngine;

/// The file name that a [`FakeEngine`] replaces.
pub const FAKE: &str = "fake.tflite";
/// The file name that is replaced by an engine whose inferences fail.
pub const FAILING: &str = "failing.tflite";
/// A file that is not a model.
pub const TEXT: &str = "notes.txt";
/// A model without metadata.
pub const UNNAMED: &str = "unnamed.tflite";

/// The source of frames.
#[derive(Clone, Copy, Debug)]
pub enum Frames {
    /// Whole frames.
    Whole,
    /// Buffers that are too small for their caps.
    Truncated,
}

/// A mistake that an element reports.
#[derive(Clone, Copy, Debug)]
pub struct Mistake {
    /// The mistake, in words.
    pub name: &'static str,
    pub element: &'static str,
    /// The properties of the element when it starts.
    pub properties: &'static str,
    pub frames: Frames,
    /// What happens after the first frame.
    pub then: Then,
    /// The path of the runtime; `None` = the default search.
    pub runtime: Option<&'static str>,
}

/// What happens after the first frame.
#[derive(Clone, Copy, Debug)]
pub enum Then {
    /// More frames.
    Play,
    /// A property changes.
    Set(&'static str, &'static str),
    /// Upstream asks whether these caps are accepted.
    AskFor(&'static str),
}

impl Mistake {
    const fn new(name: &'static str, element: &'static str, properties: &'static str) -> Self {
        let (frames, then, runtime) = (Frames::Whole, Then::Play, None);
        Self { name, element, properties, frames, then, runtime }
    }

    const fn then(self, then: Then) -> Self {
        Self { then, ..self }
    }
}

const FILTER: &str = "catdogfilter";
const CUES: &str = "catdogtext";

/// All mistakes, in the order of the page.
pub const MISTAKES: [Mistake; 15] = [
    Mistake::new("A property is out of range", FILTER, "threads=-1"),
    Mistake::new("Two properties contradict each other", FILTER, "input-mean=127.5"),
    Mistake::new("The model file does not exist", FILTER, "model-file=missing.tflite"),
    Mistake::new("The file is not a model", FILTER, "model-file=notes.txt"),
    Mistake {
        runtime: Some("libLiteRt.so"),
        ..Mistake::new("The LiteRT runtime is missing", FILTER, "")
    },
    Mistake::new("The number of labels is wrong", FILTER, "labels=cat,dog"),
    Mistake::new("An inference fails", FILTER, "model-file=failing.tflite"),
    Mistake {
        frames: Frames::Truncated,
        ..Mistake::new("A buffer does not fit the caps", FILTER, "model-file=fake.tflite")
    },
    Mistake::new("A placeholder does not exist", CUES, "text-format={name}"),
    Mistake::new(
        "A property changes to a value that is out of range",
        FILTER,
        "model-file=fake.tflite",
    )
    .then(Then::Set("max-results", "0")),
    Mistake::new(
        "A model cannot be loaded while another one runs",
        FILTER,
        "model-file=fake.tflite",
    )
    .then(Then::Set("model-file", "missing.tflite")),
    Mistake::new(
        "The model does not define the range of its float input",
        FILTER,
        "model-file=unnamed.tflite",
    ),
    Mistake::new(
        "An inference fails, with `error-policy=passthrough`",
        FILTER,
        "model-file=failing.tflite error-policy=passthrough",
    ),
    Mistake::new(
        "Upstream offers caps that cannot be classified",
        FILTER,
        "model-file=fake.tflite",
    )
    .then(Then::AskFor("image/jpeg")),
    Mistake::new("The frames have no metadata of `catdogfilter`", CUES, ""),
];

/// Registers the fake engines, which replace their files.
pub fn register_engines() {
    FakeEngine::new(8, 8).stand_in_for(FAKE);
    let mut failing = FakeEngine::new(8, 8);
    failing.fail_from = Some(0);
    failing.stand_in_for(FAILING);
}
