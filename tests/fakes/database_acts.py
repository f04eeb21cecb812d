"""SQL statements of many kinds that a test can run in its database (acts), and the schema that they use.

`NUMBER` in a statement is replaced by a number that differs in each round, for names that must be unique in
the whole server.
"""

from __future__ import annotations

SCHEMA = """
create extension pg_trgm;
create type mood as enum ('good', 'bad');
create domain positive as int check (value > 0);
create table a (id serial primary key, t text unique, big text);
create index on a using gin (t gin_trgm_ops);
create table b (id bigint generated always as identity primary key, a_id int references a on delete cascade,
    n positive, v int generated always as (n * 2) stored);
create table seeded (k int primary key, v text, m mood default 'good',
    w int generated always as (k + 1) stored);
insert into seeded (k, v) select n, 'v' || n from generate_series(1, 50) n;
create table child (k int references seeded, note text);
create table wide (k int primary key, long text);
alter table wide alter long set storage external;
insert into wide select n, repeat(n::text, 9000) from generate_series(1, 3) n;
create table large (k int primary key, v text);
insert into large select n, repeat('x', 100) from generate_series(1, 2000) n;
create table counted (k int, v text);
insert into counted select n, 'c' from generate_series(1, 20) n;
create index on counted (k);
create table ruled (k int);
create rule quiet as on delete to ruled do instead nothing;
create table always_on (k int);
create table audit (x text);
create function log() returns trigger language plpgsql as
    $$ begin insert into audit values (tg_op || new.k); return new; end $$;
create trigger always_log after insert on always_on for each row execute function log();
alter table always_on enable always trigger always_log;
create trigger seeded_log after insert or update on seeded for each row execute function log();
create table part (d int, t text) partition by range (d);
create table part1 partition of part for values from (0) to (10);
create table part2 partition of part for values from (10) to (20);
create table parent (k int);
create table derived (extra text) inherits (parent);
create sequence s start 100;
create sequence used; select nextval('used') from generate_series(1, 40);
create sequence cached cache 20; select nextval('cached');
create materialized view mv as select count(*) as c from seeded;
create unique index on mv (c);
create view vw as select * from seeded;
create schema inner_schema;
create table inner_schema.t (k int primary key, p point, r int4range, j jsonb, x bytea);
create index on inner_schema.t using gist (r);
create index on inner_schema.t using spgist (p);
create index on inner_schema.t using brin (k);
create index on inner_schema.t using hash (k);
insert into inner_schema.t values (1, '(1,2)', '[1,5)', '{"a": 1}', '\\x00ff'), (2, null, null, null, null);
"""

