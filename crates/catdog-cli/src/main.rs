//! The command `catdog`.
//!
//! Each subcommand is one file or folder with its arguments and a function `run`. Data goes to stdout,
//! everything else to stderr. `exit` lists the exit codes.

mod archive;
mod bench;
mod cameras;
mod class_folder;
mod collect;
mod container;
mod cue;
mod disk;
mod display;
mod doctor;
mod exit;
mod file;
mod filter;
mod find;
mod frame;
mod generated;
mod input;
mod inspect;
mod interrupt;
mod labels;
mod launch;
mod live;
mod model_arguments;
mod output;
mod photos;
mod picture;
mod reconnect;
mod record;
mod scripts;
mod session;
mod source;
mod streams;
mod terminal;

use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, Subcommand};

use exit::Ending;
use output::ClosedPipe;

/// Tells what a picture shows: classifies photos, videos and cameras with LiteRT
#[derive(Parser)]
#[command(name = "catdog", version, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    /// `catdog INPUT` is `catdog live INPUT`.
    #[command(flatten)]
    live: live::Arguments,
}

#[derive(Subcommand)]
enum Command {
    Live(Box<live::Arguments>),
    Cameras(cameras::Arguments),
    File(Box<file::Arguments>),
    Archive(Box<archive::Arguments>),
    Collect(Box<collect::Arguments>),
    Photos(Box<photos::Arguments>),
    Record(Box<record::Arguments>),
    Inspect(Box<inspect::Arguments>),
    Bench(Box<bench::Arguments>),
    Evaluate(scripts::Evaluate),
    Train(scripts::Train),
    Doctor(doctor::Arguments),
    Completions(generated::Completions),
    Man(generated::Man),
}

/// The reason why a command failed, as one line for the user.
type Failure = Box<dyn std::error::Error>;

/// Starts GStreamer with the elements of catdog, which are part of this program.
fn start_gstreamer() -> Result<(), Failure> {
    gst::init().map_err(|error| format!("GStreamer does not start: {error}"))?;
    gstcatdog::plugin_register_static()
        .map_err(|error| format!("catdogfilter cannot be registered: {error}"))?;
    Ok(())
}

fn main() -> ExitCode {
    // Exits with 0 after --help and --version, and with 2 after wrong usage.
    let Cli { command, live } = Cli::parse();
    let result = match command.unwrap_or_else(|| Command::Live(Box::new(live))) {
        Command::Live(arguments) => live::run(&arguments),
        Command::Cameras(arguments) => cameras::run(&arguments),
        Command::File(arguments) => file::run(&arguments),
        Command::Archive(arguments) => archive::run(&arguments),
        Command::Collect(arguments) => collect::run(&arguments),
        Command::Record(arguments) => record::run(&arguments),
        Command::Photos(arguments) => photos::run(&arguments),
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Evaluate(_) => scripts::run("evaluate"),
        Command::Train(_) => scripts::run("train"),
        Command::Doctor(arguments) => doctor::run(&arguments),
        Command::Completions(arguments) => generated::completions(&arguments),
        Command::Man(arguments) => generated::man(&arguments),
        Command::Inspect(arguments) => {
            if let Err(message) = arguments.check() {
                Cli::command().error(ErrorKind::TooManyValues, message).exit();
            }
            inspect::run(&arguments).map(|()| Ending::Done)
        }
    };
    match result {
        Ok(ending) => ending.into(),
        Err(failure) if failure.is::<ClosedPipe>() => ExitCode::SUCCESS,
        Err(failure) => {
            output::print_failure(&*failure);
            ExitCode::FAILURE
        }
    }
}
