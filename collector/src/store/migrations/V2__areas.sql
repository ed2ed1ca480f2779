-- Version 2: the administrative tree, and where probes stand, from when to when.
-- All times are milliseconds since 1970 UTC; `valid_to_ms` and `to_ms` are the first moment that no longer counts.

-- A node of the tree, of any depth. A leaf is a hamlet. One code may have several rows whose validities never overlap;
-- an area that ended keeps its row, because places of its time belong to it.
CREATE TABLE area (
    id            INTEGER PRIMARY KEY,
    code          TEXT NOT NULL,
    parent_ref    INTEGER REFERENCES area,
    name          TEXT NOT NULL,
    -- What it is called: xóm, thôn, bản, xã, tỉnh ..
    label         TEXT NOT NULL,
    valid_from_ms INTEGER,
    valid_to_ms   INTEGER,
    -- The centre, in degrees of WGS 84.
    lat           REAL,
    lon           REAL,
    -- How far a hamlet without polygon reaches around its centre.
    radius_m      REAL,
    -- A GeoJSON geometry (Polygon or MultiPolygon), WGS 84.
    geometry      TEXT,
    population    INTEGER,
    -- The file it came from.
    source        TEXT
) STRICT;

-- -9223372036854775808 stands for "always".
CREATE UNIQUE INDEX area_code ON area (code, coalesce(valid_from_ms, -9223372036854775808));

-- Where a fixed probe stood. A move closes the old place and opens a new one.
CREATE TABLE place (
    id         INTEGER PRIMARY KEY,
    probe_ref  INTEGER NOT NULL REFERENCES probe,
    from_ms    INTEGER NOT NULL,
    -- NULL: it stands there still.
    to_ms      INTEGER,
    lat        REAL NOT NULL,
    lon        REAL NOT NULL,
    label      TEXT,
    -- Its hamlet.
    area_ref   INTEGER REFERENCES area,
    -- 1: said by a person, not found by position.
    area_fixed INTEGER NOT NULL DEFAULT 0,
    -- Which power supply it hangs on; NULL: unknown.
    supply     TEXT,
    UNIQUE (probe_ref, from_ms)
) STRICT;

INSERT INTO place (probe_ref, from_ms, to_ms, lat, lon, label)
SELECT w.probe_ref, w.from_ms,
       coalesce((SELECT min(n.from_ms) FROM probe_place n WHERE n.probe_ref = w.probe_ref AND n.from_ms > w.from_ms),
                max(p.retired_ms, w.from_ms)),
       w.lat, w.lon, w.label
  FROM probe_place w JOIN probe p ON p.id = w.probe_ref
 ORDER BY w.probe_ref, w.from_ms;

DROP TABLE probe_place;

-- At most one place of a probe is open.
CREATE UNIQUE INDEX place_open ON place (probe_ref) WHERE to_ms IS NULL;
