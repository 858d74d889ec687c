//! Which videos are classified, and where their results go.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::range::Range;
use super::table;
use crate::Failure;
use crate::disk::size_and_time;
use crate::find::{Found, VIDEOS};
use crate::output::path_text;
use crate::streams;

/// Bytes of a file name that Linux allows.
const MAX_NAME: usize = 255;

/// A video, or a range of it.
#[derive(Clone, Debug)]
pub struct Job {
    /// The file.
    pub path: PathBuf,
    /// The part of its time; `None` is all of it.
    pub range: Option<Range>,
    /// The path inside the folder that the user named.
    pub video: String,
    /// That path, with the range.
    pub name: String,
    /// Bytes of the video that belong to the range, for the progress; all if the duration is not known.
    pub bytes: u64,
    /// The file of its results.
    pub results: PathBuf,
    /// What the file of its results says that it is about.
    pub origin: Origin,
}

/// What the results of a video depend on.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Origin {
    /// Bytes of the video.
    pub size: u64,
    /// When the video was changed, in seconds since 1970.
    pub modified: u64,
    /// The model and the options.
    #[serde(flatten)]
    pub settings: Settings,
}

/// What the results depend on in addition to the video.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Settings {
    /// SHA-256 of the model, as hexadecimal digits.
    pub model: String,
    /// `frames` or `cues`.
    pub rows: String,
    /// Seconds between frames; 0 for every frame.
    pub every: f64,
    /// Whether only frames that need no others are decoded.
    pub keyframes: bool,
    /// The options about the element, as the user wrote them.
    pub options: Vec<String>,
}

/// The part of the videos that this process classifies: number `index`, from 1, of `count`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    index: u64,
    count: u64,
}

impl Shard {
    /// Parses `I/N`.
    ///
    /// # Errors
    ///
    /// The message if it is something else.
    pub fn parse(text: &str) -> Result<Self, String> {
        let parts = text.split_once('/').and_then(|(index, count)| {
            Some(Self { index: index.parse().ok()?, count: count.parse().ok()? })
        });
        parts
            .filter(|shard| (1..=shard.count).contains(&shard.index))
            .ok_or_else(|| "write I/N with I from 1 to N, such as 2/4".into())
    }

    /// Returns whether a video belongs to the part. Its name decides, so that more videos do not
    /// change the parts of the others.
    fn has(self, name: &str) -> bool {
        fnv(name.as_bytes()) % self.count == self.index - 1
    }
}

/// The hash function FNV-1a with 64 bits, of the IETF draft "The FNV Non-Cryptographic Hash Algorithm". It
/// is the same on each machine and in each version.
fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// What the user asks for.
#[derive(Debug)]
pub struct Wish<'a> {
    /// Videos and folders.
    pub paths: &'a [PathBuf],
    /// The folder inside of which the paths of the videos are their names.
    pub root: Option<&'a Path>,
    /// The folder of the results.
    pub out: &'a Path,
    /// The part of the videos.
    pub shard: Option<Shard>,
    /// The part of the time of each video.
    pub range: Option<Range>,
    /// The length of the ranges into which longer videos are divided, in seconds.
    pub split: Option<f64>,
    /// What the results depend on.
    pub settings: &'a Settings,
}

impl Wish<'_> {
    /// Returns the file of the results of a video or a range with this name.
    fn results(&self, name: &str) -> PathBuf {
        self.out.join("videos").join(format!("{name}.parquet"))
    }
}

/// What is to be done.
#[derive(Debug, Default)]
pub struct Plan {
    /// The videos without results.
    pub jobs: Vec<Job>,
    /// The names of those that have results.
    pub finished: Vec<String>,
    /// Videos and folders that cannot be read, by their names, with the reasons.
    pub unreadable: Vec<(String, String)>,
    /// Results of another model, or with other options.
    pub foreign: Vec<PathBuf>,
    /// Results of other ranges of the videos.
    pub stale: Vec<PathBuf>,
    /// The paths of folders that could be read, and the names of videos that are divided.
    pub readable: Vec<String>,
    /// The names of all videos and ranges of this process and of other shards.
    units: HashSet<String>,
}

