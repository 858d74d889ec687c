//! The space that clips take.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::container::Container;

/// Parses the value of `--max-disk`, such as `10GB` or `500 MB`.
///
/// # Errors
///
/// The message if it is not a size.
pub fn size(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let digits = text.find(|char: char| !char.is_ascii_digit() && char != '.');
    let (number, unit) = text.split_at(digits.unwrap_or(text.len()));
    let factor = match unit.trim().to_ascii_uppercase().as_str() {
        "MB" => 1e6,
        "GB" => 1e9,
        "TB" => 1e12,
        _ => return Err("write a size with its unit, such as 500MB or 10GB".into()),
    };
    let number: f64 = number.parse().map_err(|_| "write a size such as 500MB or 10GB")?;
    Ok((number * factor) as u64)
}

/// A clip without a description has not ended if it was written in this time.
const BUSY: Duration = Duration::from_secs(60);

/// Removes the oldest clips in `folder` until the others take at most `limit` bytes. The newest clip
/// stays, and those that are being written. Returns the number of removed clips.
pub fn remove_oldest(folder: &Path, limit: u64) -> usize {
    let mut clips = clips(folder);
    // Names begin with the time.
    clips.sort_unstable();
    let size = |clip: &PathBuf| files(clip).map(|(_, bytes)| bytes).sum::<u64>();
    let mut total: u64 = clips.iter().map(size).sum();
    let mut removed = 0;
    for clip in clips.iter().rev().skip(1).rev() {
        if total <= limit {
            break;
        }
        total -= size(clip);
        for (file, _) in files(clip) {
            let _ = fs::remove_file(file);
        }
        removed += 1;
    }
    removed
}

/// Returns the clips in `folder` that have ended: with a description, or left by a program that was
/// killed.
fn clips(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let paths = entries.map(|entry| entry.path());
    let is_clip = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let is_clip = is_stamped(name) && Container::of(path).is_some();
        is_clip && (path.with_extension("json").is_file() || !is_busy(path))
    };
    paths.filter(is_clip).collect()
}

/// Returns whether a name begins as those of clips do: `20261127-104200-`.
fn is_stamped(name: &str) -> bool {
    let fits = |(index, byte): (usize, u8)| match index {
        8 | 15 => byte == b'-',
        _ => byte.is_ascii_digit(),
    };
    name.len() > 16 && name.bytes().take(16).enumerate().all(fits)
}

fn is_busy(clip: &Path) -> bool {
    let written = fs::metadata(clip).and_then(|file| file.modified());
    written.is_ok_and(|written| written.elapsed().is_ok_and(|age| age < BUSY))
}

/// Returns the files of a clip with their sizes.
fn files(clip: &Path) -> impl Iterator<Item = (PathBuf, u64)> {
    let beside = [clip.with_extension("jpg"), clip.with_extension("json"), clip.to_owned()];
    beside.into_iter().filter_map(|path| {
        let bytes = fs::metadata(&path).ok()?.len();
        Some((path, bytes))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_has_a_unit() {
        assert_eq!((size("10GB"), size("0.5 mb")), (Ok(10_000_000_000), Ok(500_000)));
        assert!(size("10").is_err() && size("GB").is_err() && size("-1GB").is_err());
    }

    #[test]
    fn the_oldest_clips_are_removed_and_other_files_stay() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        for name in ["20260101-000000-cat", "20260102-000000-cat", "20260103-000000-dog"] {
            for extension in ["mp4", "json", "jpg"] {
                fs::write(folder.join(name).with_extension(extension), [0; 100]).unwrap();
            }
        }
        fs::write(folder.join("20260104-000000-cat.mp4"), [0; 100]).unwrap();
        fs::write(folder.join("20260101_holiday.mp4"), [0; 100]).unwrap();
        fs::write(folder.join("20260101_holiday.json"), [0; 100]).unwrap();
        assert_eq!(remove_oldest(folder, 1000), 0);
        assert_eq!(remove_oldest(folder, 700), 1);
        assert!(!folder.join("20260101-000000-cat.jpg").exists());
        assert_eq!(remove_oldest(folder, 0), 1);
        assert_eq!(fs::read_dir(folder).unwrap().count(), 6);
    }
}
