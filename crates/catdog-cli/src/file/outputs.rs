//! The files that `catdog file` writes, and their names.

use std::collections::HashSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::Failure;
use crate::container::Container;

/// A list of the labels, with their times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Text {
    /// WebVTT subtitles
    WebVtt,
    /// SubRip subtitles
    Srt,
    /// One JSON object per line
    JsonLines,
    /// Comma-separated values
    Csv,
}

impl Text {
    /// All lists.
    pub const ALL: [Self; 4] = [Self::WebVtt, Self::Srt, Self::JsonLines, Self::Csv];

    /// Returns the extension of file names.
    pub fn extension(self) -> &'static str {
        match self {
            Self::WebVtt => "vtt",
            Self::Srt => "srt",
            Self::JsonLines => "jsonl",
            Self::Csv => "csv",
        }
    }

    fn of(path: &Path) -> Option<Self> {
        let extension = path.extension()?.to_str()?.to_ascii_lowercase();
        Self::ALL.into_iter().find(|text| text.extension() == extension)
    }
}

/// Where a list goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// To stdout.
    Stdout,
    /// Into this file.
    File(PathBuf),
}

/// What the user asks for.
#[derive(Clone, Debug, Default)]
pub struct Wish {
    /// The argument of `-o`.
    pub out: Option<PathBuf>,
    /// Whether the labels are a subtitle track and not in the picture.
    pub is_soft: bool,
    /// The lists.
    pub texts: Vec<Text>,
    /// Whether existing files are replaced.
    pub overwrite: bool,
}

/// The outputs for one input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outputs {
    /// The video with its labels.
    pub video: Option<(Container, PathBuf)>,
    /// The lists of labels.
    pub texts: Vec<(Text, Target)>,
}

impl Outputs {
    /// Returns the outputs for `input`. `is_alone` says whether it is the only input.
    ///
    /// # Errors
    ///
    /// The message if `-o` has no known extension, or names one file for several outputs.
    pub fn new(input: &Path, wish: &Wish, is_alone: bool) -> Result<Self, Failure> {
        let failed = |what: &str| -> Failure {
            let out = wish.out.as_deref().unwrap_or(Path::new(""));
            format!("-o {}: {what}", out.display()).into()
        };
        let Some(out) = &wish.out else {
            let video = wish.texts.is_empty() || wish.is_soft;
            return Ok(Self::beside(input, video, wish));
        };
        if out == Path::new("-") {
            let [text] = wish.texts[..] else {
                return Err(failed("stdout takes one of --vtt, --srt, --jsonl and --csv"));
            };
            if wish.is_soft || !is_alone {
                return Err(failed("stdout takes the list of one video"));
            }
            return Ok(Self { video: None, texts: vec![(text, Target::Stdout)] });
        }
        if out.is_dir() || out.as_os_str().as_encoded_bytes().ends_with(b"/") {
            let inside = out.join(input.file_name().unwrap_or_default());
            let video = wish.texts.is_empty() || wish.is_soft;
            return Ok(Self::beside(&inside, video, wish));
        }
        if !is_alone {
            return Err(failed("it is one file for several videos; name a folder"));
        }
        if let Some(text) = Text::of(out) {
            if wish.is_soft || wish.texts.iter().any(|other| *other != text) {
                return Err(failed("other outputs need the name of a video or of a folder"));
            }
            return Ok(Self { video: None, texts: vec![(text, Target::File(out.clone()))] });
        }
        let container = Container::of(out).ok_or_else(|| {
            failed("use a name that ends in .mp4, .mkv, .webm, .vtt, .srt, .jsonl or .csv")
        })?;
        let texts = Self::lists(&out.with_extension(""), wish);
        Ok(Self { video: Some((container, out.clone())), texts })
    }

    /// Returns the outputs beside a video.
    fn beside(input: &Path, has_video: bool, wish: &Wish) -> Self {
        let stem = input.with_extension("");
        let container = Container::of(input).unwrap_or(match wish.is_soft {
            // It takes every kind of video.
            true => Container::Matroska,
            false => Container::Mp4,
        });
        let video = has_video.then(|| {
            let name = with_suffix(&stem, &format!("-catdog.{}", container.extension()));
            (container, name)
        });
        Self { video, texts: Self::lists(&stem, wish) }
    }

    fn lists(stem: &Path, wish: &Wish) -> Vec<(Text, Target)> {
        let file = |text: Text| with_suffix(stem, &format!(".{}", text.extension()));
        wish.texts.iter().map(|text| (*text, Target::File(file(*text)))).collect()
    }

    /// Returns the paths of all files.
    pub fn files(&self) -> Vec<&Path> {
        let texts = self.texts.iter().filter_map(|(_, target)| match target {
            Target::File(path) => Some(path.as_path()),
            Target::Stdout => None,
        });
        self.video.iter().map(|(_, path)| path.as_path()).chain(texts).collect()
    }

