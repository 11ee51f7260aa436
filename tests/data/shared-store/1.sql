-- The tables as the version before outcomes and past cases made them, and what it left there.
create table cvmtop_schema (version integer not null, store text not null);
insert into cvmtop_schema (version, store) values (1, 'a0b1c2d3');
create table cvmtop_journal (
    id bigint generated always as identity primary key,
    host text not null,
    entry text not null,
    place bigint not null,
    line text not null,
    at timestamptz not null default clock_timestamp(),
    unique (host, entry, place)
);
create table cvmtop_holds (
    host text not null,
    entry text not null,
    instance text not null,
    author text not null,
    until timestamptz not null,
    primary key (host, entry)
);
create index cvmtop_holds_instance on cvmtop_holds (instance);
