//! The collector's program: the command line, and nothing else.

fn main() -> std::process::ExitCode {
    phusong_collector::cli::main()
}