    /// Checks that no output replaces an input, another output, or (without `overwrite`) a file.
    /// `taken` has the outputs of earlier inputs.
    ///
    /// # Errors
    ///
    /// The message that names the file.
    pub fn check(
        &self,
        inputs: &[PathBuf],
        overwrite: bool,
        taken: &mut HashSet<PathBuf>,
    ) -> Result<(), Failure> {
        for path in self.files() {
            let failed = |what: &str| format!("{} {what}", path.display()).into();
            if inputs.iter().any(|input| real(input) == real(path)) {
                return Err(failed("is an input; name another output with -o"));
            }
            if !taken.insert(real(path)) {
                return Err(failed("is the output for another input"));
            }
            if !overwrite && path.exists() {
                return Err(failed("exists; --overwrite replaces it"));
            }
        }
        Ok(())
    }
}

/// Returns the same path for the same file, whether it exists or not.
fn real(path: &Path) -> PathBuf {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new(".")).canonicalize();
    let new = || Some(folder.ok()?.join(path.file_name()?));
    path.canonicalize().ok().or_else(new).unwrap_or_else(|| path.to_owned())
}

fn with_suffix(stem: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(stem);
    name.push(suffix);
    name.into()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn names(input: &str, out: Option<&str>, is_soft: bool, texts: &[Text]) -> Vec<String> {
        let out = out.map(PathBuf::from);
        let wish = Wish { out, is_soft, texts: texts.to_vec(), overwrite: false };
        match Outputs::new(Path::new(input), &wish, true) {
            Ok(outputs) => outputs.files().iter().map(|path| path.display().to_string()).collect(),
            Err(error) => vec![format!("error: {error}")],
        }
    }

    #[test]
    fn outputs_lie_beside_the_input_or_where_the_user_says() {
        use Text::{Csv, JsonLines, Srt, WebVtt};
        for (input, out, is_soft, texts, expected) in [
            ("a/b.mp4", None, false, &[][..], &["a/b-catdog.mp4"][..]),
            ("a/b.MOV", None, false, &[], &["a/b-catdog.mp4"]),
            ("b.avi", None, false, &[], &["b-catdog.mp4"]),
            ("b.avi", None, true, &[], &["b-catdog.mkv"]),
            ("b.webm", None, true, &[Csv], &["b-catdog.webm", "b.csv"]),
            ("b.mp4", None, false, &[Srt, JsonLines], &["b.srt", "b.jsonl"]),
            ("b.mp4", Some("c.mkv"), false, &[WebVtt], &["c.mkv", "c.vtt"]),
            ("b.mp4", Some("c.vtt"), false, &[], &["c.vtt"]),
            ("b.mp4", Some("c.csv"), false, &[Csv], &["c.csv"]),
            ("a/b.mp4", Some("new/"), false, &[], &["new/b-catdog.mp4"]),
            ("b.mp4", Some("-"), false, &[Csv], &[]),
        ] {
            assert_eq!(names(input, out, is_soft, texts), expected, "{input} {out:?} {texts:?}");
        }
    }

    #[test]
    fn one_name_cannot_stand_for_several_outputs() {
        for (out, is_soft, texts) in [
            ("-", false, &[][..]),
            ("-", true, &[Text::Csv]),
            ("c.vtt", false, &[Text::Csv]),
            ("c.vtt", true, &[]),
            ("c.avi", false, &[]),
        ] {
            let found = names("b.mp4", Some(out), is_soft, texts);
            assert!(found[0].starts_with(&format!("error: -o {out}: ")), "{found:?}");
        }
        let wish = Wish { out: Some("c.mp4".into()), ..Wish::default() };
        let error = Outputs::new(Path::new("b.mp4"), &wish, false).unwrap_err().to_string();
        assert!(error.ends_with("name a folder"), "{error}");
    }

    #[test]
    fn an_output_replaces_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let (input, other) = (folder.path().join("b-catdog.mp4"), folder.path().join("b.csv"));
        fs::write(&input, "video").unwrap();
        let outputs = |video: &Path| Outputs {
            video: Some((Container::Mp4, video.to_owned())),
            texts: vec![(Text::Csv, Target::File(other.clone()))],
        };
        let inputs = [input.clone()];
        let check = |outputs: &Outputs, overwrite| {
            let mut taken = HashSet::new();
            let first = outputs.check(&inputs, overwrite, &mut taken);
            first
                .map_err(|error| error.to_string())
                .map(|()| outputs.check(&inputs, overwrite, &mut taken).unwrap_err().to_string())
        };
        let same = folder.path().join("./b-catdog.mp4");
        for path in [&input, &same] {
            assert!(check(&outputs(path), true).unwrap_err().contains("is an input"));
        }
        let new = outputs(&folder.path().join("new.mp4"));
        assert!(check(&new, false).unwrap().contains("output for another input"));
        fs::write(&other, "old").unwrap();
        assert!(check(&new, false).unwrap_err().contains("--overwrite replaces it"));
        assert!(check(&new, true).is_ok());
    }
}