impl Plan {
    /// Returns what is to be done.
    ///
    /// # Errors
    ///
    /// The message if two videos have the same name in the folder of the results, or a video is not in
    /// the root folder.
    pub fn new(wish: &Wish<'_>) -> Result<Self, Failure> {
        let mut plan = Self::default();
        let mut taken: HashMap<String, PathBuf> = HashMap::new();
        for path in wish.paths {
            let mut found = Found::new(VIDEOS);
            found.add(path);
            let folder = if path.is_dir() { path } else { path.parent().unwrap_or(Path::new("")) };
            if found.unreadable.is_empty() && path.is_dir() {
                plan.readable.push(path_text(path));
            }
            plan.unreadable
                .extend(found.unreadable.into_iter().map(|reason| (path_text(path), reason)));
            for video in found.files {
                let inside = match wish.root {
                    Some(root) => video.strip_prefix(root).map_err(|_| {
                        format!("--root {}: {} is not in it", root.display(), video.display())
                    })?,
                    None => video.strip_prefix(folder).unwrap_or(&video),
                };
                if inside.components().any(|part| part == Component::ParentDir) {
                    return Err(format!("{}: name it without ..", video.display()).into());
                }
                let name = path_text(inside);
                if let Some(other) = taken.insert(name.clone(), video.clone()) {
                    if is_same(&other, &video) {
                        continue;
                    }
                    return Err(format!(
                        "{} and {} would have the same results {name}.parquet; name the folder that has both",
                        other.display(),
                        video.display()
                    )
                    .into());
                }
                match wish.split {
                    Some(length) => plan.add_ranges(&video, &name, length, wish),
                    None => plan.add(&video, &name, wish.range, 1.0, wish),
                }
                plan.add_stale(&name, wish);
            }
        }
        Ok(plan)
    }

    /// Adds the ranges of a long video. The last one has no end, because the duration that a file names
    /// may be wrong.
    fn add_ranges(&mut self, path: &Path, name: &str, length: f64, wish: &Wish<'_>) {
        // A video that cannot be read is named when it is its turn.
        let duration = streams::discover(path).ok().and_then(|streams| streams.duration);
        let seconds = duration.map_or(0.0, |duration| duration.nseconds() as f64 / 1e9);
        let count = (seconds / length).round().max(1.0);
        if count > 1.0 {
            // It may have failed as a whole before.
            self.readable.push(name.to_owned());
        }
        if count == 1.0 {
            return self.add(path, name, None, 1.0, wish);
        }
        for number in 0..count as u64 {
            // To a microsecond, so that the names have no rounding errors.
            let at = |number: u64| (number as f64 * length * 1e6).round() / 1e6;
            let start = at(number);
            let end = ((number + 1) as f64 != count).then_some(at(number + 1));
            self.add(path, name, Some(Range { start, end }), 1.0 / count, wish);
        }
    }

    /// Adds a video or a range, which is the part `share` of it.
    fn add(&mut self, path: &Path, video: &str, range: Option<Range>, share: f64, wish: &Wish<'_>) {
        let name = range.map_or_else(|| video.to_owned(), |range| format!("{video}@{range}"));
        self.units.insert(name.clone());
        if wish.shard.is_some_and(|shard| !shard.has(&name)) {
            return;
        }
        let metadata = match fs::metadata(path) {
            Ok(metadata) => metadata,
            Err(error) => {
                let reason = format!("{}: {error}", path.display());
                self.unreadable.push((name, reason));
                return;
            }
        };
        let results = wish.results(&name);
        let name_length = results.file_name().map_or(0, |name| name.len());
        let problem = if !metadata.is_file() {
            "it is no regular file"
        } else if name_length > MAX_NAME {
            "its name is too long for the file of its results"
        } else if results.is_dir() {
            "there is a folder with the name of the file of its results"
        } else {
            ""
        };
        if !problem.is_empty() {
            self.unreadable.push((name, format!("{}: {problem}", path.display())));
            return;
        }
        let (size, modified) = size_and_time(&metadata);
        let origin = Origin { size, modified, settings: wish.settings.clone() };
        match stored_origin(&results) {
            Stored::Nothing => {}
            Stored::Origin(stored) if stored == origin => {
                self.finished.push(name);
                return;
            }
            // The video has changed.
            Stored::Origin(stored) if stored.settings == origin.settings => {}
            // A power failure may leave a damaged file. It is made again.
            Stored::Unreadable => {}
            Stored::Origin(_) | Stored::Other => self.foreign.push(results.clone()),
        }
        self.jobs.push(Job {
            path: path.to_owned(),
            range,
            video: video.to_owned(),
            name,
            bytes: (size as f64 * share) as u64,
            results,
            origin,
        });
    }

