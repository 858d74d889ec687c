//! The command `catdog`.

fn main() {}
