create table orders (
    id uuid primary key,
    email text not null,
    item text not null,
    quantity int not null check (quantity > 0)
);

-- Messages that are not published yet. They are written in the transaction of the order.
create table outbox (
    number bigint generated always as identity primary key,
    message jsonb not null
);
