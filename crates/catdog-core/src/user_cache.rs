//! Small results in the user's cache folder, so that the next start need not compute them again.

use std::collections::BTreeMap;
use std::env;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::files;

/// The folder below the user's cache folder.
const FOLDER: &str = "catdog";
/// Size limit of a cache file, in bytes, far more than the models of one user need.
const MAX_BYTES: u64 = 256 << 10;
/// Number of entries at which a cache is emptied.
const MAX_ENTRIES: usize = 500;
/// How long an entry waits for the lock of the folder. A writer holds it for milliseconds.
const PATIENCE: Duration = Duration::from_secs(1);
/// Time between two attempts to lock the folder.
const RETRY: Duration = Duration::from_millis(5);

/// A JSON file in the user's cache folder that maps keys to texts.
pub struct UserCache {
    name: &'static str,
}

impl UserCache {
    /// Returns the cache in the file `name`, which need not exist.
    pub const fn new(name: &'static str) -> Self {
        Self { name }
    }

    /// Returns the text of `key`; `None` if there is none, or the file is missing or damaged.
    pub fn get(&self, key: &str) -> Option<String> {
        read(&self.path()?).remove(key)
    }

    /// Adds an entry. A failure is ignored: without a cache, the next start computes it again.
    pub fn insert(&self, key: &str, text: &str) {
        if let Some(path) = self.path() {
            let _ = insert(&path, key, text);
        }
    }

    /// Returns the path of the file. A relative `XDG_CACHE_HOME` is ignored, as the XDG base
    /// directory specification requires.
    fn path(&self) -> Option<PathBuf> {
        let absolute = |path: PathBuf| Some(path).filter(|path| path.is_absolute());
        let folder = env::var_os("XDG_CACHE_HOME").map(PathBuf::from).and_then(absolute);
        let home = || Some(absolute(env::var_os("HOME")?.into())?.join(".cache"));
        Some(folder.or_else(home)?.join(FOLDER).join(self.name))
    }
}

/// Returns the entries of the file `path`; none if it is missing or damaged.
fn read(path: &Path) -> BTreeMap<String, String> {
    let bytes = files::read(path, MAX_BYTES).ok();
    bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
}

/// Adds an entry to the file `path`, whose folder is made if it is missing. Other threads and
/// processes can add entries at the same time.
fn insert(path: &Path, key: &str, text: &str) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    // The lock ends with the file. It keeps the entries that another writer adds meanwhile.
    let folder = File::open(folder)?;
    wait_for_lock(&folder);
    let mut all = read(path);
    if all.len() >= MAX_ENTRIES {
        all.clear();
    }
    all.insert(key.to_owned(), text.to_owned());
    replace(path, &serde_json::to_vec(&all)?)
}

/// Locks `folder`. Without the lock, as in a file system that has none, an entry of another writer
/// can be lost, and is computed again.
fn wait_for_lock(folder: &File) {
    let start = Instant::now();
    while let Err(fs::TryLockError::WouldBlock) = folder.try_lock() {
        if start.elapsed() > PATIENCE {
            return;
        }
        thread::sleep(RETRY);
    }
}

/// Replaces the file `path` by one with the contents `bytes`, so that a reader, or the next start
/// after a power failure, finds the old or the new file, and no part of one.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // Two threads without the lock must not write the same temporary file.
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let temporary = path.with_extension(format!("{}-{number}", std::process::id()));
    let write = || {
        let mut file = File::create(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    };
    let written = write();
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_that_are_added_at_the_same_time_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/cache.json");
        let (threads, entries) = (8, 10);
        thread::scope(|scope| {
            for thread in 0..threads {
                let path = &path;
                scope.spawn(move || {
                    for entry in 0..entries {
                        insert(path, &format!("{thread} {entry}"), "text").unwrap();
                        // A reader finds a whole file.
                        assert!(!read(path).is_empty());
                    }
                });
            }
        });
        assert_eq!(read(&path).len(), threads * entries);
        assert_eq!(fs::read_dir(folder.path().join("new")).unwrap().count(), 1);
    }

    #[test]
    fn a_damaged_file_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cache.json");
        let deep = "[".repeat(100_000);
        for damaged in ["", "{", "[1]", "{\"a\": 1}", "\u{0}\u{1}", &deep] {
            fs::write(&path, damaged).unwrap();
            assert!(read(&path).is_empty(), "{damaged}");
            insert(&path, "key", "text").unwrap();
            assert_eq!(read(&path)["key"], "text");
        }
        fs::write(&path, vec![b' '; MAX_BYTES as usize + 1]).unwrap();
        assert!(read(&path).is_empty());
    }

    #[test]
    fn a_file_that_cannot_be_replaced_leaves_no_other_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cache.json");
        fs::create_dir_all(path.join("not empty")).unwrap();
        assert!(insert(&path, "key", "text").is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_full_cache_is_emptied() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cache.json");
        let full: BTreeMap<String, String> =
            (0..MAX_ENTRIES).map(|number| (number.to_string(), String::new())).collect();
        fs::write(&path, serde_json::to_vec(&full).unwrap()).unwrap();
        insert(&path, "key", "text").unwrap();
        assert_eq!(read(&path).into_keys().collect::<Vec<_>>(), ["key"]);
    }
}
