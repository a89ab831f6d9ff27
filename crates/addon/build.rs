//! Packs the folders of `addons/`, so that a new add-on is a new folder and no line of Rust.

fn main() -> std::io::Result<()> {
    barque_embed::from_build_script("../../addons", "addons.tar.gz")
}
