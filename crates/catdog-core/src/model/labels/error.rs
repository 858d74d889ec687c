//! The error for labels that cannot be used.

use std::path::PathBuf;

use thiserror::Error;

/// A file with at least this number of names and one too few may lack the background class, as many
/// files for ImageNet do. With few classes, it rather belongs to another model.
const MANY_CLASSES: usize = 100;

/// The error for labels that cannot be used.
///
/// The field `source_name` is the property, the file or the metadata, as the message names it.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum LabelsError {
    /// The file cannot be read.
    #[error(
        "labels file '{}' cannot be read: {reason}; check labels-file or the permissions of the file",
        .file.display()
    )]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// The message of the system.
        reason: String,
    },
    /// The file is neither UTF-8 text nor UTF-16 text with a byte order mark.
    #[error("{source_name} is not UTF-8 (byte {position}); save it as UTF-8 text")]
    NotUtf8 {
        /// The file or metadata.
        source_name: String,
        /// Offset of the first invalid byte.
        position: usize,
    },
    /// The file has no names.
    #[error("{source_name} is empty; expected one class name per line")]
    Empty {
        /// The file or metadata.
        source_name: String,
    },
    /// The file starts like a dictionary, but is not one.
    #[error(
        "{source_name} starts with '{{', but is not a dictionary such as {{\"0\": \"cat\", \"1\": \
         \"dog\"}} (byte {position}); correct it, or write one class name per line"
    )]
    Syntax {
        /// The file or metadata.
        source_name: String,
        /// Offset of the first character that is not understood.
        position: usize,
    },
    /// The file is a dictionary that does not name every class.
    #[error(
        "{source_name} is a dictionary that does not name the classes; expected every index from 0, \
         as in {{\"0\": \"cat\", \"1\": \"dog\"}}"
    )]
    NotNames {
        /// The file or metadata.
        source_name: String,
    },
    /// A name is empty.
    #[error("{source_name} has an empty name at position {index}; give every class a name")]
    EmptyName {
        /// The property, file or metadata.
        source_name: String,
        /// Position of the name, starting at 1.
        index: usize,
    },
    /// A label contains a control character. A GStreamer string ends at NUL, and a line of text
    /// cannot show other control characters.
    #[error("{source_name}: label {index} contains a control character; remove it")]
    Unprintable {
        /// The property, file or metadata.
        source_name: String,
        /// Position of the label, starting at 1.
        index: usize,
    },
    /// A label is too long to be the name of a class.
    #[error(
        "{source_name}: label {index} has {bytes} bytes, but {limit} are the limit; shorten it"
    )]
    TooLong {
        /// The property, file or metadata.
        source_name: String,
        /// Position of the label, starting at 1.
        index: usize,
        /// Length of the label.
        bytes: usize,
        /// Largest length.
        limit: usize,
    },
    /// There are too few or too many names.
    #[error(
        "{source_name} has {got} labels, but the model has {classes} classes ({scores} scores); \
         set {classes} names with labels or labels-file{}{}",
        if *.scores == 1 { ", the class of negative scores first" } else { "" },
        if *.is_list && *.got > *.classes {
            "; a name in labels cannot contain a comma, a line of labels-file can"
        } else if !*.is_list && *.got >= MANY_CLASSES && *.got + 1 == *.classes {
            "; if class 0 is the background, put a line 'background' first"
        } else {
            ""
        }
    )]
    Count {
        /// The property, file or metadata.
        source_name: String,
        /// Number of names found.
        got: usize,
        /// Number of scores of the model.
        scores: usize,
        /// Number of names needed: one per score, two for a single score.
        classes: usize,
        /// The names come from the property `labels`, which separates them by commas.
        is_list: bool,
    },
}
