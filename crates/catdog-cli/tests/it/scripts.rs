//! `catdog evaluate` and `catdog train`.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};

use assert_cmd::cargo::cargo_bin;

use crate::{catdog, run};

/// A program that prints its path and each of its arguments, and exits with 42.
const PROGRAM: &str = "#!/bin/sh\nprintf '%s' \"$0\"\nprintf '<%s>' \"$@\"\nexit 42\n";

fn write_program(path: &Path) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, PROGRAM).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Returns the path of the program that ran, and its arguments.
fn ran(output: &Output) -> (String, String) {
    let stdout = String::from_utf8_lossy(&output.stdout);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), &*stderr), (Some(42), ""), "{stdout}");
    let (path, arguments) = stdout.split_once('<').unwrap();
    (path.to_owned(), format!("<{arguments}"))
}

#[test]
fn all_arguments_and_the_exit_code_are_those_of_the_program() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["evaluate", "train"] {
        let program = folder.path().join(name);
        write_program(&program);
        for arguments in [
            &["--help"][..],
            &["-h"],
            &["--", "--data", "a b", "--", "--version", "-x=1", "", "*"],
            &["help", "--quiet", "live"],
        ] {
            let output = catdog()
                .arg(name)
                .args(arguments)
                .env("CATDOG_MODELS_DIR", folder.path())
                .output()
                .unwrap();
            let want: String = arguments.iter().map(|text| format!("<{text}>")).collect();
            assert_eq!(ran(&output), (program.to_str().unwrap().to_owned(), want));
        }
        let odd = OsStr::from_bytes(b"\xff\xfe.jpg");
        let output =
            catdog().arg(name).arg(odd).env("CATDOG_MODELS_DIR", folder.path()).output().unwrap();
        assert!(output.stdout.ends_with(b"<\xff\xfe.jpg>"), "{output:?}");
    }
}

#[test]
fn a_relative_folder_is_not_searched_in_path() {
    let folder = tempfile::tempdir().unwrap();
    write_program(&folder.path().join("train"));
    for relative in [".", "./", "../"] {
        let inner = folder.path().join("inner");
        fs::create_dir_all(&inner).unwrap();
        let current = if relative == "../" { &inner } else { folder.path() };
        let output = catdog()
            .args(["train", "x"])
            .current_dir(current)
            .env("CATDOG_MODELS_DIR", relative)
            .output()
            .unwrap();
        assert_eq!(ran(&output).1, "<x>");
    }
}

/// Makes a link-free copy of the program at `path`, as an installation has it.
pub fn install(path: &Path) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let built = cargo_bin!("catdog");
    if fs::hard_link(built, path).is_err() {
        fs::copy(built, path).unwrap();
    }
}

fn installed(catdog: &Path, arguments: &[&str]) -> Output {
    Command::new(catdog).args(arguments).env_remove("CATDOG_MODELS_DIR").output().unwrap()
}

#[test]
fn installed_programs_and_those_of_the_source_checkout_are_found() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().canonicalize().unwrap();
    let catdog = root.join("usr/bin/catdog");
    install(&catdog);
    let output = installed(&catdog, &["train", "--data", "x"]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.starts_with("catdog: the program 'train' is not found; searched: "), "{stderr}");
    for part in ["usr/share/gst-catdog/train'", "usr/bin/catdog'", "set CATDOG_MODELS_DIR to"] {
        assert!(stderr.contains(part), "{stderr}");
    }
    assert_eq!(stderr.lines().count(), 1, "{stderr}");

    // From the last place that is searched to the first.
    fs::write(root.join("Cargo.toml"), "").unwrap();
    for place in ["models", "usr/share/gst-catdog/models", "usr/share/gst-catdog"] {
        let program = root.join(place).join("train");
        write_program(&program);
        let (path, arguments) = ran(&installed(&catdog, &["train", "--data", "x"]));
        assert_eq!((Path::new(&path), &*arguments), (&*program, "<--data><x>"));
    }
    // Through a link, as in a folder of PATH.
    std::os::unix::fs::symlink(&catdog, root.join("link")).unwrap();
    assert_eq!(ran(&installed(&root.join("link"), &["train", "x"])).1, "<x>");
}

#[test]
fn the_programs_of_this_checkout_check_their_arguments() {
    // The folder of Cargo's output, and with it catdog, may be outside the checkout.
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models");
    // The options are checked before anything is installed.
    for (name, message) in [("evaluate", "the folder to evaluate is missing"), ("train", "--data")]
    {
        let output = catdog().arg(name).env("CATDOG_MODELS_DIR", &models).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        assert!(stderr.contains(message), "{stderr}");
    }
}

#[test]
fn a_wrong_folder_and_a_program_that_cannot_be_started_are_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    let failed = |name| {
        let output = catdog().arg(name).env("CATDOG_MODELS_DIR", path).output().unwrap();
        assert_eq!((output.status.code(), output.stdout), (Some(1), Vec::new()));
        String::from_utf8(output.stderr).unwrap()
    };
    assert_eq!(
        failed("train"),
        format!(
            "catdog: CATDOG_MODELS_DIR: there is no program '{path}/train'; set CATDOG_MODELS_DIR to \
             the folder with the programs evaluate and train, which is models in the source code of \
             catdog\n"
        )
    );
    fs::write(folder.path().join("evaluate"), PROGRAM).unwrap();
    let stderr = failed("evaluate");
    assert!(stderr.contains("/evaluate' cannot be started: Permission denied"), "{stderr}");
}

#[test]
fn help_describes_the_commands() {
    for (name, text) in [("evaluate", "how good a model is"), ("train", "Trains a classifier")] {
        let (code, stdout, stderr) = run(&["help", name]);
        assert_eq!((code, &*stderr), (Some(0), ""));
        for part in [text, "Usage: catdog", "CATDOG_MODELS_DIR", "../share/gst-catdog"] {
            assert!(stdout.contains(part), "{stdout}");
        }
    }
    let (_, stdout, _) = run(&["--help"]);
    for name in ["bench", "evaluate", "train"] {
        assert!(stdout.contains(&format!("\n  {name} ")), "{stdout}");
    }
}
