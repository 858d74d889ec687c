//! Small results in the user's cache folder, so that the next start need not compute them again.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::PathBuf;

use crate::files;

/// The folder below the user's cache folder.
const FOLDER: &str = "catdog";
/// Size limit of a cache file, in bytes, far more than the models of one user need.
const MAX_BYTES: u64 = 256 << 10;
/// Number of entries at which a cache is emptied.
const MAX_ENTRIES: usize = 500;

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
        self.read().remove(key)
    }

    /// Adds an entry. A failure is ignored: without a cache, the next start computes it again.
    pub fn insert(&self, key: &str, text: &str) {
        let Some(path) = self.path() else { return };
        let mut all = self.read();
        if all.len() >= MAX_ENTRIES {
            all.clear();
        }
        all.insert(key.to_owned(), text.to_owned());
        // The cache is written to a temporary file and renamed, because another process may be
        // reading it.
        let temporary = path.with_extension(format!("{}", std::process::id()));
        let written = path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| {
            fs::write(&temporary, serde_json::to_vec(&all)?)?;
            fs::rename(&temporary, &path)
        });
        if written.is_err() {
            let _ = fs::remove_file(&temporary);
        }
    }

    fn read(&self) -> BTreeMap<String, String> {
        let bytes = self.path().and_then(|path| files::read(&path, MAX_BYTES).ok());
        bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
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
