//! Migrations: forward only, one transaction each, after a backup.
//!
//! In: a connection and the list of migrations. Out: a database of the newest version, or an untouched one and an
//! error. Limits: the last three backups are kept.

use super::error::StoreError;
use refinery::{Migration, Runner};
use rusqlite::Connection;
use std::path::{Path, PathBuf};

/// Backups that are kept; older ones are removed.
const BACKUPS: usize = 3;

/// Every version of the schema, oldest first. One is added, none is ever changed.
pub fn known() -> Vec<(&'static str, &'static str)> {
    vec![
        ("V1__observations", include_str!("migrations/V1__observations.sql")),
        ("V2__areas", include_str!("migrations/V2__areas.sql")),
        ("V3__retimed", include_str!("migrations/V3__retimed.sql")),
    ]
}

/// The version that this collector writes.
pub fn newest(migrations: &[(&str, &str)]) -> u32 {
    migrations.len() as u32
}

/// The version of the database; 0 for an empty one.
pub fn version(db: &Connection) -> Result<u32, StoreError> {
    let history: bool = db.query_row(
        "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'refinery_schema_history')",
        [],
        |row| row.get(0),
    )?;
    if !history {
        return Ok(0);
    }
    Ok(db.query_row("SELECT coalesce(max(version), 0) FROM refinery_schema_history", [], |row| row.get(0))?)
}

/// Brings the database at `path` to the newest version. `now_ms` names the backup.
pub fn run(db: &mut Connection, path: &Path, migrations: &[(&str, &str)], now_ms: i64) -> Result<(), StoreError> {
    let (found, known) = (version(db)?, newest(migrations));
    if found > known {
        return Err(StoreError::Newer { path: path.to_path_buf(), found, known });
    }
    if found == known {
        return Ok(());
    }
    if found > 0 {
        let copy = back_up(db, path, found, now_ms)?;
        tracing::info!(from = found, to = known, backup = %copy.display(), "migrating the database");
    }
    let failed = |e: refinery::Error| {
        use std::error::Error;
        let cause = e.source().map(|c| format!(" ({c})")).unwrap_or_default();
        StoreError::Migration { path: path.to_path_buf(), detail: format!("{e}{cause}") }
    };
    let list = migrations.iter().map(|(name, sql)| Migration::unapplied(name, sql)).collect::<Result<Vec<_>, _>>();
    // Grouped: all of them or none.
    Runner::new(&list.map_err(failed)?).set_grouped(true).run(db).map_err(failed)?;
    Ok(())
}

/// A whole copy beside the database, on disk before anything is changed.
fn back_up(db: &Connection, path: &Path, version: u32, now_ms: i64) -> Result<PathBuf, StoreError> {
    let dir = path.parent().unwrap_or(Path::new(".")).join("backup");
    let io = |source| StoreError::Io { path: dir.clone(), source };
    std::fs::create_dir_all(&dir).map_err(io)?;
    let copy = dir.join(format!("phusong-v{version}-{now_ms}.db"));
    // Left over from a start that was cut short.
    let _ = std::fs::remove_file(&copy);
    db.execute("VACUUM INTO ?1", [copy.to_string_lossy()])?;
    std::fs::File::open(&copy).and_then(|file| file.sync_all()).map_err(io)?;
    std::fs::File::open(&dir).and_then(|dir| dir.sync_all()).map_err(io)?;
    remove_old(&dir).map_err(io)?;
    Ok(copy)
}

