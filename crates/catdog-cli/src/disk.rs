//! The space on disks.

use std::path::Path;

/// Returns the bytes that are free for this user where `folder` is; `None` if the system does not
/// say.
pub fn free_bytes(folder: &Path) -> Option<u64> {
    let free = rustix::fs::statvfs(folder).ok()?;
    Some(free.f_bavail.saturating_mul(free.f_frsize))
}
