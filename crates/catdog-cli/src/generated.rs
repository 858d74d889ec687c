//! `catdog completions` and `catdog man`: what packages install beside the program, made from its
//! options.

use std::path::PathBuf;

use clap::CommandFactory;

use crate::Failure;
use crate::exit::Ending;
use crate::output::print;

/// The name of the program in the generated texts.
const NAME: &str = "catdog";

/// Prints the completions of a shell
#[derive(clap::Args)]
#[command(after_help = "Examples:
  catdog completions bash > ~/.local/share/bash-completion/completions/catdog
  catdog completions fish > ~/.config/fish/completions/catdog.fish")]
pub struct Completions {
    /// The shell
    pub shell: clap_complete::Shell,
}

/// Prints the man page of catdog, or writes those of all commands
#[derive(clap::Args)]
#[command(after_help = "Examples:
  catdog man | man -l -
  catdog man --out ~/.local/share/man/man1")]
pub struct Man {
    /// Write the pages of all commands into this folder, which must exist
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

/// Prints the completions.
///
/// # Errors
///
/// The message if stdout cannot be written.
pub fn completions(arguments: &Completions) -> Result<Ending, Failure> {
    let mut text = Vec::new();
    clap_complete::generate(arguments.shell, &mut crate::Cli::command(), NAME, &mut text);
    print_bytes(&text)
}

/// Prints or writes the man pages.
///
/// # Errors
///
/// The message if they cannot be written.
pub fn man(arguments: &Man) -> Result<Ending, Failure> {
    let command = crate::Cli::command();
    if let Some(folder) = &arguments.out {
        clap_mangen::generate_to(command, folder)
            .map_err(|error| format!("--out {}: {error}", folder.display()))?;
        return Ok(Ending::Done);
    }
    let mut text = Vec::new();
    clap_mangen::Man::new(command).render(&mut text)?;
    print_bytes(&text)
}

fn print_bytes(text: &[u8]) -> Result<Ending, Failure> {
    print(&String::from_utf8_lossy(text))?;
    Ok(Ending::Done)
}
