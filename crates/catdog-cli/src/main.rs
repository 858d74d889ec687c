//! The command `catdog`.
//!
//! Each subcommand is one file with its arguments and a function `run`. Data goes to stdout,
//! everything else to stderr. The exit code is 0 on success, 1 on failure, and 2 for wrong usage.

mod inspect;
mod output;

use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, Subcommand};

/// Describes LiteRT image classifiers as catdog reads them
#[derive(Parser)]
#[command(name = "catdog", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Inspect(inspect::Arguments),
}

/// The reason why a command failed, as one line for the user.
type Failure = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    // Exits with 0 after --help and --version, and with 2 after wrong usage.
    let Cli { command } = Cli::parse();
    let result = match command {
        Command::Inspect(arguments) => {
            if let Err(message) = arguments.check() {
                Cli::command().error(ErrorKind::TooManyValues, message).exit();
            }
            inspect::run(&arguments)
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output::print_failure(&*failure);
            ExitCode::FAILURE
        }
    }
}
