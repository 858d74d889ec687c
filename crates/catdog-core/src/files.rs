//! Reads files that a user names. A device or an oversized file is refused.

use std::fs;
use std::io::Read;
use std::path::Path;

/// Reads a regular file of at most `limit` bytes.
///
/// # Errors
///
/// The reason as text: the file is missing, not a regular file (a FIFO would block a state change,
/// a device may never end), too large, or unreadable.
pub fn read(path: &Path, limit: u64) -> Result<Vec<u8>, String> {
    let metadata = fs::metadata(path).map_err(|error| error.to_string())?;
    if !metadata.is_file() {
        return Err("it is not a regular file".into());
    }
    let too_large = || format!("it has more than {limit} bytes");
    if metadata.len() > limit {
        return Err(too_large());
    }
    // The limit applies to the read as well, because the file can grow.
    let mut bytes = Vec::new();
    let file = fs::File::open(path).map_err(|error| error.to_string())?;
    file.take(limit + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() as u64 > limit {
        return Err(too_large());
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_regular_files_within_the_limit_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("four");
        fs::write(&path, b"four").unwrap();
        assert_eq!(read(&path, 4), Ok(b"four".to_vec()));
        assert_eq!(read(&path, 3), Err("it has more than 3 bytes".into()));
        assert_eq!(read(Path::new("/dev/zero"), 3), Err("it is not a regular file".into()));
        assert_eq!(read(folder.path(), 3), Err("it is not a regular file".into()));
        assert!(read(&folder.path().join("five"), 3).is_err());
    }
}
