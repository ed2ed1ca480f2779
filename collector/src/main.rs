//! The collector's program: the command line, and nothing else.

/// Samples are allocated by one thread and freed by another, tens of thousands a second: the C library's allocator
/// spends a tenth of the collector's time on that.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    phusong_collector::cli::main()
}
