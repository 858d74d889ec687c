//! `catdog evaluate` and `catdog train`: run the programs `models/evaluate` and `models/train`, which are
//! scripts beside the elements and need Python.

use std::convert::Infallible;
use std::env;
use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Failure;

/// Name of the environment variable for the folder of the programs.
const FOLDER_VARIABLE: &str = "CATDOG_MODELS_DIR";

/// Measures how good a model is: accuracy, mistakes and calibration on your photos and videos
///
/// Runs the program models/evaluate, which gets all arguments as they are. It needs Python, and
/// installs what it lacks. `catdog evaluate --help` prints its options.
///
/// The program is searched in the folder CATDOG_MODELS_DIR if that is set, otherwise in
/// ../share/gst-catdog beside the folder of catdog, and in the source checkout that contains catdog.
#[derive(clap::Args)]
#[command(disable_help_flag = true)]
#[command(after_help = "Examples:
  catdog evaluate --help
  catdog evaluate photos/ --model my.tflite --report report/")]
pub struct Evaluate {
    /// The arguments of models/evaluate
    #[arg(value_name = "ARGUMENTS", trailing_var_arg = true, allow_hyphen_values = true)]
    pub arguments: Vec<OsString>,
}

/// Trains a classifier on folders of your photos
///
/// Runs the program models/train, which gets all arguments as they are. It needs Python, and
/// downloads TensorFlow the first time. `catdog train --help` prints its options.
///
/// The program is searched in the folder CATDOG_MODELS_DIR if that is set, otherwise in
/// ../share/gst-catdog beside the folder of catdog, and in the source checkout that contains catdog.
#[derive(clap::Args)]
#[command(disable_help_flag = true)]
#[command(after_help = "Examples:
  catdog train --help
  catdog train --data photos/ --out mine/")]
pub struct Train {
    /// The arguments of models/train
    #[arg(value_name = "ARGUMENTS", trailing_var_arg = true, allow_hyphen_values = true)]
    pub arguments: Vec<OsString>,
}

/// Replaces this process by the program `name`, so that exit code, signals and the terminal are those
/// of the program. Returns only if that fails.
///
/// # Errors
///
/// The program is not found or cannot be started.
pub fn run<T>(name: &str) -> Result<T, Failure> {
    let program = find(name)?;
    // The arguments are taken from the process, because the parser removes a `--`. The command is
    // always the first argument: no option may precede it.
    let Err(error) = exec(Command::new(&program).args(env::args_os().skip(2)));
    Err(format!(
        "'{}' cannot be started: {error}; check that it is executable and that bash is installed",
        program.display()
    )
    .into())
}

fn exec(command: &mut Command) -> Result<Infallible, std::io::Error> {
    Err(command.exec())
}

/// Returns the path of the program `name`.
fn find(name: &str) -> Result<PathBuf, Failure> {
    if let Some(folder) = env::var_os(FOLDER_VARIABLE).filter(|folder| !folder.is_empty()) {
        // A wrong folder is an error and does not start another program than the user wants.
        let program = Path::new(&folder).join(name);
        return absolute_file(&program).ok_or_else(|| {
            format!(
                "{FOLDER_VARIABLE}: there is no program '{}'; set {FOLDER_VARIABLE} to the folder \
                 with the programs evaluate and train, which is models in the source code of catdog",
                program.display()
            )
            .into()
        });
    }
    let executable = env::current_exe()
        .and_then(|path| path.canonicalize())
        .map_err(|error| format!("the folder of catdog is not known: {error}"))?;
    let installed = installed(&executable, name);
    let found = installed.iter().find_map(|path| absolute_file(path));
    found.or_else(|| in_checkout(&executable, name)).ok_or_else(|| {
        let searched: Vec<_> =
            installed.iter().map(|path| format!("'{}'", path.display())).collect();
        format!(
            "the program '{name}' is not found; searched: {}, and models/{name} in the folders above \
             '{}'; set {FOLDER_VARIABLE} to the folder models in the source code of catdog",
            searched.join(", "),
            executable.display()
        )
        .into()
    })
}

/// Returns the places of an installed program `name`: beside the folder of the executable. The second
/// one keeps the folders of the source code, so that the program finds its own files.
fn installed(executable: &Path, name: &str) -> Vec<PathBuf> {
    let prefix = executable.parent().and_then(Path::parent);
    let share = prefix.map(|prefix| prefix.join("share/gst-catdog"));
    share.map(|share| vec![share.join(name), share.join("models").join(name)]).unwrap_or_default()
}

/// Returns the program `name` of the source checkout that contains the executable.
fn in_checkout(executable: &Path, name: &str) -> Option<PathBuf> {
    let root = executable.ancestors().skip(1).find(|folder| {
        folder.join("models/train").is_file() && folder.join("Cargo.toml").is_file()
    })?;
    absolute_file(&root.join("models").join(name))
}

/// Returns the absolute path of a file. With a relative one, the system would search a program without
/// a slash in PATH.
fn absolute_file(path: &Path) -> Option<PathBuf> {
    path.is_file().then(|| std::path::absolute(path).ok())?
}