    /// Finds results of a video that this plan would not write: of the whole video beside ranges, of ranges
    /// beside the whole, or of other ranges. The rows would be there twice.
    fn add_stale(&mut self, video: &str, wish: &Wish<'_>) {
        self.add_if_stale(video, wish);
        // With --range, the user says which ranges there are.
        if wish.range.is_some() {
            return;
        }
        let whole = wish.out.join("videos").join(video);
        let (Some(folder), Some(name)) = (whole.parent(), whole.file_name()) else { return };
        let prefix = format!("{}@", name.to_string_lossy());
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let file = entry.file_name().to_string_lossy().into_owned();
            let range = file.strip_prefix(&prefix).and_then(|rest| rest.strip_suffix(".parquet"));
            if let Some(range) = range.filter(|range| range.parse::<Range>().is_ok()) {
                self.add_if_stale(&format!("{video}@{range}"), wish);
            }
        }
    }

    fn add_if_stale(&mut self, name: &str, wish: &Wish<'_>) {
        let results = wish.results(name);
        if !self.units.contains(name) && results.exists() {
            self.stale.push(results);
        }
    }
}

/// What a file of results is about.
enum Stored {
    /// There is no such file.
    Nothing,
    /// Results of this command.
    Origin(Origin),
    /// A file that is damaged.
    Unreadable,
    /// A Parquet file of another program.
    Other,
}

fn stored_origin(results: &Path) -> Stored {
    if !results.exists() {
        return Stored::Nothing;
    }
    let Ok((_, about)) = table::open(results) else { return Stored::Unreadable };
    let origin = about.and_then(|about| serde_json::from_str(&about).ok());
    origin.map_or(Stored::Other, Stored::Origin)
}

