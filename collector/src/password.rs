//! Credentials of a probe: a random password, and its line in Mosquitto's password file.
//!
//! In: a username. Out: the password (once) and `user:$7$101$salt$hash`, PBKDF2-HMAC-SHA512 as `mosquitto_passwd`
//! writes it, and whether a password is the one of a line. Refuses to know: brokers, the store. Files are replaced
//! atomically and keep permissions and owner. Limits: below.

use anyhow::{Context, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use sha2::Sha512;
use std::collections::HashMap;
use std::fmt;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// What Mosquitto 2 writes and reads; the cost is low because the passwords are random, not chosen by people.
const ITERATIONS: u32 = 101;
/// More than that in a file that somebody else wrote would make each login cost seconds.
const ITERATIONS_MAX: u32 = 100_000;
const SALT_BYTES: usize = 12;
const HASH_BYTES: usize = 64;
/// 24 of 32 letters: 120 bits.
const PASSWORD_CHARS: usize = 24;
/// No 0, o, 1, l: passwords are read over the telephone.
const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
/// Ten thousand probes need about 1.5 MiB.
pub const FILE_BYTES: u64 = 16 * 1024 * 1024;

/// The hash of a password, as it stands in a password file.
#[derive(Clone, PartialEq, Eq)]
pub struct Hashed {
    iterations: u32,
    salt: Vec<u8>,
    hash: Vec<u8>,
}

impl Hashed {
    /// With a random salt.
    pub fn of(password: &str) -> anyhow::Result<Self> {
        let mut salt = [0u8; SALT_BYTES];
        getrandom::fill(&mut salt).context("the system gives no random numbers")?;
        Ok(Hashed::with(password, &salt))
    }

    fn with(password: &str, salt: &[u8]) -> Self {
        let mut hash = vec![0u8; HASH_BYTES];
        pbkdf2::pbkdf2_hmac::<Sha512>(password.as_bytes(), salt, ITERATIONS, &mut hash);
        Hashed { iterations: ITERATIONS, salt: salt.to_vec(), hash }
    }

    /// Reads `$7$iterations$salt$hash`; other schemes of Mosquitto are not ours.
    pub fn parse(text: &str) -> Option<Self> {
        let (iterations, rest) = text.strip_prefix("$7$")?.split_once('$')?;
        let (salt, hash) = rest.split_once('$')?;
        let iterations: u32 = iterations.parse().ok()?;
        let (salt, hash) = (BASE64.decode(salt).ok()?, BASE64.decode(hash).ok()?);
        let right = (1..=ITERATIONS_MAX).contains(&iterations) && !salt.is_empty() && hash.len() == HASH_BYTES;
        right.then_some(Hashed { iterations, salt, hash })
    }

    /// Whether this is the hash of the password. Takes equally long wherever the two differ.
    pub fn matches(&self, password: &[u8]) -> bool {
        let mut hash = [0u8; HASH_BYTES];
        pbkdf2::pbkdf2_hmac::<Sha512>(password, &self.salt, self.iterations, &mut hash);
        let differing = hash.iter().zip(&self.hash).fold(0u8, |all, (one, other)| all | (one ^ other));
        std::hint::black_box(differing) == 0
    }
}

impl fmt::Display for Hashed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "$7${}${}${}", self.iterations, BASE64.encode(&self.salt), BASE64.encode(&self.hash))
    }
}

impl fmt::Debug for Hashed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hashed(***)")
    }
}

/// A new random password.
pub fn generate() -> anyhow::Result<String> {
    let mut random = [0u8; PASSWORD_CHARS];
    getrandom::fill(&mut random).context("the system gives no random numbers")?;
    // 256 is a multiple of 32: each letter is equally likely.
    Ok(random.iter().map(|byte| char::from(ALPHABET[usize::from(byte % 32)])).collect())
}

/// The line of Mosquitto's password file, with a random salt.
pub fn line(username: &str, password: &str) -> anyhow::Result<String> {
    Ok(format!("{username}:{}", Hashed::of(password)?))
}

/// Mode and owner of a file that is not there yet.
#[derive(Debug, Clone, Copy)]
pub struct Fresh {
    pub mode: u32,
    pub owner: Option<(u32, u32)>,
}

/// Writes the line into the password file, in place of the user's old line.
pub fn put_line(file: &Path, username: &str, line: &str) -> anyhow::Result<()> {
    let changes = HashMap::from([(username, Some(line.to_owned()))]);
    put_lines(file, changes, Fresh { mode: 0o640, owner: None })
}

/// Writes one line for each user in place of the old one, or (`None`) removes it. All or nothing; other lines stay.
pub fn put_lines(file: &Path, mut changes: HashMap<&str, Option<String>>, fresh: Fresh) -> anyhow::Result<()> {
    let (old, fresh) = match std::fs::metadata(file) {
        Ok(meta) if meta.len() > FILE_BYTES => bail!("{} is too large to be a password file", file.display()),
        Ok(meta) => {
            let text = std::fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
            (text, Fresh { mode: meta.permissions().mode() & 0o777, owner: Some((meta.uid(), meta.gid())) })
        }
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => (String::new(), fresh),
        Err(e) => return Err(e).with_context(|| format!("reading {}", file.display())),
    };
    let user = |line: &str| line.split_once(':').map_or("", |(user, _)| user).to_owned();
    let kept = old.lines().filter(|have| !have.trim().is_empty() && !changes.contains_key(user(have).as_str()));
    let mut lines: Vec<String> = kept.map(str::to_owned).collect();
    let mut new: Vec<String> = changes.drain().filter_map(|(_, line)| line).collect();
    new.sort_unstable();
    lines.append(&mut new);
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    if text.len() as u64 > FILE_BYTES {
        bail!("{} would grow beyond {FILE_BYTES} bytes", file.display());
    }
    replace(file, &text, fresh).with_context(|| format!("writing {}", file.display()))
}

/// Replaces a file as a whole; after a crash it is the old one or the new one.
pub fn replace(file: &Path, text: &str, Fresh { mode, owner }: Fresh) -> std::io::Result<()> {
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
        let hashed = Hashed::with("secret", &[0; SALT_BYTES]);
        let line = format!("na-chen-1:{hashed}");
        let parts: Vec<&str> = line.split(['$', ':']).collect();
        assert_eq!(parts[..4], ["na-chen-1", "", "7", "101"]);
        assert_eq!(BASE64.decode(parts[4]).map(|salt| salt.len()), Ok(SALT_BYTES));
        assert_eq!(BASE64.decode(parts[5]).map(|hash| hash.len()), Ok(HASH_BYTES));
        assert_eq!(Hashed::parse(&hashed.to_string()), Some(hashed.clone()));
        assert!(hashed.matches(b"secret") && !hashed.matches(b"secret2") && !hashed.matches(b""));
    }

    #[test]
    fn what_is_no_hash_of_ours_is_not_read_as_one() {
        let hash = BASE64.encode([1; HASH_BYTES]);
        assert!(Hashed::parse(&format!("$7$101$AAAA${hash}")).is_some());
        for text in ["", "plain", "$6$AAAA$AAAA", "$7$101$AAAA", "$7$101$AAAA$AAAA", "$7$101$!$AAAA"] {
            assert_eq!(Hashed::parse(text), None, "{text}");
        }
        for (iterations, salt) in [("0", "AAAA"), ("4000000000", "AAAA"), ("-1", "AAAA"), ("101", "")] {
            assert_eq!(Hashed::parse(&format!("$7${iterations}${salt}${hash}")), None, "{iterations} {salt}");
        }
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
