//! The password line that we write lets a client in at a real Mosquitto, and nothing else does.

mod broker;

use broker::Broker;
use phusong_collector::password;

#[test]
fn mosquitto_accepts_the_password_of_our_line_and_no_other() {
    let dir = broker::scratch("password-file");
    let file = dir.join("passwords");
    let password = password::generate().expect("random");
    let line = password::line("na-chen-1", &password).expect("random");
    password::put_line(&file, "na-chen-1", &line).expect("a writable directory");
    let broker = Broker::start("password", &format!("allow_anonymous false\npassword_file {}", file.display()));
    assert!(broker.lets_in("na-chen-1", &password));
    assert!(!broker.lets_in("na-chen-1", "another"));
    assert!(!broker.lets_in("na-chen-2", &password));
    std::fs::remove_dir_all(dir).expect("own directory");
}
