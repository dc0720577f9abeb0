-- The registry, for others to query. Columns may be added, never renamed; a later version of the
-- schema is one more migration in registry.c.

CREATE TABLE run (
    id          INTEGER PRIMARY KEY AUTOINCREMENT, -- never reused, even after a gc
    stage       TEXT NOT NULL,
    recipe      TEXT NOT NULL,
    status      TEXT NOT NULL CHECK (status IN ('running', 'done', 'failed', 'stopped', 'lost')),
    started     REAL NOT NULL, -- Unix time
    seconds     REAL,          -- this run only, not those it resumed
    build       TEXT NOT NULL,
    numerics    TEXT,
    config      TEXT NOT NULL,
    error       TEXT,
    uuid        TEXT NOT NULL UNIQUE, -- the same in any registry; names the run's record
    owner_host  TEXT NOT NULL,
    owner_boot  TEXT NOT NULL,
    owner_pid   INTEGER NOT NULL,
    owner_start INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX run_claim ON run (recipe) WHERE status = 'running';
CREATE INDEX run_recipe ON run (recipe, status);
CREATE INDEX run_stage ON run (stage);

CREATE TABLE artifact (
    id      TEXT PRIMARY KEY,
    kind    TEXT NOT NULL,   -- the port that first produced it: dataset, model, ...
    bytes   INTEGER NOT NULL,
    made_by INTEGER NOT NULL REFERENCES run (id)
) STRICT, WITHOUT ROWID;

CREATE TABLE run_input (
    run      INTEGER NOT NULL REFERENCES run (id) ON DELETE CASCADE,
    port     TEXT NOT NULL,
    artifact TEXT NOT NULL,
    PRIMARY KEY (run, port)
) STRICT, WITHOUT ROWID;
CREATE INDEX run_input_artifact ON run_input (artifact);

CREATE TABLE run_output (
    run      INTEGER NOT NULL REFERENCES run (id) ON DELETE CASCADE,
    port     TEXT NOT NULL,
    artifact TEXT NOT NULL REFERENCES artifact (id),
    PRIMARY KEY (run, port)
) STRICT, WITHOUT ROWID;
CREATE INDEX run_output_artifact ON run_output (artifact);

-- One row per logged value; a final value has step -1; NULL is not-a-number.
CREATE TABLE metric (
    run   INTEGER NOT NULL REFERENCES run (id) ON DELETE CASCADE,
    name  TEXT NOT NULL,
    step  INTEGER NOT NULL,
    value REAL,
    PRIMARY KEY (run, name, step)
) STRICT, WITHOUT ROWID;

-- One row per test case: statistics over cases are computed from these.
CREATE TABLE case_metric (
    run     INTEGER NOT NULL REFERENCES run (id) ON DELETE CASCADE,
    case_id TEXT NOT NULL,
    name    TEXT NOT NULL,
    value   REAL,
    PRIMARY KEY (run, case_id, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE event (
    run    INTEGER NOT NULL REFERENCES run (id) ON DELETE CASCADE,
    at     REAL NOT NULL, -- Unix time
    kind   TEXT NOT NULL,
    detail TEXT NOT NULL  -- JSON
) STRICT;
CREATE INDEX event_run ON event (run);

-- What each place in an experiment's latest plan resolves to, hit or miss.
CREATE TABLE cell (
    experiment TEXT NOT NULL,
    variant    TEXT NOT NULL,
    seed       INTEGER NOT NULL,
    section    TEXT NOT NULL,
    recipe     TEXT,             -- NULL: an input is not computed yet
    position   INTEGER NOT NULL, -- in the order of the experiment file
    PRIMARY KEY (experiment, variant, seed, section)
) STRICT, WITHOUT ROWID;
CREATE INDEX cell_recipe ON cell (recipe);

-- Final values of the newest finished run: tables, reports and outside queries read this.
CREATE VIEW cell_metric AS
SELECT cell.experiment, cell.variant, cell.seed, cell.section, metric.name, metric.value
FROM cell
JOIN metric ON metric.step = -1 AND metric.run =
    (SELECT max(id) FROM run WHERE run.recipe = cell.recipe AND run.status = 'done');

-- A cache: the hashes of files outside the store.
CREATE TABLE file_hash (
    device   INTEGER NOT NULL,
    inode    INTEGER NOT NULL,
    size     INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL,
    ctime_ns INTEGER NOT NULL,
    hash     TEXT NOT NULL,
    PRIMARY KEY (device, inode)
) STRICT, WITHOUT ROWID;
