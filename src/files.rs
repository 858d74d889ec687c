//! Reading the files that a user names: never a device, never more than they can sensibly hold.

use std::fs;
use std::io::Read;
use std::path::Path;

/// The whole of a regular file of at most `limit` bytes.
///
/// # Errors
///
/// What is wrong, in words: it is missing, no regular file (a FIFO would block the state change, a
/// device might never end), too large, or unreadable.
pub fn read(path: &Path, limit: u64) -> Result<Vec<u8>, String> {
    let metadata = fs::metadata(path).map_err(|error| error.to_string())?;
    if !metadata.is_file() {
        return Err("it is not a regular file".into());
    }
    let too_large = || format!("it has more than {limit} bytes");
    if metadata.len() > limit {
        return Err(too_large());
    }
    // Read with a limit all the same: the file may grow meanwhile.
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
    fn only_regular_files_of_sane_size_are_read() {
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
