//! One parser on files, without libFuzzer: `replay NAME FILE|DIRECTORY..`.

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some(target) = arguments.first().and_then(|name| phusong_fuzz::target(name)) else {
        eprintln!("replay NAME FILE|DIRECTORY..; {}", phusong_fuzz::list());
        return ExitCode::from(2);
    };
    for path in &arguments[1..] {
        if let Err(e) = replay(Path::new(path), target.run) {
            eprintln!("{path}: {e}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn replay(path: &Path, run: fn(&[u8])) -> std::io::Result<()> {
    if path.is_dir() {
        for entry in std::fs::read_dir(path)? {
            replay(&entry?.path(), run)?;
        }
    } else {
        run(&std::fs::read(path)?);
    }
    Ok(())
}