#: acts that change only rows and sequences; a reset can undo these changes
ROWS: dict[str, str] = {
    "insert": "insert into a (t, big)"
    " select md5(n::text), repeat('x', n * 400) from generate_series(1, 20) n",
    "insert with a foreign key": "insert into a (t) values ('p');"
    " insert into b (a_id, n) select id, 3 from a",
    "insert several": "insert into parent values (1); insert into derived values (2, 'x')",
    "insert into a foreign key's target": "insert into child select k, 'c' from seeded where k < 9",
    "update": "update seeded set v = 'changed' where k % 2 = 0",
    "update of a key": "update seeded set k = k + 1000 where k < 5",
    "update and back": "update seeded set v = v",
    "delete": "delete from seeded where k < 10",
    "delete all": "delete from seeded",
    "delete and insert": "delete from seeded where k = 7; insert into seeded (k, v) values (7, 'v7')",
    "upsert": "insert into seeded (k, v) values (1, 'up') on conflict (k) do update set v = excluded.v",
    "merge": "merge into seeded using (values (1), (900)) as x(k) on seeded.k = x.k"
    " when matched then delete when not matched then insert (k) values (x.k)",
    "rollback": "begin; insert into a (t) values ('rolled back'); delete from seeded; rollback",
    "savepoint": "begin; insert into a (t) values ('one'); savepoint p; insert into a (t) values ('two');"
    " rollback to p; commit",
    "long values": "insert into wide values (9, repeat('long', 20000));"
    " update wide set long = 'short' where k = 1",
    "change of a long value": "update wide set long = long || 'x'",
    "many rows": "insert into a (t) select n::text from generate_series(1, 5000) n",
    "rows of the large table": "update large set v = 'y' where k = 17",
    "rows of the counted table": "insert into counted values (99, 'new')",
    "partitions": "insert into part select n, 'p' from generate_series(0, 19) n;"
    " update part set d = 19 where d = 3",
    "other types": "insert into inner_schema.t values (3, '(5,6)', '[2,9)', '[]', '\\xff');"
    " update inner_schema.t set j = '{}'",
    "row locks": "begin; select * from seeded for update; commit",
    "key locks": "begin; select * from seeded where k < 20 for key share; commit",
    "nextval": "select nextval('s'), nextval('s')",
    "nextval without a record": "select nextval('used')",
    "nextval of many": "select nextval('s') from generate_series(1, 100)",
    "nextval of a cached sequence": "select nextval('cached'), nextval('cached')",
    "nextval and rollback": "begin; select nextval('a_id_seq'); rollback",
    "setval": "select setval('a_id_seq', 999)",
    "setval to the same": "select setval('used', 40)",
    "identity": "insert into b (n) values (1); insert into b (id, n) overriding system value values (77, 2)",
    "copy": "copy seeded (k, v) from program 'echo 5000,z' with (format csv)",
    "copy to": "copy seeded to program 'cat > /dev/null'",
    "block": "do $$ begin for n in 1..5 loop begin insert into a (t) values ('same');"
    " exception when unique_violation then null; end; end loop; end $$",
    "constraint violation": "insert into child values (123456, 'no such key')",
    "no foreign keys": "set session_replication_role = replica; insert into child values (123456, 'x')",
    "holdable cursor": "begin; declare c cursor with hold for select * from seeded; commit; fetch 1 from c",
    "prepared statement": "prepare p as insert into a (t) values ($1); execute p('prepared')",
    "advisory lock": "select pg_advisory_lock(42)",
    "listen": "listen channel; notify channel, 'payload'",
    "two-phase commit": "begin; insert into a (t) values ('2pc'); prepare transaction 'cNUMBER';"
    " commit prepared 'cNUMBER'",
    "checkpoint": "insert into a (t) values ('before'); checkpoint; select nextval('s')",
    "another WAL file": "insert into a (t) values ('switch'); select pg_switch_wal()",
    "setting of the session": "set work_mem = '1MB'; set search_path = inner_schema",
    "read": "select count(*) from seeded; select * from vw; explain analyze select * from b",
    "backend killed": "insert into a (t) values ('killed'); select pg_terminate_backend(pg_backend_pid())",
    "unfinished transaction": "begin; insert into a (t) values ('unfinished'); delete from seeded",
    "table lock": "begin; lock table seeded in access exclusive mode",
    "statement trigger": "insert into always_on values (1)",
    "rule": "insert into ruled values (1)",
    "publication of rows": "update seeded set m = 'bad' where k = 1",
}

