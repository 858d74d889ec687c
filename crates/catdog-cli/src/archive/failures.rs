//! `failures.parquet`: the videos that could not be classified, and why.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use parquet::errors::ParquetError;
use parquet::file::reader::FileReader;
use parquet::record::{Row as Record, RowAccessor};
use rustix::fs::FlockOperation;

use super::rows::FailureRow;
use super::table::{self, Table};
use crate::Failure;
use crate::disk::Unfinished;

/// The list of failures in a folder of results. Several processes may share it.
#[derive(Debug)]
pub struct Failures {
    path: PathBuf,
    lock: PathBuf,
}

impl Failures {
    /// Returns the list in `folder`.
    pub fn new(folder: &Path) -> Self {
        Self { path: folder.join("failures.parquet"), lock: folder.join(".failures.lock") }
    }

    /// Removes the videos of `settled`, which this process has tried, and adds those that `failed`.
    ///
    /// # Errors
    ///
    /// The message if the list cannot be read or written.
    pub fn update(&self, settled: &HashSet<String>, failed: &[FailureRow]) -> Result<(), Failure> {
        let unusable = |error: &dyn std::fmt::Display| format!("{}: {error}", self.path.display());
        if failed.is_empty() && !self.path.exists() {
            return Ok(());
        }
        if let Some(folder) = self.path.parent() {
            fs::create_dir_all(folder).map_err(|error| unusable(&error))?;
        }
        let lock = File::create(&self.lock).map_err(|error| unusable(&error))?;
        // Some file systems on a network have no locks. Then the last process wins.
        let _ = rustix::fs::flock(&lock, FlockOperation::LockExclusive);
        let mut rows = self.read().map_err(|error| {
            unusable(&format!("{error}; remove it if another program wrote it"))
        })?;
        let before = rows.clone();
        rows.retain(|row| !settled.contains(&row.video));
        rows.extend_from_slice(failed);
        rows.sort_by(|a, b| a.video.cmp(&b.video));
        if rows == before {
            return Ok(());
        }
        if rows.is_empty() {
            return fs::remove_file(&self.path).map_err(|error| unusable(&error).into());
        }
        let unfinished = Unfinished::new(&self.path)?;
        let write = || -> parquet::errors::Result<()> {
            let mut table = Table::new(File::create(unfinished.part())?, "failures".into())?;
            rows.into_iter().try_for_each(|row| table.push(row))?;
            table.finish()
        };
        write().map_err(|error| unusable(&error))?;
        unfinished.finish()
    }

    fn read(&self) -> parquet::errors::Result<Vec<FailureRow>> {
        let (reader, _) = match table::open(&self.path) {
            Err(ParquetError::External(error))
                if error.downcast_ref::<io::Error>().is_some_and(is_not_found) =>
            {
                return Ok(Vec::new());
            }
            result => result?,
        };
        let row = |record: parquet::errors::Result<Record>| {
            let record = record?;
            Ok(FailureRow {
                video: record.get_string(0)?.clone(),
                reason: record.get_string(1)?.clone(),
                catdog: record.get_string(2)?.clone(),
            })
        };
        reader.get_row_iter(None)?.map(row).collect()
    }
}

fn is_not_found(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(video: &str, reason: &str) -> FailureRow {
        FailureRow::new(video.into(), reason.into())
    }

    #[test]
    fn the_list_keeps_the_failures_of_other_processes() {
        let folder = tempfile::tempdir().unwrap();
        let failures = Failures::new(folder.path());
        let settled = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        failures.update(&settled(&["a"]), &[]).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        failures.update(&settled(&["b", "a"]), &[row("b", "1"), row("a", "2")]).unwrap();
        failures.update(&settled(&["c", "a"]), &[row("c", "3")]).unwrap();
        assert_eq!(failures.read().unwrap(), [row("b", "1"), row("c", "3")]);
        failures.update(&settled(&["b", "c"]), &[]).unwrap();
        assert!(!failures.path.exists());
    }

    #[test]
    fn a_file_of_another_program_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let failures = Failures::new(folder.path());
        fs::write(&failures.path, "text").unwrap();
        let error = failures.update(&HashSet::new(), &[row("a", "1")]).unwrap_err().to_string();
        assert!(error.contains("failures.parquet") && error.contains("remove it"), "{error}");
        assert_eq!(fs::read_to_string(&failures.path).unwrap(), "text");
    }
}
