-- Version 2: what is counted once, and what is newest: the ground of `/metrics/coverage`. None of it can be derived
-- again: it depends on when something was first known. `area_ref` is the oldest row of a hamlet's code in `area`.

-- Windows of a hamlet with something known that is not counted yet. `link`: 0 cellular networks, 1 fixed links.
-- `look_ms`: when time alone may decide.
CREATE TABLE state_pending (
    area_ref INTEGER NOT NULL,
    link     INTEGER NOT NULL,
    no       INTEGER NOT NULL,
    look_ms  INTEGER NOT NULL,
    PRIMARY KEY (area_ref, link, no)
) STRICT, WITHOUT ROWID;
CREATE INDEX state_look ON state_pending (look_ms);

-- Windows of a hamlet that were counted, as disjoint ranges that never touch.
CREATE TABLE state_counted (
    area_ref INTEGER NOT NULL,
    link     INTEGER NOT NULL,
    first_no INTEGER NOT NULL,
    last_no  INTEGER NOT NULL,
    PRIMARY KEY (area_ref, link, first_no)
) STRICT, WITHOUT ROWID;

-- state: 1 dead, 2 weak, 3 good. Counted within half an hour of the window's end, and later.
CREATE TABLE state_seconds (
    area_ref INTEGER NOT NULL,
    state    INTEGER NOT NULL,
    in_time  INTEGER NOT NULL,
    late     INTEGER NOT NULL,
    PRIMARY KEY (area_ref, state)
) STRICT, WITHOUT ROWID;

-- Round-trip times of counted windows. `area_ref`: the oldest row of the province's code, 0 without one. `counts`: ten
-- numbers of eight bytes (big-endian), one for each bucket and one for what lies above; not cumulative.
CREATE TABLE rtt_count (
    area_ref    INTEGER NOT NULL,
    network_ref INTEGER NOT NULL,
    technology  INTEGER NOT NULL,
    sum_us      INTEGER NOT NULL,
    counts      BLOB NOT NULL,
    PRIMARY KEY (area_ref, network_ref, technology)
) STRICT, WITHOUT ROWID;

-- The newest window with echoes of each place and network, and by which technology the network was last measured (a
-- number of the wire; -1: nobody said). `rtts`: pairs of bucket (2 bytes) and count (4 bytes), big-endian.
CREATE TABLE place_newest (
    place_ref   INTEGER NOT NULL,
    network_ref INTEGER NOT NULL,
    technology  INTEGER NOT NULL,
    no          INTEGER NOT NULL,
    sent        INTEGER NOT NULL,
    received    INTEGER NOT NULL,
    rtts        BLOB NOT NULL,
    PRIMARY KEY (place_ref, network_ref)
) STRICT, WITHOUT ROWID;

-- What a probe said last of itself, each with its event time.
CREATE TABLE probe_newest (
    probe_ref     INTEGER PRIMARY KEY,
    -- From event to arrival, of the newest sample that is no summary and whose time is certain.
    at_ms         INTEGER,
    delay_ms      INTEGER,
    -- The device's clock less the true time.
    offset_at_ms  INTEGER,
    offset_ms     INTEGER,
    health_at_ms  INTEGER,
    spool_samples INTEGER,
    data_bytes    INTEGER,
    power_at_ms   INTEGER,
    battery_ratio REAL
) STRICT;

-- Gaps (1) and blinds (2) that have ended, by the cause that was known when they first had.
CREATE TABLE ended (
    place_ref INTEGER NOT NULL,
    kind      INTEGER NOT NULL,
    cause     TEXT NOT NULL,
    n         INTEGER NOT NULL,
    PRIMARY KEY (place_ref, kind, cause)
) STRICT, WITHOUT ROWID;

-- Whether the case was counted in `ended`.
ALTER TABLE case_file ADD COLUMN counted INTEGER NOT NULL DEFAULT 0;
INSERT INTO ended (place_ref, kind, cause, n)
SELECT place_ref, kind, cause, count(*) FROM interruption
 WHERE to_ms IS NOT NULL AND kind IN (1, 2) GROUP BY place_ref, kind, cause;
UPDATE case_file SET counted = 1
 WHERE id IN (SELECT case_ref FROM interruption WHERE to_ms IS NOT NULL AND kind IN (1, 2));

-- What is open now, without a look at what has ended.
CREATE INDEX interruption_open ON interruption (kind, place_ref, cause) WHERE to_ms IS NULL;

-- Epochs with missing ids: up to where those that stayed away are counted, and up to where ids were known to exist
-- when somebody last looked.
CREATE TABLE loss_mark (
    epoch_ref   INTEGER PRIMARY KEY,
    counted_seq INTEGER NOT NULL,
    noted_seq   INTEGER NOT NULL,
    noted_ms    INTEGER NOT NULL
) STRICT;

-- Ids that were known to exist and stayed away for three days.
CREATE TABLE loss (
    probe_ref INTEGER PRIMARY KEY,
    n         INTEGER NOT NULL
) STRICT;
