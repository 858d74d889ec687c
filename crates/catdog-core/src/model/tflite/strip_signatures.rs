//! Removes the signatures of a model, so that LiteRT uses the inputs and outputs of the subgraph.

use super::reader::Flatbuffer;
use super::schema::{MODEL_IDENTIFIER, model};

/// Makes the list of signatures in `file`, which [`ModelInfo::parse`](super::ModelInfo::parse)
/// accepts, an empty list. LiteRT crashes on a signature that does not fit its subgraph.
pub fn strip_signatures(file: &mut [u8]) {
    let root = Flatbuffer::root(file, MODEL_IDENTIFIER);
    let count = root.and_then(|root| root.count_position(model::SIGNATURE_DEFS));
    if let Some(count) = count.and_then(|position| file.get_mut(position..position + 4)) {
        count.fill(0);
    }
}
