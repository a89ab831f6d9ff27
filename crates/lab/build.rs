//! Packs the folders of `recipes/`, so that a new version is a new folder and no line of Rust.

fn main() -> std::io::Result<()> {
    barque_embed::from_build_script("recipes", "recipes.tar.gz")
}
