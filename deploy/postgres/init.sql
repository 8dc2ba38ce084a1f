-- Runs once, when the data volume is empty. One owner for Temporal's two databases and another for the ledger, so that
-- neither can read the other's. psql reads the passwords from the secret files: no variable and no command line has them.
\set temporal_password `cat /run/secrets/temporal_db_password`
\set ledger_password `cat /run/secrets/ledger_db_password`

-- PostgreSQL itself would only note that the role has no password then, and go on.
SELECT :'temporal_password' = '' OR :'ledger_password' = '' AS incomplete \gset
\if :incomplete
DO $$ BEGIN RAISE 'a password is empty; run deploy/make-secrets.sh, remove the data volume, and start again'; END $$;
\endif

CREATE ROLE temporal LOGIN PASSWORD :'temporal_password';
CREATE ROLE ledger LOGIN PASSWORD :'ledger_password';

CREATE DATABASE temporal OWNER temporal;
CREATE DATABASE temporal_visibility OWNER temporal;
CREATE DATABASE ledger OWNER ledger;

REVOKE ALL ON DATABASE temporal, temporal_visibility, ledger, postgres FROM PUBLIC;
