//! The metadata that order operators: pairs of operators, of which the first runs before the second.
//!
//! LiteRT 2.3.0 allocates memory for as many subgraphs and pairs as the metadata say, and ends the
//! process if there is not enough.
//!
//! Numbers are stored in base 128, the lowest digit first; a digit of 128 or more is not the last one.
//! They are the version, the number of subgraphs, and for each subgraph the number of pairs and the
//! pairs. An operator is stored as twice its number, because the sign is the lowest bit.
//!
//! Source: `tflite/experimental/remat/metadata_util.h` of LiteRT.

use crate::model::tflite::reader::Table;
use crate::model::tflite::schema::sub_graph;

/// Name of the metadata entry.
pub const NAME: &[u8] = b"model_control_dependencies";
/// The version that LiteRT reads. It ignores others.
const VERSION: u32 = 1;
/// Limit for the digits of a number of 32 bits.
const MAX_DIGITS: usize = 5;

/// Returns whether `data` is a list for the subgraphs `subgraphs`, with operators that exist.
pub fn are_valid(data: &[u8], subgraphs: &[Table<'_>]) -> bool {
    let mut rest = data;
    let mut read = || {
        let count = rest.iter().take(MAX_DIGITS).position(|digit| *digit < 0x80)? + 1;
        let (digits, after) = rest.split_at(count);
        rest = after;
        let digits = digits.iter().rev();
        let number = digits.fold(0u64, |number, digit| number << 7 | u64::from(digit & 0x7f));
        u32::try_from(number).ok()
    };
    let mut check = || {
        if read()? != VERSION || read()? as usize != subgraphs.len() {
            return None;
        }
        for graph in subgraphs {
            let operators = graph.list_len(sub_graph::OPERATORS, size_of::<u32>()).unwrap_or(0);
            let pairs = read()?;
            for _ in 0..pairs {
                let exists =
                    |number: u32| number.is_multiple_of(2) && ((number / 2) as usize) < operators;
                if !exists(read()?) || !exists(read()?) {
                    return None;
                }
            }
        }
        Some(())
    };
    check().is_some() && rest.is_empty()
}