#: all other acts; a reset must detect their changes
OTHERS: dict[str, str] = {
    "truncate": "truncate seeded cascade",
    "truncate with identity": "truncate a restart identity cascade",
    "truncate and refill": "begin; truncate seeded cascade; insert into seeded (k) values (1); commit",
    "create table": "create table extra (x int); insert into extra values (1)",
    "create table as": "create table extra as select * from seeded",
    "create and copy": "begin; create table extra (k int);"
    " copy extra from program 'echo 1' with (freeze); commit",
    "drop table": "drop table audit cascade",
    "create and drop": "create table extra (x int); drop table extra",
    "add column": "alter table b add z int default 3",
    "drop column": "alter table seeded drop v cascade",
    "rename column": "alter table a rename big to bigger",
    "change type": "alter table a alter big type varchar(20000)",
    "not null": "alter table a alter t set not null",
    "default": "alter table a alter big set default 'x'",
    "check constraint": "alter table a add check (id > 0) not valid",
    "rewrite": "alter table counted alter k type bigint",
    "statistics target": "alter table seeded alter v set statistics 5",
    "storage parameter": "alter table a set (fillfactor = 50)",
    "temporary table": "create temp table tt (a int); insert into tt values (1)",
    "temporary sequence": "create temp sequence ts; select nextval('ts')",
    "unlogged table": "create unlogged table u (a int); insert into u values (1)",
    "set unlogged": "alter table audit set unlogged; insert into audit values ('x')",
    "large object": "select lo_create(0)",
    "content of a large object": "select lo_from_bytea(0, 'abc')",
    "analyze": "analyze",
    "vacuum": "delete from seeded where k = 3; vacuum seeded",
    "vacuum full": "vacuum full a",
    "vacuum of a catalog": "vacuum full pg_class",
    "cluster": "cluster a using a_pkey",
    "reindex": "reindex table a",
    "reindex concurrently": "reindex table concurrently seeded",
    "create index": "create index on a (big)",
    "create index concurrently": "create index concurrently on seeded (v)",
    "drop index": "drop index a_t_idx",
    "create schema": "create schema x; create table x.y (a int)",
    "create view": "create view more as select 1",
    "create function": "create function one() returns int language sql as 'select 1'",
    "replace function": "create or replace function log() returns trigger language plpgsql as"
    " $$ begin return null; end $$",
    "create trigger": "create trigger more before insert on a for each row execute function log()",
    "disable trigger": "alter table seeded disable trigger seeded_log",
    "create rule": "create rule r as on insert to audit do instead nothing",
    "row security": "alter table a enable row level security; create policy p on a using (true)",
    "grant": "grant select on a to public",
    "default privileges": "alter default privileges grant select on tables to public",
    "comment": "comment on table a is 'changed'",
    "create extension": "create extension hstore",
    "drop extension": "drop extension pg_trgm cascade",
    "enum value": "alter type mood add value 'mixed'",
    "create domain": "create domain more as text",
    "alter sequence": "alter sequence s restart 7",
    "sequence increment": "alter sequence s increment 5",
    "create sequence": "create sequence more; select nextval('more')",
    "refresh": "refresh materialized view mv",
    "refresh concurrently": "delete from seeded where k = 1; refresh materialized view concurrently mv",
    "create partition": "create table part3 partition of part for values from (20) to (30)",
    "detach partition": "alter table part detach partition part2",
    "inheritance": "alter table derived no inherit parent",
    "extended statistics": "create statistics st on k, v from seeded",
    "event trigger": "create function e() returns event_trigger language plpgsql as $$ begin end $$;"
    " create event trigger et on ddl_command_start execute function e()",
    "publication": "create publication pNUMBER for table a",
    "subscription": "create subscription sNUMBER connection 'host=nowhere dbname=x' publication p"
    " with (connect = false)",
    "replication slot": "select pg_create_logical_replication_slot('slotNUMBER', 'pgoutput')",
    "prepared transaction": "begin; insert into a (t) values ('2pc'); prepare transaction 'gNUMBER'",
    "prepared without a change": "begin; select pg_advisory_xact_lock(7); prepare transaction 'hNUMBER'",
    "replica identity": "alter table a replica identity full",
    "owner": "create role ownerNUMBER; alter table a owner to ownerNUMBER; alter table a owner to postgres;"
    " drop role ownerNUMBER",
    "catalog change": "set allow_system_table_mods = on;"
    " update pg_class set reltuples = 7 where relname = 'a'",
    "information schema": "set allow_system_table_mods = on;"
    " delete from information_schema.sql_features where feature_id = 'B011'",
    "foreign table": "create extension file_fdw; create server f foreign data wrapper file_fdw;"
    " create foreign table ft (x text) server f options (filename '/dev/null')",
    "collation": "create collation c2 (provider = builtin, locale = 'C')",
    "text search": "create text search configuration ts (copy = pg_catalog.english)",
    "cast": "create cast (mood as positive) with inout",
    "setting of the database": "do $$ begin execute format("
    "'alter database %I set work_mem = ''1MB''', current_database()); end $$",
    "setting of a role in the database": "do $$ begin execute format("
    "'alter role postgres in database %I set work_mem = ''1MB''', current_database()); end $$",
    "connection limit": "do $$ begin execute format("
    "'alter database %I connection limit 20', current_database()); end $$",
    "comment on the database": "do $$ begin execute format("
    "'comment on database %I is ''mine''', current_database()); end $$",
    "privileges of the database": "do $$ begin execute format("
    "'revoke temporary on database %I from public', current_database()); end $$",
    "template flag": "do $$ begin execute format("
    "'alter database %I is_template true', current_database()); end $$",
}
