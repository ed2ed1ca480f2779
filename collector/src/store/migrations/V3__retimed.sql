-- Version 3: which stretches of event time a re-timing has changed, so that what is derived from them is computed again.
CREATE TABLE retimed (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    probe_ref INTEGER NOT NULL REFERENCES probe,
    first_ms  INTEGER NOT NULL,
    last_ms   INTEGER NOT NULL
) STRICT;
