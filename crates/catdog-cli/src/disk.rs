//! The files that are written, and the space for them.

use std::io;
use std::path::Path;

/// Returns why the file `path` cannot be made or opened for writing: what is wrong and the remedy.
pub fn write_failure(path: &Path, error: &io::Error) -> String {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    match folder {
        Some(folder) if !folder.exists() => {
            let folder = folder.display();
            format!("there is no folder {folder}; make it with mkdir -p {folder}")
        }
        _ if path.is_dir() => "it is a folder; write the name of a file".into(),
        _ => error.to_string(),
    }
}

/// Returns the bytes that are free for this user where `folder` is; `None` if the system does not
/// say.
pub fn free_bytes(folder: &Path) -> Option<u64> {
    let free = rustix::fs::statvfs(folder).ok()?;
    Some(free.f_bavail.saturating_mul(free.f_frsize))
}
