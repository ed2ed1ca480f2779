-- What modems said, and what walks and fixed probes voted. `fact.what`: 5 modem; its value holds the device (from bit
-- 16), and as far as it was said registration (bits 0 to 3), SIM (4 to 7) and bearer (8 to 11).
CREATE INDEX fact_modem ON fact (place_ref, at_ms) WHERE what = 5;

-- Votes: one device, one operator, one resolution-12 child (H3), one quarter of an hour of event time (UTC).
-- `state`: 1 dead, 2 alive. `expires_ms`: the end of its life. Levels in tenths of a dBm.
CREATE TABLE vote (
    id          INTEGER PRIMARY KEY,
    probe_ref   INTEGER NOT NULL,
    quarter     INTEGER NOT NULL,
    network_ref INTEGER NOT NULL,
    child       INTEGER NOT NULL,
    -- Its centre, degrees.
    lat         REAL NOT NULL,
    lon         REAL NOT NULL,
    -- 0 outdoors, 1 indoors (a layer of its own), 2 in a vehicle, 3 unknown.
    layer       INTEGER NOT NULL,
    -- 1 a fixed probe, 2 a survey, 3 anything else that moves.
    source      INTEGER NOT NULL,
    state       INTEGER NOT NULL,
    alive       INTEGER NOT NULL,
    dead        INTEGER NOT NULL,
    level       INTEGER,
    reference   INTEGER,
    fast        INTEGER NOT NULL,
    external    INTEGER NOT NULL,
    -- Technologies that were seen, and that were proved absent: 1 gsm, 2 umts, 4 lte, 8 nr_nsa, 16 nr_sa.
    yes         INTEGER NOT NULL,
    no          INTEGER NOT NULL,
    serving     INTEGER,
    setup_ref   INTEGER,
    -- The place of a fixed probe.
    place_ref   INTEGER,
    policy      INTEGER NOT NULL,
    expires_ms  INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX vote_key ON vote (probe_ref, quarter, network_ref, child, layer, coalesce(place_ref, 0));
CREATE INDEX vote_child ON vote (child);
CREATE INDEX vote_at ON vote (lat, lon);
CREATE INDEX vote_expires ON vote (expires_ms);

-- Quarters of a moving probe that are to be computed again.
CREATE TABLE touched_quarter (
    probe_ref INTEGER NOT NULL,
    quarter   INTEGER NOT NULL,
    PRIMARY KEY (probe_ref, quarter)
) STRICT, WITHOUT ROWID;

-- Cells that served, by what makes one another one; absent parts are -1 or ''. `levels`: counts for each dBm, as pairs
-- of level (signed, 2 bytes) and count (4 bytes), big-endian.
CREATE TABLE serving_cell (
    id           INTEGER PRIMARY KEY,
    plmn         TEXT NOT NULL,
    technology   INTEGER NOT NULL,
    area_code    INTEGER NOT NULL,
    cell_id      INTEGER NOT NULL,
    pci          INTEGER NOT NULL,
    arfcn        INTEGER NOT NULL,
    band         TEXT NOT NULL,
    first_ms     INTEGER NOT NULL,
    last_ms      INTEGER NOT NULL,
    observations INTEGER NOT NULL,
    levels       BLOB NOT NULL,
    UNIQUE (plmn, technology, area_code, cell_id, pci, arfcn, band)
) STRICT;

-- Where a cell served fixed probes.
CREATE TABLE serving_cell_place (
    cell_ref  INTEGER NOT NULL,
    place_ref INTEGER NOT NULL,
    PRIMARY KEY (cell_ref, place_ref)
) STRICT, WITHOUT ROWID;

-- Windows of a place in which a technology was seen, and in which it was proved absent, by day of event time (UTC).
CREATE TABLE technology_day (
    place_ref   INTEGER NOT NULL,
    network_ref INTEGER NOT NULL,
    day         INTEGER NOT NULL,
    technology  INTEGER NOT NULL,
    yes         INTEGER NOT NULL,
    no          INTEGER NOT NULL,
    PRIMARY KEY (place_ref, network_ref, day, technology)
) STRICT, WITHOUT ROWID;
