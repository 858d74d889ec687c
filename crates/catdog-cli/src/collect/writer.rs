//! Writes photos, and the list of them, on a thread of its own.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, TryRecvError, channel, sync_channel};
use std::thread::{self, JoinHandle};

use gst::glib;
use serde::Serialize;

use super::jpeg::{self, Stored};
use super::rule::{Choice, Reason};
use super::save::write_new;
use crate::Failure;
use crate::frame::Frame;
use crate::output::path_text;

/// The list of the photos, in the folder of the collection.
pub const LIST: &str = "collected.jsonl";
/// Photos that wait for the thread.
const WAITING: usize = 4;

/// A frame that is to be saved.
pub struct Photo {
    /// The pixels, in memory that no camera waits for.
    pub sample: gst::Sample,
    /// What is in it.
    pub frame: Frame,
    /// Why and where it is saved.
    pub choice: Choice,
    /// When it was taken.
    pub taken: glib::DateTime,
}

/// A photo that was saved.
#[derive(Debug)]
pub struct Saved {
    /// The file.
    pub path: PathBuf,
    /// The best class and its confidence; `None` if there was no result yet.
    pub best: Option<(String, f64)>,
}

/// A line of the list. The guide describes the fields; they do not change their meaning.
#[derive(Serialize)]
struct Line<'a> {
    /// Relative to the folder of the list.
    path: String,
    /// ISO 8601, with the time zone.
    time: String,
    /// Seconds since the start of the stream; `None` if the frames have no timestamps.
    position: Option<f64>,
    reason: Reason,
    /// The accepted class, or the unknown label.
    label: &'a str,
    /// The best classes, best first.
    labels: Vec<&'a str>,
    confidences: Vec<f64>,
    /// Whether the result is that of this frame.
    fresh: bool,
    model: &'a str,
}

/// The sender of photos to the thread.
#[derive(Clone)]
pub struct Inbox {
    sender: SyncSender<Option<Photo>>,
    waiting: Arc<AtomicUsize>,
}

impl Inbox {
    /// Returns whether [`Self::send`] returns at once.
    pub fn has_room(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) < WAITING
    }

    /// Sends a photo, and waits if there is no room. After a failure, photos are dropped.
    pub fn send(&self, photo: Photo) {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let _ = self.sender.send(Some(photo));
    }
}

/// The thread that writes photos.
pub struct Writer {
    inbox: Inbox,
    results: Receiver<Result<Saved, String>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Makes the folder and its list, and starts the thread.
    ///
    /// # Errors
    ///
    /// The message if they cannot be made.
    pub fn start(folder: &Path, stored: Stored) -> Result<Self, Failure> {
        let collection = Collection::open(folder, stored)?;
        let (sender, photos) = sync_channel(WAITING);
        let (results_sender, results) = channel();
        let waiting = Arc::new(AtomicUsize::new(0));
        let inbox = Inbox { sender, waiting: waiting.clone() };
        let work = move || save_all(collection, &photos, &waiting, &results_sender);
        let thread = thread::Builder::new()
            .name("photos".into())
            .spawn(work)
            .map_err(|error| format!("the thread for the photos does not start: {error}"))?;
        Ok(Self { inbox, results, thread: Some(thread) })
    }

    /// Returns where photos are sent.
    pub fn inbox(&self) -> Inbox {
        self.inbox.clone()
    }

    /// Returns the next photo that was saved; `None` if there is none at the moment.
    ///
    /// # Errors
    ///
    /// The message if a photo could not be saved.
    pub fn next(&self) -> Result<Option<Saved>, Failure> {
        match self.results.try_recv() {
            Ok(result) => Ok(Some(result?)),
            Err(TryRecvError::Empty | TryRecvError::Disconnected) => Ok(None),
        }
    }

