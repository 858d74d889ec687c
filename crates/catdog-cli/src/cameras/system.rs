//! What the system tells about the device nodes of cameras.

use std::fs;
use std::path::{Path, PathBuf};

/// Returns the serial number of the USB device that the node belongs to.
pub fn serial_number(node: &Path) -> Option<String> {
    let name = node.file_name()?;
    let device =
        Path::new("/sys/class/video4linux").join(name).join("device").canonicalize().ok()?;
    let serial = device
        .ancestors()
        .take(4)
        .find_map(|folder| fs::read_to_string(folder.join("serial")).ok())?;
    Some(serial.trim().to_owned()).filter(|serial| !serial.is_empty())
}

/// Returns the driver of a device node.
pub fn driver(node: &Path) -> Option<String> {
    let device = Path::new("/sys/class/video4linux").join(node.file_name()?).join("device/driver");
    Some(device.canonicalize().ok()?.file_name()?.to_string_lossy().into_owned())
}

/// Returns the programs that have opened the node, as `name (pid)`, as far as the user may see them.
pub fn users_of(node: &Path) -> Vec<String> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let own = std::process::id().to_string();
    processes
        .filter_map(|process| {
            let id = process.file_name().into_string().ok()?;
            if !id.bytes().all(|byte| byte.is_ascii_digit()) || id == own {
                return None;
            }
            let mut files = fs::read_dir(process.path().join("fd")).ok()?.flatten();
            files.any(|file| fs::read_link(file.path()).is_ok_and(|target| target == node)).then(
                || {
                    let name = fs::read_to_string(process.path().join("comm")).unwrap_or_default();
                    format!("{} ({id})", name.trim())
                },
            )
        })
        .collect()
}

/// Returns why there is no camera, and what to check.
pub fn why_none() -> String {
    let nodes = video_nodes();
    let closed = nodes.iter().find(|node| {
        fs::OpenOptions::new()
            .read(true)
            .write(true)
            .open(node)
            .is_err_and(|error| error.kind() == std::io::ErrorKind::PermissionDenied)
    });
    if let Some(node) = closed {
        return format!(
            "no camera that may be used: no permission for {}; join its group \
             (sudo usermod -aG video $USER) and log in again",
            node.display()
        );
    }
    if nodes.is_empty() {
        return "no camera; check its cable (lsusb lists USB devices), and for the camera of a Raspberry \
                Pi install gstreamer1.0-libcamera"
            .into();
    }
    "no camera among the video devices; `catdog cameras --all` lists them. For the camera of a Raspberry Pi \
     install gstreamer1.0-libcamera"
        .into()
}

/// Returns the device nodes `/dev/videoN`, sorted.
pub fn video_nodes() -> Vec<PathBuf> {
    let nodes = fs::read_dir("/dev").into_iter().flatten().flatten();
    let is_video =
        |name: &str| name.strip_prefix("video").is_some_and(|number| number.parse::<u32>().is_ok());
    let mut nodes: Vec<_> = nodes
        .filter(|node| node.file_name().to_str().is_some_and(is_video))
        .map(|node| node.path())
        .collect();
    nodes.sort();
    nodes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_has_opened_the_node_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .stdin(fs::File::open(file.path()).unwrap())
            .spawn()
            .unwrap();
        let users = users_of(file.path());
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(users, [format!("sleep ({})", child.id())]);
    }
}
