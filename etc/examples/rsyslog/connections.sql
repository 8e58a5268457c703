-- The table for gaidaros.conf: a row for each line of gaidaros's access log in JSON.
BEGIN;

CREATE SCHEMA gaidaros;

CREATE TABLE gaidaros.connections (
    "time"      timestamptz NOT NULL,
    client      text NOT NULL,      -- ADDRESS:PORT
    service     text NOT NULL,
    "group"     text NOT NULL,
    host        text NOT NULL,
    status      text NOT NULL,      -- ok idle lifetime client_reset ...; open: it goes on
    bytes_in    bigint NOT NULL,    -- from the client
    bytes_out   bigint NOT NULL,
    connect_ms  bigint NOT NULL,
    duration_ms bigint NOT NULL,
    sni         text NOT NULL,
    id          numeric             -- with access_start or access_interval: joins the lines of a connection
);
CREATE INDEX ON gaidaros.connections ("time");
CREATE INDEX ON gaidaros.connections (service, "group", host, "time");

-- Lines that are not whole, as a full disk leaves them: one of these must not hold up all that follow.
CREATE TABLE gaidaros.torn_lines (
    "time" timestamptz NOT NULL DEFAULT now(),
    line   text NOT NULL
);

-- Looks at both ends first, since catching a fault would cost a subtransaction, and its number, for each line.
CREATE FUNCTION gaidaros.add_connection(line text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF line LIKE '{"time":"%}' THEN
        INSERT INTO gaidaros.connections
            SELECT * FROM jsonb_populate_record(NULL::gaidaros.connections, line::jsonb);
    ELSE
        INSERT INTO gaidaros.torn_lines (line) VALUES (line);
    END IF;
END
$$;

COMMIT;
