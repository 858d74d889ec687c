//! The files that are written, and the space for them.

use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use tempfile::NamedTempFile;

use crate::Failure;

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

/// Returns the size of a file in bytes, and when it was changed in seconds since 1970.
pub fn size_and_time(metadata: &Metadata) -> (u64, u64) {
    let modified = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    (metadata.len(), modified.map_or(0, |time| time.as_secs()))
}

/// A file that appears under its name when it is complete, and is removed otherwise.
#[derive(Debug)]
pub struct Unfinished {
    path: PathBuf,
    file: NamedTempFile,
}

impl Unfinished {
    /// Makes the unfinished file of `path` and its folder. It has another name, which begins with a
    /// dot.
    ///
    /// # Errors
    ///
    /// The message with the name if the file cannot be made.
    pub fn new(path: &Path) -> Result<Self, Failure> {
        let failed =
            |error: std::io::Error| format!("{} cannot be written: {error}", path.display());
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new("."));
        fs::create_dir_all(folder).map_err(failed)?;
        let mut prefix = OsString::from(".");
        // A part of the name, because with the whole one it might be longer than a name may be.
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        prefix.push(name.chars().take(50).collect::<String>());
        prefix.push(".");
        let file = tempfile::Builder::new()
            .prefix(&prefix)
            .suffix(".part")
            // As for other files, the umask of the user applies.
            .permissions(fs::Permissions::from_mode(0o666))
            .tempfile_in(folder)
            .map_err(failed)?;
        Ok(Self { path: path.to_owned(), file })
    }

    /// Returns where it is written.
    pub fn part(&self) -> &Path {
        self.file.path()
    }

    /// Gives the file its name.
    ///
    /// # Errors
    ///
    /// The message with the name if the file cannot be renamed.
    pub fn finish(self) -> Result<(), Failure> {
        let path = self.path;
        // Another program has written it, under the same name. File systems on a network report a full disk here.
        fs::File::open(self.file.path())
            .and_then(|file| file.sync_all())
            .map_err(|error| format!("{} cannot be written: {error}", path.display()))?;
        self.file
            .persist(&path)
            .map_err(|error| format!("{} cannot be written: {}", path.display(), error.error))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_its_name_only_when_it_is_complete() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        let unfinished = Unfinished::new(&path).unwrap();
        fs::write(unfinished.part(), "1").unwrap();
        drop(unfinished);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        let unfinished = Unfinished::new(&path).unwrap();
        fs::write(unfinished.part(), "2").unwrap();
        unfinished.finish().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "2");
    }
}
