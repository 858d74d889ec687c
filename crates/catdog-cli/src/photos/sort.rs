//! Sorting photos into a folder for each class.

use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use crate::class_folder::folder_name;

/// The folder that gets a folder for each class.
#[derive(Debug)]
pub struct Sorter {
    /// The folder.
    pub folder: PathBuf,
    /// Whether links are made instead of copies.
    pub link: bool,
}

impl Sorter {
    /// Puts a copy of `photo`, or a link to it, into the folder of `label`. A file that has the name
    /// already stays: the new one gets a number, unless both have the same content.
    ///
    /// # Errors
    ///
    /// The message if a folder or a file cannot be made.
    pub fn put(&self, photo: &Path, label: &str) -> Result<(), String> {
        let folder = self.folder.join(folder_name(label));
        let failed = |error: io::Error| {
            format!("'{}' cannot be put into '{}': {error}", photo.display(), folder.display())
        };
        fs::create_dir_all(&folder).map_err(failed)?;
        let source = std::path::absolute(photo).map_err(failed)?;
        for number in 1.. {
            let target = folder.join(numbered(photo, number));
            let made =
                if self.link { symlink(&source, &target) } else { copy_new(&source, &target) };
            match made {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    if same(&source, &target).unwrap_or(false) {
                        return Ok(());
                    }
                }
                made => return made.map_err(failed),
            }
        }
        Ok(())
    }
}

/// Copies a file to `target`, which must not exist. The copy appears under its name when it is
/// complete.
fn copy_new(source: &Path, target: &Path) -> io::Result<()> {
    if target.symlink_metadata().is_ok() {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    let mut name = target.file_name().unwrap_or_default().to_owned();
    name.push(".part");
    let part = target.with_file_name(name);
    let copied = fs::copy(source, &part).and_then(|_| fs::hard_link(&part, target));
    let removed = fs::remove_file(&part);
    copied.and(removed)
}

/// Returns the name of the copy: that of the photo, with a number from the second one on.
fn numbered(photo: &Path, number: u32) -> PathBuf {
    let name = Path::new(photo.file_name().unwrap_or_default());
    if number == 1 {
        return name.to_owned();
    }
    let mut text = name.file_stem().unwrap_or_default().to_owned();
    text.push(format!("-{number}"));
    if let Some(extension) = name.extension() {
        text.push(".");
        text.push(extension);
    }
    PathBuf::from(text)
}

/// Returns whether two files have the same content.
fn same(one: &Path, other: &Path) -> io::Result<bool> {
    if fs::metadata(one)?.len() != fs::metadata(other)?.len() {
        return Ok(false);
    }
    let open = |path| fs::File::open(path).map(io::BufReader::new);
    let (mut one, mut other) = (open(one)?.bytes(), open(other)?.bytes());
    loop {
        match (one.next().transpose()?, other.next().transpose()?) {
            (None, None) => return Ok(true),
            (a, b) if a != b => return Ok(false),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_photo_never_replaces_another_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for (name, content) in [("a/x.jpg", "1"), ("b/x.jpg", "2"), ("c/x.jpg", "1")] {
            fs::create_dir_all(path(name).parent().unwrap()).unwrap();
            fs::write(path(name), content).unwrap();
        }
        let sorter = Sorter { folder: path("sorted"), link: false };
        for _ in 0..2 {
            for photo in ["a/x.jpg", "b/x.jpg", "c/x.jpg"] {
                sorter.put(&path(photo), "cat").unwrap();
            }
        }
        let read = |name: &str| fs::read_to_string(path("sorted/cat").join(name)).unwrap();
        assert_eq!((read("x.jpg"), read("x-2.jpg")), ("1".into(), "2".into()));
        assert_eq!(fs::read_dir(path("sorted/cat")).unwrap().count(), 2);
    }

    #[test]
    fn links_lead_to_the_photos() {
        let folder = tempfile::tempdir().unwrap();
        let photo = folder.path().join("-a b.jpg");
        fs::write(&photo, "1").unwrap();
        let sorter = Sorter { folder: folder.path().join("sorted"), link: true };
        sorter.put(&photo, "dog").unwrap();
        sorter.put(&photo, "dog").unwrap();
        let link = folder.path().join("sorted/dog/-a b.jpg");
        assert_eq!(fs::read_link(&link).unwrap(), photo);
        assert_eq!(fs::read_dir(link.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let error = Sorter { folder: file.clone(), link: false }.put(&file, "cat").unwrap_err();
        assert!(error.contains("cannot be put into"), "{error}");
    }
}
