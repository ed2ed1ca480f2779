//! Lets cargo embed the web page anew whenever it was built anew.
//!
//! In: `web/dist`, made by `make web`. Out: nothing but what cargo has to watch. Refuses to know npm: without the page
//! the collector is built as well, and says at `/` that it has none.

fn main() {
    let dist = "web/dist";
    // What is not there counts as changed each time, and everything would be built again and again.
    if let Err(e) = std::fs::create_dir_all(dist) {
        println!("cargo::warning={dist} cannot be made, so every build is a whole one: {e}");
    }
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={dist}");
}
