//! Finds and opens `libLiteRt.so`.
//!
//! Nothing is linked, so a plugin registers and can be inspected without the runtime. The library
//! is opened when the first model is loaded, from the first of these places that has a usable file:
//!
//! 1. the file that the environment variable `CATDOG_LITERT_LIBRARY` names; if it is set, no other
//!    place is searched,
//! 2. the folder of the shared object or program that contains this code,
//! 3. the folder `gst-catdog` next to that folder, or for a program in `bin`, in the folder `lib`
//!    next to it, with or without the name of this architecture; then the folder `gst-catdog` in the
//!    library folder of this architecture below `/usr/local/lib` and `/usr/lib`,
//! 4. the search path of the dynamic loader.

use std::ffi::{CStr, OsStr};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, Weak};

use libloading::os::unix::{Library as UnixLibrary, RTLD_LOCAL, RTLD_NOW};

use super::error::{RefusedLibrary, RuntimeError};
use super::ffi;
use crate::sync::lock;

/// Name of the environment variable that overrides the search for the runtime.
pub const LIBRARY_VARIABLE: &str = "CATDOG_LITERT_LIBRARY";
const FILE_NAME: &str = "libLiteRt.so";
/// Name of the folder, in a library folder, in which `meson install` puts the runtime.
const INSTALL_FOLDER: &str = "gst-catdog";

/// A loaded runtime with its functions.
pub struct LiteRtLibrary {
    pub(super) api: ffi::Api,
    path: PathBuf,
    /// Keeps the functions of `api` callable.
    _library: libloading::Library,
}

impl fmt::Debug for LiteRtLibrary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LiteRtLibrary").field("path", &self.path).finish_non_exhaustive()
    }
}

impl LiteRtLibrary {
    /// Returns the runtime of this process. It is found and loaded unless the process uses one
    /// already.
    ///
    /// # Errors
    ///
    /// [`RuntimeError`], which lists every file that was tried, with the reason.
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
    /// [`RefusedLibrary`] if the file is missing, cannot be loaded, or has an older ABI.
    pub fn load(path: &Path) -> Result<Self, RefusedLibrary> {
        let refused = |reason| RefusedLibrary { path: path.to_owned(), reason };
        // The loader searches for a name without a slash.
        if path.components().count() > 1 && !path.exists() {
            return Err(refused("no such file".into()));
        }
        // LiteRT must not be unloaded: if LiteRT 2.3.0 is unloaded, the process crashes at exit.
        let flags = RTLD_NOW | RTLD_LOCAL | libc::RTLD_NODELETE;
        // SAFETY: opening a library runs its initializers. Those of LiteRT have no preconditions,
        // and the path comes from the user (`CATDOG_LITERT_LIBRARY`) or from folders that the
        // process loads code from anyway. RTLD_NODELETE keeps its finalizers from running early.
        let library = unsafe { UnixLibrary::open(Some(path), flags) }
            .map_err(|error| refused(loader_text(&error)))?;
        let library = libloading::Library::from(library);
        // SAFETY: the address of the symbol is neither called nor dereferenced, so its type does
        // not matter.
        if unsafe { library.get::<*const ()>(ffi::ABI_WITNESS) }.is_err() {
            return Err(refused(format!(
                "has no symbol {}, so it is older than LiteRT 2.1.6 or not LiteRT at all",
                ffi::ABI_WITNESS
            )));
        }
        // SAFETY: the library has `ABI_WITNESS`, so it is a LiteRT of the ABI that `ffi` declares.
        let api = unsafe { ffi::Api::resolve(&library) }
            .map_err(|symbol| refused(format!("has no symbol {symbol}; LiteRT 2.3.0 has it")))?;
        Ok(Self { api, path: path.to_owned(), _library: library })
    }

