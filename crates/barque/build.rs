//! Gives each build an identifier, so that an agent of another build is never taken for this one.

fn main() {
    let seconds = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs());
    let identifier = std::env::var("SOURCE_DATE_EPOCH").unwrap_or_else(|_| format!("{seconds:x}"));
    println!("cargo::rustc-env=BARQUE_BUILD_ID={identifier}");
    println!("cargo::rerun-if-changed=src");
}
