-- One row per create. The key is a ULID, so rows are appended in time order. The table
-- has row ids although it has a key: without them (WITHOUT ROWID) whole rows would fill
-- the inner pages too, about ten per page, and the tree of a million rows would be six
-- pages deep instead of three.
CREATE TABLE ingest_configurations (
  operation_id      BLOB    NOT NULL PRIMARY KEY, -- ULID, 16 bytes
  tenant            TEXT    NOT NULL,
  request_id        TEXT    NOT NULL,             -- the operation id if the caller sent none
  fingerprint       BLOB    NOT NULL,             -- 16 bytes
  state             INTEGER NOT NULL,             -- ledger::State
  lease_until_ms    INTEGER NOT NULL,             -- in states 1, 2 and 5: end of the lease, in ms since the ledger was opened
  sent_at_ms        INTEGER,                      -- when it was last sent to AWS
  resent            INTEGER NOT NULL DEFAULT 0,   -- 1: an earlier sending may have been executed
  response_recorded INTEGER NOT NULL DEFAULT 0,   -- 1: AWS's response to the create is recorded
  arn               TEXT,                         -- when known
  participant_id    TEXT,
  name              TEXT    NOT NULL,
  stage_arn         TEXT    NOT NULL,             -- '' if there is no stage
  user_id           TEXT    NOT NULL,
  attributes        TEXT    NOT NULL,             -- JSON object
  ingest_protocol   TEXT    NOT NULL,             -- as AWS writes it
  redundant_ingest  INTEGER NOT NULL,
  tags              TEXT    NOT NULL,             -- JSON object: the caller's own
  observed_state    TEXT,                         -- as AWS writes it, at observed_at_ms
  observed_at_ms    INTEGER,
  missed            INTEGER NOT NULL DEFAULT 0,   -- consecutive scans that missed it
  created_at_ms     INTEGER NOT NULL,
  updated_at_ms     INTEGER NOT NULL              -- the last change of state
) STRICT;

-- One row, about the whole ledger.
CREATE TABLE about (
  comparison  INTEGER NOT NULL, -- ledger::Comparison: the one that the next start needs
  region      TEXT,             -- of the configurations; NULL before the first start
  account_id  TEXT,             -- of the configurations, if known
  endpoint    TEXT              -- of AWS, or in place of it
) STRICT;
INSERT INTO about (comparison) VALUES (2);

-- A rejected create made nothing: its request_id may be used again.
CREATE UNIQUE INDEX request_ids ON ingest_configurations (tenant, request_id) WHERE state <> 7;

-- The quota and the lists: a tenant's rows that may exist at AWS, in time order.
CREATE INDEX tenants_own ON ingest_configurations (tenant, operation_id, state) WHERE state <= 5;

-- The rows that a task must end or the resolver must resolve, the oldest first. The
-- condition has no IN, for which SQLite would build a temporary table at every change of a
-- row. SQLite uses this index only for statements that repeat both conditions.
CREATE INDEX unsettled ON ingest_configurations (state, operation_id)
WHERE state <= 5 AND state <> 4;

-- The rows that have ended and will be pruned.
CREATE INDEX ended ON ingest_configurations (updated_at_ms) WHERE state >= 6;

-- An ARN belongs to one row.
CREATE UNIQUE INDEX arns ON ingest_configurations (arn) WHERE arn IS NOT NULL;
