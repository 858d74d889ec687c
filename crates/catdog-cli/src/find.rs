//! The photos or the videos that the arguments name.

use std::fs;
use std::io::{self, BufRead};
use std::path::{Path, PathBuf};

/// Extensions of photos.
pub const PHOTOS: &[&str] = &["jpg", "jpeg", "png", "webp"];
/// Extensions of videos.
pub const VIDEOS: &[&str] = &[
    "mp4", "m4v", "mov", "mkv", "webm", "avi", "ts", "m2ts", "mts", "mpg", "mpeg", "wmv", "flv",
    "3gp", "ogv",
];

/// Files, and what cannot be read.
#[derive(Debug, PartialEq, Eq)]
pub struct Found {
    /// The files in the order of the arguments; those of a folder are sorted by their paths.
    pub files: Vec<PathBuf>,
    /// One message for each argument or folder that cannot be read.
    pub unreadable: Vec<String>,
    /// The extensions that files in a folder need. A file that is named itself may have any.
    extensions: &'static [&'static str],
}

impl Found {
    /// Returns nothing yet; `extensions` are [`PHOTOS`] or [`VIDEOS`].
    pub fn new(extensions: &'static [&'static str]) -> Self {
        Self { files: Vec::new(), unreadable: Vec::new(), extensions }
    }

    /// Adds a file, or the files in a folder and in all folders in it. Hidden files and folders in it
    /// are left out, and links to folders are not followed, because they may lead back.
    pub fn add(&mut self, path: &Path) {
        if path.is_dir() {
            self.add_folder(path);
        } else {
            self.files.push(path.to_owned());
        }
    }

    fn add_folder(&mut self, folder: &Path) {
        let entries = fs::read_dir(folder).and_then(Iterator::collect::<io::Result<Vec<_>>>);
        let mut entries = match entries {
            Ok(entries) => entries,
            Err(error) => {
                self.unreadable.push(format!("folder '{}': {error}", folder.display()));
                return;
            }
        };
        entries.sort_unstable_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let path = entry.path();
            if entry.file_name().as_encoded_bytes().starts_with(b".") {
                continue;
            }
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                self.add_folder(&path);
            } else if self.has_extension(&path) && !path.is_dir() {
                self.files.push(path);
            }
        }
    }

    /// Adds the paths of a list, as [`paths_in_list`] reads it.
    ///
    /// # Errors
    ///
    /// As [`paths_in_list`].
    pub fn add_list(&mut self, list: &Path) -> Result<(), String> {
        paths_in_list(list)?.iter().for_each(|path| self.add(path));
        Ok(())
    }

    fn has_extension(&self, path: &Path) -> bool {
        path.extension().and_then(|extension| extension.to_str()).is_some_and(|extension| {
            self.extensions.iter().any(|known| known.eq_ignore_ascii_case(extension))
        })
    }
}

/// Returns the paths of a list, one per line; `-` is stdin. Empty lines are left out.
///
/// # Errors
///
/// The message if the list cannot be read.
pub fn paths_in_list(list: &Path) -> Result<Vec<PathBuf>, String> {
    let unreadable =
        |error: io::Error| format!("list '{}' cannot be read: {error}", list.display());
    let reader: Box<dyn BufRead> = if list == Path::new("-") {
        Box::new(io::stdin().lock())
    } else {
        Box::new(io::BufReader::new(fs::File::open(list).map_err(unreadable)?))
    };
    let mut paths = Vec::new();
    for line in reader.split(b'\n') {
        let line = line.map_err(unreadable)?;
        let line = line.strip_suffix(b"\r").unwrap_or(&line);
        if !line.is_empty() {
            paths.push(bytes_path(line));
        }
    }
    Ok(paths)
}

/// Returns the path of these bytes. On Unix, a path may have any bytes but 0.
fn bytes_path(bytes: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStrExt as _;
    PathBuf::from(std::ffi::OsStr::from_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_gives_its_files_in_order_and_leaves_out_other_and_hidden_files() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::create_dir_all(path("b/.hidden")).unwrap();
        for name in
            ["b/2.JPG", "a.png", "b/1.webp", "c.txt", ".d.jpg", "b/.hidden/e.jpg", "f g\n.jpeg"]
        {
            fs::write(path(name), "").unwrap();
        }
        std::os::unix::fs::symlink(folder.path(), path("loop")).unwrap();
        let mut found = Found::new(PHOTOS);
        found.add(folder.path());
        found.add(&path("c.txt"));
        let want = ["a.png", "b/1.webp", "b/2.JPG", "f g\n.jpeg", "c.txt"].map(path);
        assert_eq!((found.files, found.unreadable), (want.to_vec(), Vec::new()));
    }

    #[test]
    fn a_list_has_a_path_per_line() {
        let folder = tempfile::tempdir().unwrap();
        let list = folder.path().join("list");
        fs::write(&list, b"a.jpg\r\n\nb \xff.png\n").unwrap();
        let mut found = Found::new(PHOTOS);
        found.add_list(&list).unwrap();
        assert_eq!(found.files, [PathBuf::from("a.jpg"), bytes_path(b"b \xff.png")]);
        let error = found.add_list(&folder.path().join("none")).unwrap_err();
        assert!(error.contains("none' cannot be read"), "{error}");
    }
}
