//! The argument INPUT: what the user wants to classify.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// The schemes of streams that GStreamer plays.
const SCHEMES: [&str; 8] = ["rtsp", "rtsps", "rtmp", "http", "https", "srt", "udp", "rtp"];

/// A source of video.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// The camera that works best.
    BestCamera,
    /// The camera with this number or a name that contains this text, as `catdog cameras` lists it.
    CameraName(String),
    /// The camera with this device node.
    CameraNode(PathBuf),
    /// The camera of PipeWire with this name.
    Pipewire(String),
    /// A camera of libcamera, with this name if there is one.
    Libcamera(Option<String>),
    /// A network stream.
    Stream(String),
    /// A video or a photo.
    File(PathBuf),
    /// A file on stdin.
    Stdin,
    /// A test picture.
    Test,
}

/// INPUT cannot be used.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum InputError {
    /// The address has an unknown scheme.
    #[error(
        "INPUT {0}: unknown kind of address {1}://; use rtsp, rtmp, http, https, srt, udp or rtp, or the path of a file"
    )]
    Scheme(String, String),
    /// The path is a folder.
    #[error("INPUT {0} is a folder; `catdog photos` classifies the photos in a folder")]
    Folder(String),
    /// There is no such file or device.
    #[error("INPUT {0}: there is no such {1}")]
    Missing(String, &'static str),
}

impl Input {
    /// Returns the input that a user names; `None` is the best camera.
    ///
    /// # Errors
    ///
    /// [`InputError`] if the text names a folder, a missing file or device, or an unknown scheme.
    pub fn of(text: Option<&OsStr>) -> Result<Self, InputError> {
        let Some(text) = text else { return Ok(Self::BestCamera) };
        let path = Path::new(text);
        let shown = path.display().to_string();
        if path.is_dir() {
            return Err(InputError::Folder(shown));
        }
        if path.starts_with("/dev") {
            // Whatever it is called, a device is no file with a video.
            return if path.exists() {
                Ok(Self::CameraNode(path.to_owned()))
            } else {
                Err(InputError::Missing(shown, "device; `catdog cameras` lists the cameras"))
            };
        }
        if path.is_file() {
            return Ok(Self::File(path.to_owned()));
        }
        let Some(text) = text.to_str() else { return Err(InputError::Missing(shown, "file")) };
        match text {
            "-" => return Ok(Self::Stdin),
            "test" => return Ok(Self::Test),
            "libcamera" => return Ok(Self::Libcamera(None)),
            _ => {}
        }
        if let Some(id) = text.strip_prefix("libcamera:") {
            return Ok(Self::Libcamera(Some(id.to_owned())));
        }
        if let Some((scheme, _)) = text.split_once("://") {
            if SCHEMES.contains(&scheme.to_ascii_lowercase().as_str()) {
                return Ok(Self::Stream(text.to_owned()));
            }
            return Err(InputError::Scheme(shown, scheme.to_owned()));
        }
        if text.contains('/') || path.extension().is_some() {
            return Err(InputError::Missing(shown, "file"));
        }
        Ok(Self::CameraName(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Result<Input, InputError> {
        Input::of(Some(OsStr::new(text)))
    }

    #[test]
    fn the_kind_of_an_input_follows_from_its_text() {
        assert_eq!(Input::of(None), Ok(Input::BestCamera));
        for (text, input) in [
            ("2", Input::CameraName("2".into())),
            ("Logitech", Input::CameraName("Logitech".into())),
            ("-", Input::Stdin),
            ("test", Input::Test),
            ("libcamera", Input::Libcamera(None)),
            ("libcamera:/base/imx708", Input::Libcamera(Some("/base/imx708".into()))),
            ("rtsp://host/1", Input::Stream("rtsp://host/1".into())),
            ("HTTP://host/a.mp4", Input::Stream("HTTP://host/a.mp4".into())),
            ("/dev/null", Input::CameraNode("/dev/null".into())),
        ] {
            assert_eq!(of(text), Ok(input), "{text}");
        }
    }

    #[test]
    fn a_file_is_found_whatever_its_name_is() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["test", "2", "-x.mp4", "rtsp:", "a b"] {
            let path = folder.path().join(name);
            std::fs::write(&path, "").unwrap();
            assert_eq!(Input::of(Some(path.as_os_str())), Ok(Input::File(path.clone())));
        }
    }

    #[test]
    fn what_cannot_be_an_input_is_an_error_with_a_remedy() {
        let error = |text: &str| of(text).unwrap_err().to_string();
        assert!(error("/").ends_with("`catdog photos` classifies the photos in a folder"));
        assert!(error("clip.mp4").ends_with("there is no such file"));
        assert!(error("/dev/video99").contains("`catdog cameras` lists the cameras"));
        assert!(error("ftp://host/a").contains("unknown kind of address ftp://"));
    }
}
