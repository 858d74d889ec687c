//! The photos that the arguments name.

use std::fs;
use std::io::{self, BufRead};
use std::path::{Path, PathBuf};

/// Extensions of files that are photos, in a folder. A file that is named itself may have any.
const EXTENSIONS: [&str; 4] = ["jpg", "jpeg", "png", "webp"];

/// The photos, and what cannot be read.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// The photos in the order of the arguments; those of a folder are sorted by their paths.
    pub photos: Vec<PathBuf>,
    /// One message for each argument or folder that cannot be read.
    pub unreadable: Vec<String>,
}

impl Found {
    /// Adds a photo, or the photos in a folder and in all folders in it. Hidden files and folders in
    /// it are left out, and links to folders are not followed, because they may lead back.
    pub fn add(&mut self, path: &Path) {
        if path.is_dir() {
            self.add_folder(path);
        } else {
            self.photos.push(path.to_owned());
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
            } else if is_photo(&path) && !path.is_dir() {
                self.photos.push(path);
            }
        }
    }

    /// Adds the photos of a list, one path per line; `-` is stdin. Empty lines are left out.
    ///
    /// # Errors
    ///
    /// The message if the list cannot be read.
    pub fn add_list(&mut self, list: &Path) -> Result<(), String> {
        let unreadable =
            |error: io::Error| format!("list '{}' cannot be read: {error}", list.display());
        let reader: Box<dyn BufRead> = if list == Path::new("-") {
            Box::new(io::stdin().lock())
        } else {
            Box::new(io::BufReader::new(fs::File::open(list).map_err(unreadable)?))
        };
        for line in reader.split(b'\n') {
            let line = line.map_err(unreadable)?;
            let line = line.strip_suffix(b"\r").unwrap_or(&line);
            if !line.is_empty() {
                self.add(&bytes_path(line));
            }
        }
        Ok(())
    }
}

/// Returns the path of these bytes. On Unix, a path may have any bytes but 0.
fn bytes_path(bytes: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStrExt as _;
    PathBuf::from(std::ffi::OsStr::from_bytes(bytes))
}

fn is_photo(path: &Path) -> bool {
    path.extension().and_then(|extension| extension.to_str()).is_some_and(|extension| {
        EXTENSIONS.iter().any(|known| known.eq_ignore_ascii_case(extension))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_gives_its_photos_in_order_and_leaves_out_other_and_hidden_files() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::create_dir_all(path("b/.hidden")).unwrap();
        for name in
            ["b/2.JPG", "a.png", "b/1.webp", "c.txt", ".d.jpg", "b/.hidden/e.jpg", "f g\n.jpeg"]
        {
            fs::write(path(name), "").unwrap();
        }
        std::os::unix::fs::symlink(folder.path(), path("loop")).unwrap();
        let mut found = Found::default();
        found.add(folder.path());
        found.add(&path("c.txt"));
        let want = ["a.png", "b/1.webp", "b/2.JPG", "f g\n.jpeg", "c.txt"].map(path);
        assert_eq!(found, Found { photos: want.to_vec(), unreadable: Vec::new() });
    }

    #[test]
    fn a_list_has_a_path_per_line() {
        let folder = tempfile::tempdir().unwrap();
        let list = folder.path().join("list");
        fs::write(&list, b"a.jpg\r\n\nb \xff.png\n").unwrap();
        let mut found = Found::default();
        found.add_list(&list).unwrap();
        assert_eq!(found.photos, [PathBuf::from("a.jpg"), bytes_path(b"b \xff.png")]);
        let error = found.add_list(&folder.path().join("none")).unwrap_err();
        assert!(error.contains("none' cannot be read"), "{error}");
    }
}
