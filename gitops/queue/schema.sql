CREATE TABLE IF NOT EXISTS catalyst_delivery (
    id          text PRIMARY KEY NOT NULL,
    event       text NOT NULL,
    repository  text NOT NULL,
    received_at bigint NOT NULL -- milliseconds since 1970
);
CREATE INDEX IF NOT EXISTS catalyst_delivery_received_at ON catalyst_delivery (received_at);

CREATE TABLE IF NOT EXISTS catalyst_outcome (
    key        text PRIMARY KEY NOT NULL,
    repository text NOT NULL,
    pr_number  bigint NOT NULL,
    source_sha text NOT NULL,
    state      text NOT NULL,
    message    text NOT NULL,
    revision   text NOT NULL,
    report     text NOT NULL, -- JSON, or empty
    at         bigint NOT NULL -- milliseconds since 1970
);
