//! Finding and loading `libLiteRt.so`.
//!
//! Nothing is linked: the plugin registers and can be inspected without the runtime, which is
//! looked for when a model is to be loaded, in this order:
//!
//! 1. the file that the environment variable `CATDOG_LITERT_LIBRARY` names - and no other,
//! 2. beside the plugin's own shared object,
//! 3. `gst-catdog/` beside the plugin's folder, then below `/usr/local/lib` and `/usr/lib`,
//! 4. wherever the dynamic loader finds it.

use std::ffi::{CStr, OsStr};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, Weak};

use libloading::os::unix::{Library as UnixLibrary, RTLD_LOCAL, RTLD_NOW};

use super::ffi;
use super::{RefusedLibrary, RuntimeError};
use crate::sync::lock;

/// Names the one runtime to use.
pub const LIBRARY_VARIABLE: &str = "CATDOG_LITERT_LIBRARY";
const FILE_NAME: &str = "libLiteRt.so";
/// Where `meson install` puts the runtime, below a library folder.
const INSTALL_FOLDER: &str = "gst-catdog";

/// A loaded runtime and its functions.
pub struct LiteRtLibrary {
    pub(super) api: ffi::Api,
    path: PathBuf,
    /// Keeps the functions of `api` callable; declared last, so dropped after everything else.
    _library: libloading::Library,
}

impl fmt::Debug for LiteRtLibrary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LiteRtLibrary").field("path", &self.path).finish_non_exhaustive()
    }
}

impl LiteRtLibrary {
    /// The runtime of this process: found and loaded at the first call, shared afterwards for as
    /// long as anybody holds it.
    ///
    /// # Errors
    ///
    /// [`RuntimeError`], which lists every place that was looked at and what was wrong there.
    pub fn shared() -> Result<Arc<Self>, RuntimeError> {
        static SHARED: Mutex<Weak<LiteRtLibrary>> = Mutex::new(Weak::new());
        let mut shared = lock(&SHARED);
        if let Some(library) = shared.upgrade() {
            return Ok(library);
        }
        let library = Arc::new(Self::load_first(candidates())?);
        *shared = Arc::downgrade(&library);
        Ok(library)
    }

    /// Loads the runtime in the file `path`.
    ///
    /// # Errors
    ///
    /// [`RefusedLibrary`] where it is not there, cannot be loaded, or has an older ABI.
    pub fn load(path: &Path) -> Result<Self, RefusedLibrary> {
        let refused = |reason| RefusedLibrary { path: path.to_owned(), reason };
        // A name without a slash is for the loader to search.
        if path.components().count() > 1 && !path.exists() {
            return Err(refused("no such file".into()));
        }
        // LiteRT does not survive being unloaded (2.3.0 crashes at exit if it was), so it stays.
        let flags = RTLD_NOW | RTLD_LOCAL | libc::RTLD_NODELETE;
        // SAFETY: loading runs the initialisers of a library whose path the user or the
        // installation chose as the LiteRT runtime; LiteRT's own have no preconditions.
        let library = unsafe { UnixLibrary::open(Some(path), flags) }
            .map_err(|error| refused(loader_text(&error)))?;
        let library = libloading::Library::from(library);
        // SAFETY: only the address is looked up, nothing is called through it.
        if unsafe { library.get::<*const ()>(ffi::ABI_WITNESS) }.is_err() {
            return Err(refused(format!(
                "has no symbol {}, so it is older than LiteRT 2.1.6 or not LiteRT at all",
                ffi::ABI_WITNESS
            )));
        }
        // SAFETY: the witness says that this is a LiteRT with the ABI that `ffi` declares.
        let api = unsafe { ffi::Api::resolve(&library) }
            .map_err(|symbol| refused(format!("has no symbol {symbol}; LiteRT 2.3.0 has")))?;
        Ok(Self { api, path: path.to_owned(), _library: library })
    }