    /// Waits until all photos are written. [`Self::next`] then returns the last ones.
    pub fn finish(&mut self) {
        let _ = self.inbox.sender.send(None);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Saves photos until [`Writer::finish`] or a failure.
fn save_all(
    mut collection: Collection,
    photos: &Receiver<Option<Photo>>,
    waiting: &AtomicUsize,
    results: &Sender<Result<Saved, String>>,
) {
    while let Ok(Some(photo)) = photos.recv() {
        let result = collection.save(&photo);
        waiting.fetch_sub(1, Ordering::Relaxed);
        let failed = result.is_err();
        let _ = results.send(result);
        if failed {
            return;
        }
    }
}

/// The folder with the photos.
struct Collection {
    folder: PathBuf,
    list: File,
    stored: Stored,
}

impl Collection {
    fn open(folder: &Path, stored: Stored) -> Result<Self, Failure> {
        let failed = |error| format!("--dir {}: {error}", folder.display());
        fs::create_dir_all(folder).map_err(failed)?;
        // Several programs may append lines.
        let list = OpenOptions::new().append(true).create(true).open(folder.join(LIST));
        Ok(Self { folder: folder.to_owned(), list: list.map_err(failed)?, stored })
    }

    fn save(&mut self, photo: &Photo) -> Result<Saved, String> {
        let jpeg = jpeg::encode(&photo.sample, self.stored)?;
        let folder = self.folder.join(&photo.choice.folder);
        let unwritten = |path: &Path, error: io::Error| {
            format!("{} cannot be written: {error}", path.display())
        };
        fs::create_dir_all(&folder).map_err(|error| unwritten(&folder, error))?;
        let (name, time) =
            write_new(&folder, &jpeg, &photo.taken, &photo.frame).map_err(|error| {
                format!("a photo cannot be written into {}: {error}", folder.display())
            })?;
        let frame = &photo.frame;
        let line = Line {
            path: path_text(&photo.choice.folder.join(&name)),
            time,
            position: frame.has_timestamp.then_some(frame.time.as_secs_f64()),
            reason: photo.choice.reason,
            label: &frame.label,
            labels: frame.ranked.iter().map(|(label, _)| label.as_str()).collect(),
            confidences: frame.ranked.iter().map(|(_, confidence)| *confidence).collect(),
            fresh: frame.is_fresh,
            model: &frame.model,
        };
        let text = serde_json::to_string(&line).unwrap_or_default() + "\n";
        // One write, so that lines of two programs do not mix.
        self.list
            .write_all(text.as_bytes())
            .map_err(|error| unwritten(&self.folder.join(LIST), error))?;
        Ok(Saved { path: folder.join(name), best: frame.ranked.first().cloned() })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use image::metadata::Orientation;

    use super::*;

    fn photo() -> Photo {
        gst::init().unwrap();
        let info =
            gst_video::VideoInfo::builder(gst_video::VideoFormat::Rgb, 8, 8).build().unwrap();
        let buffer = gst::Buffer::from_slice(vec![128; info.size()]);
        let sample = gst::Sample::builder().buffer(&buffer).caps(&info.to_caps().unwrap()).build();
        let frame = Frame {
            time: Duration::from_millis(1500),
            has_timestamp: true,
            label: "unknown".into(),
            ranked: vec![("a/b".into(), 0.456), ("c".into(), 0.4)],
            model: "m.tflite".into(),
            ..Frame::default()
        };
        let choice = Choice { reason: Reason::Doubtful, folder: "to-sort/a_b".into() };
        let taken = glib::DateTime::from_utc(2026, 11, 27, 10, 42, 0.9995).unwrap();
        Photo { sample, frame, choice, taken }
    }

    #[test]
    fn photos_of_the_same_time_get_names_of_their_own() {
        let folder = tempfile::tempdir().unwrap();
        let stored = Stored { is_mirrored: false, orientation: Orientation::NoTransforms };
        let mut collections = [0, 1].map(|_| Collection::open(folder.path(), stored).unwrap());
        for collection in &mut collections {
            collection.save(&photo()).unwrap();
        }
        let to_sort = folder.path().join("to-sort/a_b");
        let mut names: Vec<_> =
            fs::read_dir(&to_sort).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort_unstable();
        assert_eq!(names, ["20261127-104200.999-a_b-0.46.jpg", "20261127-104201.000-a_b-0.46.jpg"]);
        let list = fs::read_to_string(folder.path().join(LIST)).unwrap();
        let first = r#"{"path":"to-sort/a_b/20261127-104200.999-a_b-0.46.jpg","time":"2026-11-27T10:42:00.999+00:00","position":1.5,"reason":"doubtful","label":"unknown","labels":["a/b","c"],"confidences":[0.456,0.4],"fresh":false,"model":"m.tflite"}"#;
        assert_eq!(list.lines().next(), Some(first));
        assert_eq!(list.lines().count(), 2);
    }

    #[test]
    fn a_folder_that_cannot_be_made_ends_the_thread_with_one_line() {
        let folder = tempfile::tempdir().unwrap();
        let stored = Stored { is_mirrored: false, orientation: Orientation::NoTransforms };
        let mut writer = Writer::start(folder.path(), stored).unwrap();
        // The folder of the photos cannot be made.
        fs::write(folder.path().join("to-sort"), "").unwrap();
        writer.inbox().send(photo());
        writer.finish();
        let message = writer.next().unwrap_err().to_string();
        assert!(message.contains("to-sort/a_b cannot be written: "), "{message}");
    }
}