fn remove_old(dir: &Path) -> std::io::Result<()> {
    let mut copies = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let made_ms = name.strip_prefix("phusong-v").and_then(|rest| rest.strip_suffix(".db"));
        if let Some(ms) = made_ms.and_then(|rest| rest.split_once('-')).and_then(|(_, ms)| ms.parse::<i64>().ok()) {
            copies.push((ms, entry.path()));
        }
    }
    copies.sort();
    let surplus = copies.len().saturating_sub(BACKUPS);
    copies.iter().take(surplus).try_for_each(|(_, path)| std::fs::remove_file(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: (&str, &str) = ("V1__one", "CREATE TABLE kept (n INTEGER); INSERT INTO kept VALUES (7);");
    const SECOND: (&str, &str) = ("V2__two", "ALTER TABLE kept ADD COLUMN m INTEGER;");

    struct Dir(PathBuf);

    impl Dir {
        fn new(name: &str) -> Self {
            let dir = std::env::temp_dir().join(format!("phusong-migrate-{name}-{}", std::process::id()));
            let _ = std::fs::remove_dir_all(&dir);
            std::fs::create_dir_all(&dir).expect("the temporary directory is writable");
            Dir(dir)
        }

        fn db(&self) -> (Connection, PathBuf) {
            let path = self.0.join("phusong.db");
            (Connection::open(&path).expect("a new database opens"), path)
        }

        fn backups(&self) -> usize {
            std::fs::read_dir(self.0.join("backup")).map_or(0, Iterator::count)
        }
    }

    impl Drop for Dir {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_new_version_is_reached_after_a_backup_and_the_same_version_makes_none() {
        let dir = Dir::new("forward");
        let (mut db, path) = dir.db();
        run(&mut db, &path, &[FIRST], 1).expect("the first version");
        assert_eq!((version(&db).expect("a healthy file system"), dir.backups()), (1, 0));
        run(&mut db, &path, &[FIRST], 2).expect("nothing to do");
        assert_eq!(dir.backups(), 0);
        run(&mut db, &path, &[FIRST, SECOND], 3).expect("the second version");
        assert_eq!((version(&db).expect("a healthy file system"), dir.backups()), (2, 1));
        let copy = Connection::open(dir.0.join("backup/phusong-v1-3.db")).expect("a healthy file system");
        assert_eq!(
            copy.query_row("SELECT n FROM kept", [], |row| row.get::<_, i64>(0)).expect("a healthy file system"),
            7
        );
        assert_eq!(version(&copy).expect("a healthy file system"), 1);
    }

    #[test]
    fn a_newer_database_is_refused_and_says_what_to_do() {
        let dir = Dir::new("newer");
        let (mut db, path) = dir.db();
        run(&mut db, &path, &[FIRST, SECOND], 1).expect("a later collector was here");
        let error = run(&mut db, &path, &[FIRST], 2).expect_err("it must not be touched");
        let text = error.to_string();
        assert!(text.contains("is of version 2") && text.contains("install a newer collector"), "{text}");
    }

    #[test]
    fn a_migration_that_fails_leaves_the_database_as_it_was() {
        let dir = Dir::new("fails");
        let (mut db, path) = dir.db();
        run(&mut db, &path, &[FIRST], 1).expect("the first version");
        let broken = ("V2__broken", "ALTER TABLE kept ADD COLUMN m INTEGER; SELECT * FROM nothing;");
        let error = run(&mut db, &path, &[FIRST, broken], 2).expect_err("it cannot run");
        assert!(error.to_string().contains("nothing"), "{error}");
        assert_eq!(version(&db).expect("a healthy file system"), 1);
        assert!(db.prepare("SELECT m FROM kept").is_err(), "no half of it stays");
    }

    #[test]
    fn the_last_three_backups_are_kept() {
        let dir = Dir::new("three");
        let (db, path) = dir.db();
        for now_ms in 1..=5 {
            back_up(&db, &path, 1, now_ms).expect("a backup");
        }
        let mut names: Vec<_> = std::fs::read_dir(dir.0.join("backup"))
            .expect("a healthy file system")
            .map(|e| e.expect("a healthy file system").file_name())
            .collect();
        names.sort();
        assert_eq!(names, ["phusong-v1-3.db", "phusong-v1-4.db", "phusong-v1-5.db"]);
    }
}
