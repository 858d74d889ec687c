//! Links libswscale, and libavutil, which defines the numbers of the pixel formats.

fn main() -> Result<(), pkg_config::Error> {
    for library in ["libswscale", "libavutil"] {
        pkg_config::probe_library(library)?;
    }
    println!("cargo::rerun-if-changed=build.rs");
    Ok(())
}