    /// Returns the file that was loaded.
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

/// Returns the message of dlopen, which libloading keeps as the source of its error.
fn loader_text(error: &libloading::Error) -> String {
    let source = std::error::Error::source(error);
    source.map_or_else(|| error.to_string(), |source| source.to_string())
}

/// Returns the paths to try, in order.
fn candidates() -> Vec<PathBuf> {
    if let Some(path) = std::env::var_os(LIBRARY_VARIABLE).filter(|path| !path.is_empty()) {
        return vec![explicit(&path)];
    }
    let triplet = multiarch_triplet();
    let mut paths = own_folder().map_or_else(Vec::new, |folder| near(&folder, &triplet));
    for prefix in ["/usr/local/lib", "/usr/lib"] {
        let path = Path::new(prefix).join(&triplet).join(INSTALL_FOLDER).join(FILE_NAME);
        if !paths.contains(&path) {
            paths.push(path);
        }
    }
    paths.push(PathBuf::from(FILE_NAME));
    paths
}

/// Returns the paths to try for a shared object or program in `folder`.
fn near(folder: &Path, triplet: &str) -> Vec<PathBuf> {
    let mut folders = vec![folder.to_owned()];
    if let Some(parent) = folder.parent() {
        folders.push(parent.join(INSTALL_FOLDER));
        if folder.ends_with("bin") {
            folders.push(parent.join("lib").join(triplet).join(INSTALL_FOLDER));
            folders.push(parent.join("lib").join(INSTALL_FOLDER));
        }
    }
    folders.into_iter().map(|folder| folder.join(FILE_NAME)).collect()
}

/// Returns the absolute form of `path`, so that the loader does not search for it.
fn explicit(path: &OsStr) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| PathBuf::from(path))
}

/// Returns Debian's name of the library folder of this architecture.
fn multiarch_triplet() -> String {
    format!("{}-linux-gnu", std::env::consts::ARCH)
}

/// Returns the folder of the shared object or program that contains this code.
fn own_folder() -> Option<PathBuf> {
    use std::os::unix::ffi::OsStrExt;

    let mut info = libc::Dl_info {
        dli_fname: std::ptr::null(),
        dli_fbase: std::ptr::null_mut(),
        dli_sname: std::ptr::null(),
        dli_saddr: std::ptr::null_mut(),
    };
    let address = own_folder as fn() -> Option<PathBuf> as *const libc::c_void;
    // SAFETY: dladdr does not dereference `address`; it looks it up in the list of loaded objects.
    // It writes one `Dl_info` to `info`.
    let found = unsafe { libc::dladdr(address, &mut info) } != 0 && !info.dli_fname.is_null();
    if !found {
        return None;
    }
    // SAFETY: dladdr succeeded, so `dli_fname` is a C string. It lives as long as the object is
    // loaded, which contains the code that runs here.
    let name = unsafe { CStr::from_ptr(info.dli_fname) };
    let name = Path::new(OsStr::from_bytes(name.to_bytes()));
    // The name of a program is the word with which it was started. One without a slash was found in PATH.
    let path =
        if name.components().count() > 1 { name.canonicalize() } else { std::env::current_exe() };
    path.ok()?.parent().map(Path::to_owned)
}

const _: () = {
    const fn shared_between_threads<T: Send + Sync>() {}
    shared_between_threads::<LiteRtLibrary>();
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_file_is_refused_with_its_path() {
        let path = Path::new("/nowhere/libLiteRt.so");
        let refusal = LiteRtLibrary::load(path).expect_err("there is no such file");
        assert_eq!(refusal.path, path);
        assert_eq!(refusal.reason, "no such file");
    }

    #[test]
    fn a_library_without_the_abi_witness_is_refused() {
        let refusal = LiteRtLibrary::load(Path::new("libm.so.6")).expect_err("libm is not LiteRT");
        assert!(refusal.reason.contains(ffi::ABI_WITNESS), "{}", refusal.reason);
    }

    #[test]
    fn a_program_in_bin_searches_in_lib() {
        let of_plugin = near(Path::new("/x/lib/gstreamer-1.0"), "arm-linux-gnu");
        let want = ["/x/lib/gstreamer-1.0/libLiteRt.so", "/x/lib/gst-catdog/libLiteRt.so"];
        assert_eq!(of_plugin, want.map(PathBuf::from));
        let of_program = near(Path::new("/opt/catdog/bin"), "arm-linux-gnu");
        let want = [
            "/opt/catdog/bin/libLiteRt.so",
            "/opt/catdog/gst-catdog/libLiteRt.so",
            "/opt/catdog/lib/arm-linux-gnu/gst-catdog/libLiteRt.so",
            "/opt/catdog/lib/gst-catdog/libLiteRt.so",
        ];
        assert_eq!(of_program, want.map(PathBuf::from));
    }

    #[test]
    fn the_error_lists_every_tried_file() {
        let places = vec![PathBuf::from("/nowhere/a.so"), PathBuf::from("/nowhere/b.so")];
        let error = LiteRtLibrary::load_first(places.clone()).expect_err("neither is there");
        let looked: Vec<_> = error.refused.iter().map(|r| r.path.clone()).collect();
        assert_eq!(looked, places);
    }
}
