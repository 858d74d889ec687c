//! Turns a `LiteRtStatus` into a `Result`.

use std::ptr::NonNull;

use super::ffi;
use crate::engine::EngineError;

/// Returns an error without details if `status` is not success.
pub(super) fn check(stage: &'static str, status: ffi::Status) -> Result<(), EngineError> {
    if status == ffi::STATUS_OK {
        return Ok(());
    }
    Err(EngineError::Create { stage, status, detail: String::new() })
}

/// Returns the `handle` that a `LiteRtCreate...` function wrote, if its `status` is success.
pub(super) fn created<T>(
    stage: &'static str,
    status: ffi::Status,
    handle: *mut T,
) -> Result<NonNull<T>, EngineError> {
    check(stage, status)?;
    NonNull::new(handle).ok_or(EngineError::Create {
        stage,
        status,
        detail: "LiteRT reported success without a handle".into(),
    })
}
