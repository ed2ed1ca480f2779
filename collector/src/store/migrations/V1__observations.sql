-- Version 1: who may send, what was committed, what is known of its time, and what could not be accepted.
-- All times are milliseconds since 1970 UTC. Rows of `observation` are ground state; nothing here is derived from
-- arrival order except `observation.id` and `received_ms`.

CREATE TABLE site (
    id   INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE probe (
    id                 INTEGER PRIMARY KEY,
    name               TEXT NOT NULL UNIQUE,
    site_ref           INTEGER NOT NULL REFERENCES site,
    created_ms         INTEGER NOT NULL,
    retired_ms         INTEGER,
    label              TEXT,
    last_contact_ms    INTEGER,
    clone_suspected_ms INTEGER
) STRICT;

-- Where a fixed probe stood, from when on.
CREATE TABLE probe_place (
    probe_ref INTEGER NOT NULL REFERENCES probe,
    from_ms   INTEGER NOT NULL,
    lat       REAL NOT NULL,
    lon       REAL NOT NULL,
    label     TEXT,
    PRIMARY KEY (probe_ref, from_ms)
) STRICT, WITHOUT ROWID;

-- One start of an agent. Epoch 0 holds a probe's records without an id of ours: no ledger, no chain.
-- `epoch` is the 64 bits of the wire as a signed number.
CREATE TABLE epoch (
    id           INTEGER PRIMARY KEY,
    probe_ref    INTEGER NOT NULL REFERENCES probe,
    epoch        INTEGER NOT NULL,
    -- The chain: the epoch before this one and the last id that was durable in it, as the boot sample said.
    prev_ref     INTEGER REFERENCES epoch,
    prev_seq     INTEGER,
    -- Sequence number of the boot sample: no id below it was ever given.
    base_seq     INTEGER,
    start        INTEGER,
    -- Event time of its certain observations.
    first_ms     INTEGER,
    last_ms      INTEGER,
    -- No observation of it can be older (from the chain); bounds its uncertain ones.
    floor_ms     INTEGER,
    -- Its observations of uncertain time.
    uncertain    INTEGER NOT NULL DEFAULT 0,
    -- Ids committed or explained: how many, the highest, and the highest that a later epoch named.
    accounted    INTEGER NOT NULL DEFAULT 0,
    top_seq      INTEGER,
    named_seq    INTEGER,
    UNIQUE (probe_ref, epoch)
) STRICT;

-- One boot of a device, with its best clock anchor.
CREATE TABLE boot (
    id        INTEGER PRIMARY KEY,
    probe_ref INTEGER NOT NULL REFERENCES probe,
    boot_id   BLOB NOT NULL,
    mono_ms   INTEGER,
    true_ms   INTEGER,
    err_ms    INTEGER,
    UNIQUE (probe_ref, boot_id)
) STRICT;

-- Which epochs hold observations of which boot: what a new anchor re-times.
CREATE TABLE boot_epoch (
    boot_ref  INTEGER NOT NULL REFERENCES boot,
    epoch_ref INTEGER NOT NULL REFERENCES epoch,
    PRIMARY KEY (boot_ref, epoch_ref)
) STRICT, WITHOUT ROWID;

-- Re-timing that did not fit into one transaction: rows up to `seq` are done, and all of them once more if `again`.
CREATE TABLE retiming (
    epoch_ref INTEGER PRIMARY KEY REFERENCES epoch,
    seq       INTEGER NOT NULL,
    again     INTEGER NOT NULL
) STRICT;

-- What many samples share, once each. `content` is the CBOR of the wire.
CREATE TABLE target (
    id      INTEGER PRIMARY KEY,
    content BLOB NOT NULL UNIQUE,
    name    TEXT NOT NULL,
    host    TEXT NOT NULL
) STRICT;

CREATE TABLE uplink (
    id        INTEGER PRIMARY KEY,
    content   BLOB NOT NULL UNIQUE,
    interface TEXT NOT NULL
) STRICT;

CREATE TABLE setup (
    id        INTEGER PRIMARY KEY,
    probe_ref INTEGER NOT NULL REFERENCES probe,
    number    INTEGER NOT NULL,
    content   BLOB,
    UNIQUE (probe_ref, number)
) STRICT;

-- `id` grows in the order of commits and is what readers tail by. Positions of a walk hardly ever come back, so
-- `place` stands in the row; a fixed probe has none.
CREATE TABLE observation (
    id          INTEGER PRIMARY KEY,
    probe_ref   INTEGER NOT NULL REFERENCES probe,
    epoch_ref   INTEGER NOT NULL REFERENCES epoch,
    seq         INTEGER NOT NULL,
    at_ms       INTEGER NOT NULL,
    at_state    INTEGER NOT NULL CHECK (at_state BETWEEN 0 AND 2),
    received_ms INTEGER NOT NULL,
    boot_ref    INTEGER REFERENCES boot,
    mono_ms     INTEGER,
    wall_ms     INTEGER NOT NULL,
    synced      INTEGER NOT NULL,
    sync_age_s  INTEGER,
    kind        INTEGER NOT NULL,
    target_ref  INTEGER REFERENCES target,
    uplink_ref  INTEGER REFERENCES uplink,
    setup_ref   INTEGER REFERENCES setup,
    place       BLOB,
    body        BLOB NOT NULL,
    UNIQUE (epoch_ref, seq)
) STRICT;

CREATE INDEX observation_time ON observation (probe_ref, at_ms);

-- Sets of sequence numbers as disjoint ranges that never touch. `kind`: 0 committed, 1 dropped by a full spool,
-- 2 replaced by a summary, 3 dead letter, 9 any of these. Kept longer than the observations themselves.
CREATE TABLE ledger (
    epoch_ref INTEGER NOT NULL REFERENCES epoch,
    kind      INTEGER NOT NULL,
    first     INTEGER NOT NULL,
    last      INTEGER NOT NULL,
    PRIMARY KEY (epoch_ref, kind, first)
) STRICT, WITHOUT ROWID;

-- What could not be accepted, with its bytes. Replayed letters keep their row and give their bytes back.
CREATE TABLE dead_letter (
    id          INTEGER PRIMARY KEY,
    probe_ref   INTEGER NOT NULL REFERENCES probe,
    received_ms INTEGER NOT NULL,
    site        TEXT NOT NULL,
    reason      TEXT NOT NULL,
    detail      TEXT NOT NULL,
    hash        INTEGER NOT NULL,
    raw         BLOB NOT NULL,
    bytes       INTEGER NOT NULL,
    copies      INTEGER NOT NULL DEFAULT 1,
    replayed_ms INTEGER,
    UNIQUE (probe_ref, reason, hash)
) STRICT;
