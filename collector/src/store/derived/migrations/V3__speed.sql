-- Bandwidth tests, one row each, as their probes measured them. What is shown of them is made by readers.
-- `early`: stopped before there was time enough: a verdict ("at least this"), which enters no median.
CREATE TABLE speed (
    place_ref   INTEGER NOT NULL,
    at_ms       INTEGER NOT NULL,
    epoch       INTEGER NOT NULL,
    seq         INTEGER NOT NULL,
    network_ref INTEGER NOT NULL,
    down_bps    INTEGER,
    up_bps      INTEGER,
    early       INTEGER NOT NULL,
    PRIMARY KEY (place_ref, at_ms, epoch, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX speed_time ON speed (at_ms);
