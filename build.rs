//! Defines the commit and the release date for `plugin_define!`.

fn main() {
    gst_plugin_version_helper::info();
    if std::env::var_os("CARGO_FEATURE_TFLITEC").is_some() {
        // Where the scripts install the runtimes: beside the plugin, and beside its folder.
        println!("cargo:rustc-link-arg=-Wl,-rpath,$ORIGIN/gst-catdog:$ORIGIN/../gst-catdog");
    }
    // Without this list, cargo rebuilds the plugin whenever any file of the package changes, such as a recording.
    for file in ["build.rs", "Cargo.toml", ".git/HEAD", ".git/logs/HEAD"] {
        if std::path::Path::new(file).exists() {
            println!("cargo:rerun-if-changed={file}");
        }
    }
}
