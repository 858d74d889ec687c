//! The page of the command `catdog`: its help, and that of each subcommand.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::Result;
use crate::markdown::block;

/// Returns the page for the program `catdog`.
pub fn page(catdog: &Path) -> Result<String> {
    let mut out = String::from("# The command `catdog`\n");
    describe(catdog, &mut Vec::new(), &mut out)?;
    Ok(out)
}

/// Adds the help of the subcommand `path`, and of the subcommands that it lists.
fn describe(catdog: &Path, path: &mut Vec<String>, out: &mut String) -> Result<()> {
    let help = help(catdog, path)?;
    if !path.is_empty() {
        *out += &format!("\n{} `catdog {}`\n", "#".repeat(path.len() + 1), path.join(" "));
    }
    if !help.trim().is_empty() {
        *out += &format!("\n{}", block(&help));
    }
    for name in subcommands(&help) {
        path.push(name.to_owned());
        describe(catdog, path, out)?;
        path.pop();
    }
    Ok(())
}

/// Runs `catdog help`, because some commands pass `--help` on to another program. The environment fixes
/// the width and the language of the text.
fn help(catdog: &Path, path: &[String]) -> Result<String> {
    let output = Command::new(catdog)
        .arg("help")
        .args(path)
        .env("COLUMNS", "100")
        .env("LC_ALL", "C.UTF-8")
        .env("NO_COLOR", "1")
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("{}: {error}", catdog.display()))?;
    if !output.status.success() {
        let message = String::from_utf8_lossy(&output.stderr);
        return Err(format!("catdog help {}: {message}", path.join(" ")).into());
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// Returns the names that `help` lists under "Commands:". The command `help` only repeats the
/// others.
fn subcommands(help: &str) -> impl Iterator<Item = &str> {
    let lines = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    lines
        .take_while(|line| !line.is_empty())
        // A description that continues on the next line is indented further.
        .filter_map(|line| line.strip_prefix("  ").filter(|rest| !rest.starts_with(' ')))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
}