/// Returns whether both paths are the same file.
fn is_same(one: &Path, other: &Path) -> bool {
    one == other
        || one.canonicalize().ok().zip(other.canonicalize().ok()).is_some_and(|(a, b)| a == b)
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::super::rows::FailureRow;
    use super::super::table::Table;
    use super::*;

    fn settings() -> Settings {
        Settings {
            model: "12ab".into(),
            rows: "frames".into(),
            every: 1.0,
            keyframes: false,
            options: vec!["threshold=0.7".into()],
        }
    }

    fn wish<'a>(paths: &'a [PathBuf], out: &'a Path, settings: &'a Settings) -> Wish<'a> {
        Wish { paths, root: None, out, shard: None, range: None, split: None, settings }
    }

    fn plan(paths: &[PathBuf], out: &Path, settings: &Settings) -> Plan {
        Plan::new(&wish(paths, out, settings)).unwrap()
    }

    fn names(jobs: &[Job]) -> Vec<&str> {
        jobs.iter().map(|job| &*job.name).collect()
    }

    #[test]
    fn results_have_the_names_of_the_videos_in_their_folder() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::create_dir_all(path("in/2026")).unwrap();
        for name in ["in/2026/a.mp4", "in/b.MKV", "in/c.txt"] {
            fs::write(path(name), name).unwrap();
        }
        let found = plan(&[path("in"), path("none.mp4")], &path("out"), &settings());
        assert_eq!(names(&found.jobs), ["2026/a.mp4", "b.MKV"]);
        assert_eq!(found.jobs[0].results, path("out/videos/2026/a.mp4.parquet"));
        assert_eq!(found.jobs[0].origin.size, 13);
        assert_eq!(found.unreadable[0].0, "none.mp4");
        // The same file twice is one video; two files with one name are an error.
        assert_eq!(
            names(&plan(&[path("in"), path("in/b.MKV")], &path("out"), &settings()).jobs).len(),
            2
        );
        fs::create_dir(path("other")).unwrap();
        fs::write(path("other/b.MKV"), "x").unwrap();
        let paths = [path("in"), path("other")];
        let (settings, out) = (settings(), path("out"));
        let error = Plan::new(&wish(&paths, &out, &settings)).unwrap_err();
        assert!(error.to_string().contains("same results b.MKV.parquet"), "{error}");
        let rooted = Wish { root: Some(folder.path()), ..wish(&paths, &out, &settings) };
        assert_eq!(
            names(&Plan::new(&rooted).unwrap().jobs),
            ["in/2026/a.mp4", "in/b.MKV", "other/b.MKV"]
        );
        let elsewhere = path("in");
        let wrong = Wish { root: Some(&elsewhere), ..rooted };
        assert!(Plan::new(&wrong).unwrap_err().to_string().contains("b.MKV is not in it"));
    }

    #[test]
    fn what_is_finished_and_matches_is_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let paths = [path("a.mp4")];
        fs::write(&paths[0], "1").unwrap();
        let first = plan(&paths, folder.path(), &settings());
        let job = &first.jobs[0];
        fs::create_dir(path("videos")).unwrap();
        let about = serde_json::to_string(&job.origin).unwrap();
        Table::<FailureRow>::new(File::create(&job.results).unwrap(), about)
            .unwrap()
            .finish()
            .unwrap();
        let again = plan(&paths, folder.path(), &settings());
        assert_eq!((again.jobs.len(), &*again.finished), (0, &["a.mp4".to_owned()][..]));
        let other = plan(&paths, folder.path(), &Settings { every: 2.0, ..settings() });
        assert_eq!(other.foreign, [path("videos/a.mp4.parquet")]);
        fs::write(&paths[0], "22").unwrap();
        let changed = plan(&paths, folder.path(), &settings());
        assert_eq!((changed.jobs.len(), changed.foreign.len()), (1, 0));
        // A damaged file is made again.
        fs::write(path("videos/a.mp4.parquet"), "text").unwrap();
        let damaged = plan(&paths, folder.path(), &settings());
        assert_eq!((damaged.jobs.len(), damaged.foreign.len()), (1, 0));
        // Results of a range beside those of the whole.
        fs::write(path("videos/a.mp4@0-60.parquet"), "text").unwrap();
        fs::write(path("videos/a.mp4@home.mp4.parquet"), "text").unwrap();
        let stale = plan(&paths, folder.path(), &settings()).stale;
        assert_eq!(stale, [path("videos/a.mp4@0-60.parquet")]);
        let (settings, range) = (settings(), "0-60".parse().unwrap());
        let ranged = Wish { range: Some(range), ..wish(&paths, folder.path(), &settings) };
        let stale = Plan::new(&ranged).unwrap().stale;
        assert_eq!(stale, [path("videos/a.mp4.parquet")]);
    }

    #[test]
    fn each_video_belongs_to_one_shard() {
        let shards = [1, 2, 3].map(|index| Shard::parse(&format!("{index}/3")).unwrap());
        let mut counts = [0; 3];
        for number in 0..300 {
            let name = format!("2026/{number}.mp4");
            let owners: Vec<_> = (0..3).filter(|index| shards[*index].has(&name)).collect();
            assert_eq!(owners.len(), 1);
            counts[owners[0]] += 1;
        }
        assert!(counts.iter().all(|count| (70..=130).contains(count)), "{counts:?}");
        for wrong in ["0/3", "4/3", "1", "a/b", "1/0"] {
            assert!(Shard::parse(wrong).is_err(), "{wrong}");
        }
        // The test vectors of the draft.
        assert_eq!(fnv(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv(b"foobar"), 0x8594_4171_f739_67e8);
    }
}