    /// The file that was loaded.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn load_first(candidates: Vec<PathBuf>) -> Result<Self, RuntimeError> {
        let mut refused = Vec::new();
        for path in candidates {
            match Self::load(&path) {
                Ok(library) => return Ok(library),
                Err(refusal) => refused.push(refusal),
            }
        }
        Err(RuntimeError { refused })
    }
}

/// What dlopen said, which libloading keeps as the source of its error.
fn loader_text(error: &libloading::Error) -> String {
    let source = std::error::Error::source(error);
    source.map_or_else(|| error.to_string(), |source| source.to_string())
}

/// Every path to try, in order.
fn candidates() -> Vec<PathBuf> {
    if let Some(path) = std::env::var_os(LIBRARY_VARIABLE).filter(|path| !path.is_empty()) {
        return vec![explicit(&path)];
    }
    let mut paths = Vec::new();
    if let Some(folder) = own_folder() {
        paths.push(folder.join(FILE_NAME));
        if let Some(libraries) = folder.parent() {
            paths.push(libraries.join(INSTALL_FOLDER).join(FILE_NAME));
        }
    }
    let triplet = multiarch_triplet();
    for prefix in ["/usr/local/lib", "/usr/lib"] {
        let path = Path::new(prefix).join(&triplet).join(INSTALL_FOLDER).join(FILE_NAME);
        if !paths.contains(&path) {
            paths.push(path);
        }
    }
    paths.push(PathBuf::from(FILE_NAME));
    paths
}

/// The file the user named, made absolute so that the loader does not search for it.
fn explicit(path: &OsStr) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| PathBuf::from(path))
}

/// Debian's name of this architecture's library folder.
fn multiarch_triplet() -> String {
    format!("{}-linux-gnu", std::env::consts::ARCH)
}

/// The folder of the shared object (or, in tests, the executable) that holds this code.
fn own_folder() -> Option<PathBuf> {
    use std::os::unix::ffi::OsStrExt;

    let mut info = libc::Dl_info {
        dli_fname: std::ptr::null(),
        dli_fbase: std::ptr::null_mut(),
        dli_sname: std::ptr::null(),
        dli_saddr: std::ptr::null_mut(),
    };
    let address = own_folder as fn() -> Option<PathBuf> as *const libc::c_void;
    // SAFETY: dladdr only compares `address` with the mappings of loaded objects and writes
    // `info`, which lives on this stack.
    let found = unsafe { libc::dladdr(address, &mut info) } != 0 && !info.dli_fname.is_null();
    if !found {
        return None;
    }
    // SAFETY: dladdr gave a NUL-terminated name that stays as long as this object is loaded.
    let name = unsafe { CStr::from_ptr(info.dli_fname) };
    let path = Path::new(OsStr::from_bytes(name.to_bytes())).canonicalize().ok()?;
    path.parent().map(Path::to_owned)
}

const _: () = {
    const fn shared_between_threads<T: Send + Sync>() {}
    shared_between_threads::<LiteRtLibrary>();
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_file_is_named() {
        let path = Path::new("/nowhere/libLiteRt.so");
        let refusal = LiteRtLibrary::load(path).expect_err("there is no such file");
        assert_eq!(refusal.path, path);
        assert_eq!(refusal.reason, "no such file");
    }

    #[test]
    fn a_library_that_is_not_litert_is_refused_by_its_missing_symbol() {
        let refusal = LiteRtLibrary::load(Path::new("libm.so.6")).expect_err("libm is not LiteRT");
        assert!(refusal.reason.contains(ffi::ABI_WITNESS), "{}", refusal.reason);
    }

    #[test]
    fn every_place_is_tried_and_reported() {
        let places = vec![PathBuf::from("/nowhere/a.so"), PathBuf::from("/nowhere/b.so")];
        let error = LiteRtLibrary::load_first(places.clone()).expect_err("neither is there");
        let looked: Vec<_> = error.refused.iter().map(|r| r.path.clone()).collect();
        assert_eq!(looked, places);
    }
}
