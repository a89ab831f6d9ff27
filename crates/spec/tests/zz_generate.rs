//! temporary
#[test]
fn generate() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    std::fs::write(root.join("docs/cluster.schema.json"), serde_json::to_string_pretty(&barque_spec::schema()).unwrap() + "\n").unwrap();
    std::fs::write(root.join("docs/cluster-file.md"), barque_spec::reference_markdown()).unwrap();
}
