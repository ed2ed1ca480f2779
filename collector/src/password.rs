//! Credentials of a probe: a random password, and its line in Mosquitto's password file.
//!
//! In: a username. Out: the password (once) and `user:$7$101$salt$hash`, PBKDF2-HMAC-SHA512 as `mosquitto_passwd`
//! writes it. Refuses to know: brokers, the store. The file is replaced atomically and keeps its permissions.

use anyhow::{Context, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use sha2::Sha512;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// What Mosquitto 2 writes and reads; the cost is low because the passwords are random, not chosen by people.
const ITERATIONS: u32 = 101;
const SALT_BYTES: usize = 12;
const HASH_BYTES: usize = 64;
/// 24 of 32 letters: 120 bits.
const PASSWORD_CHARS: usize = 24;
/// No 0, o, 1, l: passwords are read over the telephone.
const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
/// Ten thousand probes need about 1.5 MiB.
const FILE_BYTES: u64 = 16 * 1024 * 1024;

/// A new random password.
pub fn generate() -> anyhow::Result<String> {
    let mut random = [0u8; PASSWORD_CHARS];
    getrandom::fill(&mut random).context("the system gives no random numbers")?;
    // 256 is a multiple of 32: each letter is equally likely.
    Ok(random.iter().map(|byte| char::from(ALPHABET[usize::from(byte % 32)])).collect())
}

/// The line of Mosquitto's password file, with a random salt.
pub fn line(username: &str, password: &str) -> anyhow::Result<String> {
    let mut salt = [0u8; SALT_BYTES];
    getrandom::fill(&mut salt).context("the system gives no random numbers")?;
    Ok(line_with_salt(username, password, &salt))
}

fn line_with_salt(username: &str, password: &str, salt: &[u8]) -> String {
    let mut hash = [0u8; HASH_BYTES];
    pbkdf2::pbkdf2_hmac::<Sha512>(password.as_bytes(), salt, ITERATIONS, &mut hash);
    format!("{username}:$7${ITERATIONS}${}${}", BASE64.encode(salt), BASE64.encode(hash))
}

/// Writes the line into the password file, in place of the user's old line.
pub fn put_line(file: &Path, username: &str, line: &str) -> anyhow::Result<()> {
    let (old, mode, owner) = match std::fs::metadata(file) {
        Ok(meta) if meta.len() > FILE_BYTES => bail!("{} is too large to be a password file", file.display()),
        Ok(meta) => {
            let text = std::fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
            (text, meta.permissions().mode() & 0o777, Some((meta.uid(), meta.gid())))
        }
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => (String::new(), 0o640, None),
        Err(e) => return Err(e).with_context(|| format!("reading {}", file.display())),
    };
    let prefix = format!("{username}:");
    let kept = old.lines().filter(|have| !have.starts_with(&prefix) && !have.trim().is_empty());
    let mut text = kept.map(|have| format!("{have}\n")).collect::<String>();
    text += line;
    text.push('\n');
    replace(file, &text, mode, owner).with_context(|| format!("writing {}", file.display()))
}

fn replace(file: &Path, text: &str, mode: u32, owner: Option<(u32, u32)>) -> std::io::Result<()> {
    let directory = match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let scratch = directory.join(format!(".{name}.{}", std::process::id()));
    // Left behind by a process of the same number that was killed between these lines.
    let _ = std::fs::remove_file(&scratch);
    let mut out = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&scratch)?;
    let written = out.write_all(text.as_bytes()).and_then(|()| {
        out.set_permissions(std::fs::Permissions::from_mode(mode))?;
        if let Some((uid, gid)) = owner {
            std::os::unix::fs::fchown(&out, Some(uid), Some(gid))?;
        }
        out.sync_all()?;
        std::fs::rename(&scratch, file)
    });
    if written.is_err() {
        let _ = std::fs::remove_file(&scratch);
    }
    written?;
    std::fs::File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_random_and_can_be_read_aloud() {
        let (one, two) = (generate().expect("random"), generate().expect("random"));
        assert_ne!(one, two);
        assert_eq!(one.len(), PASSWORD_CHARS);
        assert!(one.bytes().all(|byte| ALPHABET.contains(&byte)));
    }

    #[test]
    fn the_line_has_the_form_that_mosquitto_reads() {
        let line = line_with_salt("na-chen-1", "secret", &[0; SALT_BYTES]);
        let parts: Vec<&str> = line.split(['$', ':']).collect();
        assert_eq!(parts[..4], ["na-chen-1", "", "7", "101"]);
        assert_eq!(BASE64.decode(parts[4]).map(|salt| salt.len()), Ok(SALT_BYTES));
        assert_eq!(BASE64.decode(parts[5]).map(|hash| hash.len()), Ok(HASH_BYTES));
    }

    #[test]
    fn a_user_has_one_line_and_others_keep_theirs_and_the_file_its_mode() {
        let directory = std::env::temp_dir().join(format!("phusong-password-{}", std::process::id()));
        std::fs::create_dir_all(&directory).expect("a writable temporary directory");
        let file = directory.join("passwords");
        put_line(&file, "a", "a:old").expect("written");
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o604)).expect("own file");
        put_line(&file, "ab", "ab:x").expect("written");
        put_line(&file, "a", "a:new").expect("written");
        assert_eq!(std::fs::read_to_string(&file).expect("readable"), "ab:x\na:new\n");
        assert_eq!(std::fs::metadata(&file).expect("there").permissions().mode() & 0o777, 0o604);
        assert_eq!(std::fs::read_dir(&directory).expect("readable").count(), 1);
        std::fs::remove_dir_all(&directory).expect("own directory");
    }
}
