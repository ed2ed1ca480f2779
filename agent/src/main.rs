//! The program: hands its arguments to the library and its exit code to the system. Nothing else happens here.

fn main() -> std::process::ExitCode {
    phusong_agent::cli::main(std::env::args_os())
}
