//! `catdog completions` and `catdog man`.

use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};

use crate::run;

#[test]
fn bash_reads_the_completions_and_completes_commands() {
    let (code, script, stderr) = run(&["completions", "bash"]);
    assert_eq!((code, &*stderr), (Some(0), ""));
    let test = "\nCOMP_WORDS=(catdog cam); COMP_CWORD=1; _catdog catdog cam catdog; echo \"${COMPREPLY[@]}\"";
    let mut bash =
        Command::new("bash").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    bash.stdin.take().unwrap().write_all((script + test).as_bytes()).unwrap();
    let output = bash.wait_with_output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "cameras\n");
    for shell in ["zsh", "fish"] {
        let (code, script, _) = run(&["completions", shell]);
        assert!(code == Some(0) && script.contains("cameras"), "{shell}");
    }
    assert_eq!(run(&["completions", "cmd"]).0, Some(2));
}

#[test]
fn every_command_has_a_man_page() {
    let (code, page, stderr) = run(&["man"]);
    assert_eq!((code, &*stderr), (Some(0), ""));
    assert!(page.contains(".TH catdog 1") && page.contains(".SH SYNOPSIS"), "{page}");
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().to_str().unwrap();
    assert_eq!(run(&["man", "--out", out]), (Some(0), String::new(), String::new()));
    let (_, help, _) = run(&["help"]);
    let commands = help.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let commands: Vec<_> = commands
        .lines()
        // The lines of a description are indented further.
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .map(|line| line.split_whitespace().next().unwrap())
        .filter(|command| *command != "help")
        .collect();
    assert!(commands.len() >= 13 && commands.contains(&"record"), "{help}");
    for command in commands {
        let page = fs::read_to_string(folder.path().join(format!("catdog-{command}.1"))).unwrap();
        assert!(page.contains(".SH OPTIONS"), "{command}");
    }
    let (code, _, stderr) = run(&["man", "--out", "/nowhere"]);
    assert_eq!(code, Some(1));
    assert!(stderr.starts_with("catdog: --out /nowhere: No such file"), "{stderr}");
}
