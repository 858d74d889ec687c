//! Whether a window can be opened.

use std::env;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};

/// Returns whether there is a display. If the socket that a variable names does not exist, the
/// desktop has ended.
///
/// This does not connect to the socket, because an X server restarts when its only client
/// disconnects, and the window would open at this moment.
pub fn is_there() -> bool {
    let variable = |name| env::var(name).ok().filter(|value: &String| !value.is_empty());
    if let Some(socket) = variable("WAYLAND_DISPLAY") {
        let folder = variable("XDG_RUNTIME_DIR").map(PathBuf::from).unwrap_or_default();
        if is_socket(&folder.join(socket)) {
            return true;
        }
    }
    variable("DISPLAY").is_some_and(|display| x_display_is_there(&display))
}

fn x_display_is_there(display: &str) -> bool {
    match display.strip_prefix(':') {
        Some(number) => {
            let number = number.split('.').next().unwrap_or_default();
            is_socket(&Path::new("/tmp/.X11-unix").join(format!("X{number}")))
        }
        // The display of another machine, through ssh -X.
        None => true,
    }
}

fn is_socket(path: &Path) -> bool {
    path.metadata().is_ok_and(|metadata| metadata.file_type().is_socket())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_local_display_has_a_socket() {
        assert!(!x_display_is_there(":987"));
        assert!(x_display_is_there("localhost:10.0"));
    }
}
