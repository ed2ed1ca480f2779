-- Derived state, in a file of its own (`derived.db`): recomputed from the observations, which know nothing of it.
-- `place_ref`, `target_ref` are rows of `place` and `target` in `phusong.db`. Times are milliseconds since 1970 UTC;
-- `no` is the number of a window: its start in units of five minutes.

-- An operator ("viettel"), or a provider of fixed links ("fixed:vnpt"). Row 0: samples without a network.
CREATE TABLE network (
    id   INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
) STRICT;
INSERT INTO network (id, name) VALUES (0, '');

-- Windows with anything in them. grade: 0 unknown, 1 dead, 2 weak, 3 good. `body` is the tally it was judged by.
CREATE TABLE window (
    place_ref   INTEGER NOT NULL,
    network_ref INTEGER NOT NULL,
    no          INTEGER NOT NULL,
    grade       INTEGER NOT NULL,
    reason      INTEGER NOT NULL,
    service     INTEGER NOT NULL,
    policy      INTEGER NOT NULL,
    body        BLOB NOT NULL,
    PRIMARY KEY (place_ref, network_ref, no)
) STRICT, WITHOUT ROWID;

-- Evidence about a device: starts, mains, link. `what`: 1 started, 2 mains, 3 under-voltage, 4 link; `value` its bits.
CREATE TABLE fact (
    place_ref   INTEGER NOT NULL,
    at_ms       INTEGER NOT NULL,
    epoch       INTEGER NOT NULL,
    seq         INTEGER NOT NULL,
    what        INTEGER NOT NULL,
    value       INTEGER NOT NULL,
    network_ref INTEGER,
    PRIMARY KEY (place_ref, at_ms, epoch, seq, what)
) STRICT, WITHOUT ROWID;

-- kind: 1 gap, 2 blind, 3 remote. `key` depends only on place, network, target and first window.
CREATE TABLE interruption (
    key             INTEGER PRIMARY KEY,
    kind            INTEGER NOT NULL,
    place_ref       INTEGER NOT NULL,
    network_ref     INTEGER,
    target_ref      INTEGER,
    first_no        INTEGER NOT NULL,
    from_ms         INTEGER NOT NULL,
    -- NULL: still open.
    to_ms           INTEGER,
    end_unobserved  INTEGER NOT NULL,
    observed_dead_s INTEGER NOT NULL,
    cause           TEXT NOT NULL,
    confidence      TEXT NOT NULL,
    proof           TEXT NOT NULL,
    -- Sample ids as 16 bytes each: epoch, seq (big-endian).
    evidence        BLOB NOT NULL,
    cause_evidence  BLOB NOT NULL,
    case_ref        INTEGER NOT NULL,
    policy          INTEGER NOT NULL
) STRICT;
CREATE INDEX interruption_place ON interruption (place_ref, kind, first_no);
CREATE INDEX interruption_from ON interruption (from_ms);

-- The durable file on an interruption. A withdrawn one says where it went on.
CREATE TABLE case_file (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    kind         INTEGER NOT NULL,
    place_ref    INTEGER NOT NULL,
    network_ref  INTEGER,
    target_ref   INTEGER,
    opened_ms    INTEGER NOT NULL,
    withdrawn_ms INTEGER,
    merged_into  INTEGER
) STRICT;

-- One row for whatever changed, in the same transaction as the change. Consumers keep a cursor over `id`.
CREATE TABLE changes (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    made_ms     INTEGER NOT NULL,
    -- gap_opened, gap_changed, gap_closed, gap_withdrawn; the same for blind and remote.
    what        TEXT NOT NULL,
    key         INTEGER NOT NULL,
    case_ref    INTEGER NOT NULL,
    place_ref   INTEGER NOT NULL,
    network_ref INTEGER,
    target_ref  INTEGER,
    from_ms     INTEGER NOT NULL,
    to_ms       INTEGER,
    cause       TEXT NOT NULL,
    confidence  TEXT NOT NULL
) STRICT;

-- What is remembered of each place: the newest window with anything in it, its deadline, up to where it is final.
CREATE TABLE place_state (
    place_ref      INTEGER PRIMARY KEY,
    first_no       INTEGER,
    last_no        INTEGER,
    to_ms          INTEGER,
    deadline_ms    INTEGER,
    final_until_ms INTEGER
) STRICT;
CREATE INDEX place_deadline ON place_state (deadline_ms) WHERE deadline_ms IS NOT NULL;

-- The last known window of each place and network: what a hamlet's state is made of.
CREATE TABLE last_known (
    place_ref   INTEGER NOT NULL,
    network_ref INTEGER NOT NULL,
    no          INTEGER NOT NULL,
    grade       INTEGER NOT NULL,
    PRIMARY KEY (place_ref, network_ref)
) STRICT, WITHOUT ROWID;

-- Windows that are to be computed again.
CREATE TABLE touched (
    place_ref INTEGER NOT NULL,
    first_no  INTEGER NOT NULL,
    last_no   INTEGER NOT NULL,
    PRIMARY KEY (place_ref, first_no)
) STRICT, WITHOUT ROWID;

-- Each version from its day on; content is JSON.
CREATE TABLE policy (
    version           INTEGER PRIMARY KEY,
    effective_from_ms INTEGER NOT NULL,
    content           TEXT NOT NULL
) STRICT;

-- How far the tables of `phusong.db` were read, and what is counted (late_sealed, final_changed, unplaced).
CREATE TABLE mark (
    name  TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
