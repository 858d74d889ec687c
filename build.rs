//! Passes commit and release date on to `plugin_define!`.

fn main() {
    gst_plugin_version_helper::info();
    // Without a word cargo would build anew whenever any file of the folder comes or goes, a
    // recording for one.
    for file in ["build.rs", "Cargo.toml", ".git/HEAD", ".git/logs/HEAD"] {
        if std::path::Path::new(file).exists() {
            println!("cargo:rerun-if-changed={file}");
        }
    }
}
