//! A new file for each photo.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;
use std::process;

use gst::glib;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

use crate::class_folder::folder_name;
use crate::frame::Frame;

/// Characters of a label in the name of a file.
const LABEL_CHARS: usize = 40;

/// Writes a file with a new name into `folder`. Returns the name, and its time as ISO 8601.
///
/// If another photo has the name, the time in it is a millisecond later.
pub fn write_new(
    folder: &Path,
    jpeg: &[u8],
    taken: &glib::DateTime,
    frame: &Frame,
) -> io::Result<(String, String)> {
    let mut taken = taken.clone();
    loop {
        let name = name(&taken, frame).map_err(io::Error::other)?;
        match write_complete(&folder.join(&name), jpeg) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                taken = taken
                    .add(glib::TimeSpan::from_milliseconds(1))
                    .map_err(|_| io::Error::other("the clock is wrong"))?;
            }
            result => {
                let time = taken.format("%Y-%m-%dT%H:%M:%S").map_err(io::Error::other)?;
                let zone = taken.format("%:z").map_err(io::Error::other)?;
                return result
                    .map(|()| (name, format!("{time}.{:03}{zone}", milliseconds(&taken))));
            }
        }
    }
}

/// Returns the name of a photo, such as `20261127-104200.123-cat-0.62.jpg`. Names are sorted by time.
fn name(taken: &glib::DateTime, frame: &Frame) -> Result<String, glib::BoolError> {
    let time = taken.format("%Y%m%d-%H%M%S")?;
    let (label, confidence) = frame.best();
    // Only certainty is 1.00, as on the screen.
    let confidence = if confidence < 1.0 { confidence.min(0.99) } else { confidence };
    let label: String = folder_name(label).chars().take(LABEL_CHARS).collect();
    Ok(format!("{time}.{:03}-{label}-{confidence:.2}.jpg", milliseconds(taken)))
}

fn milliseconds(time: &glib::DateTime) -> i32 {
    time.microsecond() / 1000
}

/// Writes a file that appears under its name when it is complete, and does not replace another one.
fn write_complete(path: &Path, content: &[u8]) -> io::Result<()> {
    if path.symlink_metadata().is_ok() {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    // The training and file managers do not show hidden files.
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let part = path.with_file_name(format!(".{name}.{}.part", process::id()));
    let mut file = OpenOptions::new().write(true).create_new(true).open(&part)?;
    let written = file
        .write_all(content)
        // The data has to reach the disk before the name does: a power cut could otherwise leave an
        // empty photo.
        .and_then(|()| file.sync_data())
        .and_then(|()| rename_new(&part, path));
    if written.is_err() {
        let _ = fs::remove_file(&part);
    }
    written
}

/// Renames a file, and does not replace another one.
fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // Network file systems do not know the flag, but links.
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {
            fs::hard_link(from, to)?;
            fs::remove_file(from)
        }
        result => Ok(result?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_never_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let [part, photo] = ["part", "photo"].map(|name| folder.path().join(name));
        fs::write(&part, "new").unwrap();
        fs::write(&photo, "old").unwrap();
        assert_eq!(rename_new(&part, &photo).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(write_complete(&photo, b"").unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read_to_string(&photo).unwrap(), "old");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }
}
